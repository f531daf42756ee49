"""Errors, sorted by whose fault they are.

The caller's: 4xx, and they say what would work. The hub's: shown to the hub again. A backend's
or the machine's: perhaps another attempt. Ours: 500, never hidden. Between processes they travel
as data.
"""

from collections.abc import Collection, Mapping
from typing import Any, ClassVar

MAX_RETRY_AFTER_S = 120.0  #: clients that are told to wait for longer do not ask again


class MedleyError(Exception):
    """An error with a stable code. `status` is its HTTP status, `retryable` whether another attempt
    can help.
    """

    code: ClassVar[str] = "internal_error"
    status: ClassVar[int] = 500
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, errors: Collection[Mapping[str, Any]] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.errors = [dict(error) for error in errors]

    def to_data(self) -> dict[str, Any]:
        """The error as plain JSON, as it is stored in rows and events."""
        data: dict[str, Any] = {
            "code": self.code,
            "message": self.message,
            "retryable": self.retryable,
        }
        if self.errors:
            data["errors"] = self.errors
        return data


class CallerError(MedleyError):
    """The request cannot be served as it stands."""

    code, status = "bad_request", 400


class NotFound(CallerError):
    """There is no such thing, or it is not yours."""

    code, status = "not_found", 404

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(f"There is no {kind} {name!r}.")


class Conflict(CallerError):
    """The thing is not in a state that allows this."""

    code, status = "conflict", 409


class TooLarge(CallerError):
    """More bytes, pixels, frames or seconds than are accepted."""

    code, status = "too_large", 413


class UnsupportedMedia(CallerError):
    """This kind of file is not accepted."""

    code, status = "unsupported_media", 415

    def __init__(self, found: str, accepted: Collection[str]) -> None:
        super().__init__(f"Got {found}; accepted: {', '.join(sorted(accepted))}.")
        self.found, self.accepted = found, sorted(accepted)


class BrokenMedia(CallerError):
    """The file is of an accepted kind, but cannot be decoded."""

    code, status = "broken_media", 422


class InvalidPlan(CallerError):
    """The plan or workflow is valid JSON, but cannot be run; `errors` names each fault with its
    pointer.
    """

    code, status = "invalid_plan", 422


class IdempotencyMismatch(CallerError):
    """The same Idempotency-Key came with another body."""

    code, status = "idempotency_key_reuse", 422


class QueueFull(CallerError):
    """Too much is waiting already."""

    code, status, retryable = "queue_full", 429, True


class Unauthorized(CallerError):
    """Who calls is not known, or not any more."""

    code, status = "unauthorized", 401


class Forbidden(CallerError):
    """Who calls is known, and may not do this."""

    code, status = "forbidden", 403


class TooMuch(CallerError):
    """Enough for now; `retry_after_s` says when asking again makes sense."""

    code, status, retryable = "rate_limited", 429, True

    def __init__(self, message: str, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = min(max(retry_after_s, 0.05), MAX_RETRY_AFTER_S)


class RateLimited(TooMuch):
    """Too many requests within a minute."""


class QuotaExceeded(TooMuch):
    """The key, or its tenant, has used what it may."""

    code = "quota_exceeded"


class Unavailable(MedleyError):
    """Something this request needs is not there right now."""

    code, status, retryable = "unavailable", 503, True


class UnsafeWeights(Unavailable):
    """A model's files could run code when they are read; no attempt and no worker reads them."""

    code, retryable = "unsafe_weights", False


class BadInput(MedleyError):
    """A step's input or parameter cannot be used; another attempt would fail the same way."""

    code, status = "bad_input", 422


class BackendError(MedleyError):
    """A backend failed; another attempt may work."""

    code, retryable = "backend_error", True


class ToolFailed(MedleyError):
    """A tool from outside failed, or says that it did; a second call might do something twice."""

    code, status = "tool_failed", 502


class ToolChanged(MedleyError):
    """A tool from outside is not any more what its operator attached."""

    code, status = "tool_changed", 409


class ServerDetached(MedleyError):
    """The tool's server was detached after the step was planned."""

    code, status = "server_detached", 409


class HubError(MedleyError):
    """The hub gave something that cannot be used, after its repairs."""

    code = "hub_error"


class OutOfMemory(BackendError):
    """The device has no room for this."""

    code = "out_of_memory"


class StepStopped(BaseException):
    """Raised inside a backend's loop when its step was canceled, fenced or ran past its deadline.

    Not an `Exception`, so that a backend's own `except Exception` cannot swallow a stop.
    """

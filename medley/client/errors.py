"""What can go wrong when a service is called: refusals by whose fault they are, and jobs that did
not succeed. `medley.errors.Unavailable` says that no service answered at all.
"""

from collections.abc import Mapping
from typing import Any

from medley.errors import MedleyError


class Refused(MedleyError):
    """The service refused a request; `problem` is its answer.

    `reason` is the stable code, `request_id` names the request in the service's log.
    """

    code = "refused"

    def __init__(
        self, status: int, problem: Mapping[str, Any], retry_after: float | None = None
    ) -> None:
        super().__init__(_describe(status, problem), errors=problem.get("errors") or ())
        self.http_status = status
        self.problem = dict(problem)
        self.retry_after = retry_after  # seconds
        self.reason = str(problem.get("code") or "refused")
        self.request_id = str(problem.get("request_id") or "")

    @property
    def faults(self) -> list[dict[str, Any]]:
        """Each with `pointer`, `reason` and perhaps `suggestion`."""
        return self.errors


class Invalid(Refused):
    """The request cannot be served as it stands (400, 413, 415, 422 …)."""


class NotAllowed(Refused):
    """Without a key, or not with this one (401, 403)."""


class Missing(Refused):
    """There is no such thing, or it is not yours (404, 410)."""


class Conflicting(Refused):
    """The thing is not in a state that allows this, or has changed (409, 412, 428)."""


class TooMany(Refused):
    """Too much is asked or waiting; `retry_after` says in how many seconds to ask again (429)."""


class Broken(Refused):
    """The service failed, or something that it needs is away (5xx)."""


class JobFailed(MedleyError):
    """A job ended without success; `job` is the handle, `reason` the code of its error."""

    code = "job_failed"

    def __init__(self, job: Any) -> None:
        error = job.error or {}
        said = error.get("message") or "it did not succeed"
        super().__init__(f"{job.id} {job.status}: {said}", errors=error.get("errors") or ())
        self.job = job
        self.reason = str(error.get("code") or job.status)


def refusal(status: int, problem: Mapping[str, Any], retry_after: float | None = None) -> Refused:
    """The error for an answer of this status."""
    kinds: dict[int, type[Refused]] = {
        401: NotAllowed, 403: NotAllowed, 404: Missing, 410: Missing,
        409: Conflicting, 412: Conflicting, 428: Conflicting, 429: TooMany,
    }  # fmt: skip
    kind = kinds.get(status, Broken if status >= 500 else Invalid)
    return kind(status, problem, retry_after)


def _describe(status: int, problem: Mapping[str, Any]) -> str:
    lines = [str(problem.get("detail") or problem.get("title") or f"HTTP status {status}")]
    for fault in problem.get("errors") or ():
        line = f"  {fault.get('pointer', '')}: {fault.get('reason', '')}"
        suggestion = fault.get("suggestion")
        lines.append(f"{line} ({suggestion})" if suggestion else line)
    return "\n".join(lines)

"""What is wrong with a request in OpenAI's form: 400 with the parameter that is meant."""

from typing import Any, ClassVar

from medley.errors import CallerError, MedleyError


class BadParameter(CallerError):
    """A parameter has a value that cannot be used."""

    code: ClassVar[str] = "invalid_value"


class Unsupported(CallerError):
    """A parameter, or a kind of tool or item, that is not offered here."""

    code: ClassVar[str] = "unsupported_parameter"


class UnknownModel(CallerError):
    """There is no such model, or it does not chat."""

    code: ClassVar[str] = "model_not_found"
    status: ClassVar[int] = 404


class TimedOut(MedleyError):
    """The answer is not there in time; its job goes on."""

    code: ClassVar[str] = "timeout"
    status: ClassVar[int] = 504


def wrong(at: str, reason: str) -> BadParameter:
    """The error to raise; `at` is a JSON pointer."""
    return BadParameter(f"{_named(at)}: {reason}", errors=[_place(at, reason)])


def unsupported(at: str, reason: str) -> Unsupported:
    """The error to raise; `at` is a JSON pointer."""
    return Unsupported(f"{_named(at)}: {reason}", errors=[_place(at, reason)])


def _named(at: str) -> str:
    return at.removeprefix("/").replace("/", ".") or "body"


def _place(at: str, reason: str) -> dict[str, Any]:
    return {"pointer": at, "reason": reason}

"""Errors as HTTP answers: RFC 9457 members, and an `error` member for clients that read OpenAI's
form.
"""

import logging
import math
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from api.places import deepest, place
from medley.advice import advice
from medley.errors import MedleyError, TooMuch, Unavailable

logger = logging.getLogger("medley.api")
MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 2
#: Rooms of OpenAI's that are not offered, and whose names mean nothing else here.
UNSUPPORTED_ROOMS = frozenset(
    {"agents", "assistants", "chatkit", "completions", "containers", "decisions", "evals"}
    | {"fine_tuning", "live", "moderations", "realtime", "skills", "threads"}
)
#: Where callers read OpenAI's form: errors are plain JSON there, and a wrong value is a 400.
OPENAI_ROOMS = frozenset(
    {"audio", "batches", "chat", "content_provenance_checks", "embeddings", "files", "images"}
    | {"responses", "uploads", "vector_stores", "videos"}
    | {"webhook_endpoints", "webhook_event_types"}
    | UNSUPPORTED_ROOMS
)

_TITLES = {status.value: status.phrase for status in HTTPStatus}
_CODES = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    406: "not_acceptable",
    408: "request_timeout",
    409: "conflict",
    413: "too_large",
    415: "unsupported_media",
    416: "range_not_satisfiable",
    422: "invalid_request",
    429: "too_many_requests",
    503: "unavailable",
}


class Fault(BaseModel):
    """One place in the request that is wrong."""

    pointer: str = Field(
        description="JSON pointer into the body, or `query/<name>`, `path/<name>`, `header/<name>`."
    )
    reason: str
    suggestion: str | None = None


class ErrorView(BaseModel):
    """The same error in OpenAI's form."""

    message: str
    type: str
    param: str | None
    code: str


class Problem(BaseModel):
    """RFC 9457 problem details."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str = Field(description="Stable name of the error.")
    request_id: str
    errors: list[Fault] = Field(description="The places that are wrong; may be empty.")
    error: ErrorView


def is_openai(path: str) -> bool:
    """Whether this address is one of OpenAI's."""
    _, version, room, *_ = *path.split("/"), "", ""
    return version == "v1" and room in OPENAI_ROOMS


def media_type(path: str) -> str:
    """The content type of an error at this address."""
    return "application/json" if is_openai(path) else MEDIA_TYPE


class ApiError(HTTPException):
    """An HTTP error with its own code, for what the framework must pass through untouched."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        headers: Mapping[str, str] | None = None,
        errors: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        super().__init__(status, detail, dict(headers or {}))
        self.code = code
        self.errors = errors


def body(
    status: int,
    code: str,
    detail: str,
    *,
    instance: str,
    request_id: str,
    errors: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """The problem as plain JSON."""
    title = _TITLES.get(status, "Error")
    kind = (
        "server_error"
        if status >= 500
        else "rate_limit_error"
        if status == 429
        else "invalid_request_error"
    )
    param = errors[0].get("pointer") if errors else None
    if param is not None and is_openai(instance):
        param = param.removeprefix("/").replace("/", ".")
    return {
        "type": "about:blank",
        "title": title,
        "status": status,
        "detail": detail,
        "instance": instance,
        "code": code,
        "request_id": request_id,
        "errors": [dict(item) for item in errors],
        "error": {"message": detail, "type": kind, "param": param, "code": code},
    }


def response(
    request: Request,
    status: int,
    code: str,
    detail: str,
    *,
    errors: Sequence[Mapping[str, Any]] = (),
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """The problem as an answer to this request."""
    content = body(
        status,
        code,
        detail,
        instance=request.url.path,
        request_id=request.scope.get("medley.request_id", ""),
        errors=errors,
    )
    extra = dict(headers or {})
    if status in (429, 503):
        extra.setdefault("Retry-After", str(RETRY_AFTER_S))
        extra.setdefault("retry-after-ms", f"{1000 * float(extra['Retry-After']):.0f}")
    if status == 409:
        extra.setdefault("x-should-retry", "false")  # OpenAI's SDK would repeat the request
    kind = media_type(request.url.path)
    return JSONResponse(content, status, headers=extra, media_type=kind)


def of_error(request: Request, error: MedleyError) -> JSONResponse:
    """An error of ours as an answer to this request."""
    headers = {}
    # Where OpenAI's form is spoken, what cannot be used is a 400.
    status = 400 if error.status == 422 and is_openai(request.url.path) else error.status
    if isinstance(error, TooMuch):
        headers["Retry-After"] = f"{math.ceil(error.retry_after_s)}"
        headers["retry-after-ms"] = f"{1000 * error.retry_after_s:.0f}"
    elif error.status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="medley"'
    return response(
        request, status, error.code, error.message, errors=error.errors, headers=headers
    )


def code_of(status: int) -> str:
    """The code of an error that says nothing more than its status."""
    return _CODES.get(status, "internal_error" if status >= 500 else "bad_request")


def install(app: FastAPI, allowed: Mapping[str, Sequence[str]]) -> None:
    """Sets the handlers. `allowed` maps a path template of a route to its methods, for `Allow`."""

    def medley_error(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, MedleyError)
        if error.status >= 500 and not isinstance(error, Unavailable):
            logger.error("request failed", exc_info=error)
        return of_error(request, error)

    def http_error(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        headers = dict(error.headers or {})
        if error.status_code == 405:
            route = request.scope.get("route")
            methods = allowed.get(getattr(route, "path_format", ""), ())
            headers = {
                "Allow": ", ".join(methods) or headers.get("Allow", headers.get("allow", ""))
            }
        code = code_of(error.status_code)
        errors: Sequence[Mapping[str, Any]] = ()
        if isinstance(error, ApiError):
            code, errors = error.code, error.errors
        return response(
            request, error.status_code, code, str(error.detail), errors=errors, headers=headers
        )

    def invalid(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        found = [dict(item) for item in error.errors()]
        if any(_is_unread(item) for item in found):
            return response(request, 415, "unsupported_media", "Send application/json.")
        if is_openai(request.url.path):
            where = [("body", *place(item["loc"][1:])) for item in found]
            pairs = zip(found, where, strict=True)
            found = deepest(
                [
                    {**item, "loc": loc} if item["loc"][:1] == ("body",) else item
                    for item, loc in pairs
                ]
            )
        faults = [_fault(item) for item in found]
        detail = (
            f"{faults[0]['pointer'] or 'body'}: {faults[0]['reason']}"
            if faults
            else "The request is not valid."
        )
        status = 400 if is_openai(request.url.path) else 422
        return response(request, status, "invalid_request", detail, errors=faults)

    def database(request: Request, error: Exception) -> JSONResponse:
        logger.error("database error", exc_info=error)
        if isinstance(error, OperationalError | PoolTimeout) or getattr(
            error, "connection_invalidated", False
        ):
            return response(request, 503, "unavailable", "The database does not answer right now.")
        return response(request, 500, "internal_error", "Something went wrong here.")

    def unexpected(request: Request, error: Exception) -> JSONResponse:
        del error  # the server logs it with its trace
        return response(request, 500, "internal_error", "Something went wrong here.")

    app.add_exception_handler(MedleyError, medley_error)
    app.add_exception_handler(HTTPException, http_error)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(DBAPIError, database)
    app.add_exception_handler(PoolTimeout, database)
    app.add_exception_handler(Exception, unexpected)


def _is_unread(item: Mapping[str, Any]) -> bool:
    """Whether a body was not read as JSON, because its `Content-Type` says something else."""
    return tuple(item["loc"]) == ("body",) and isinstance(item.get("input"), bytes)


def _fault(item: Mapping[str, Any]) -> dict[str, str]:
    where, *rest = item["loc"] or ("body",)
    places = "".join("/" + str(place).replace("~", "~0").replace("/", "~1") for place in rest)
    pointer = places if where == "body" else f"{where}{places}"
    reason = str(item["msg"]).removeprefix("Value error, ")
    return {"pointer": pointer, "reason": reason, "suggestion": advice(item)}

"""The outermost layer: a request id for every answer, and one form for errors that the framework
writes as plain text.

Pure ASGI, so that streams pass through unbuffered.
"""

import asyncio
import json
import re
from urllib.parse import urlsplit

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import problems, timing, tracing
from api.metrics import Metrics
from medley.ids import new_id

_REQUEST_ID = re.compile(r"[A-Za-z0-9_.:-]{1,128}")
SILENCE_S = 30.0  #: how long a sender may pause in the middle of a body
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class Edge:
    """Wraps the application. `hosts`: names under which it may be called; empty means any."""

    def __init__(
        self, app: ASGIApp, hosts: frozenset[str] = frozenset(), metrics: Metrics | None = None
    ) -> None:
        self.app = app
        self.hosts = hosts
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else new_id("req")
        scope["medley.request_id"] = request_id
        answer = _Answer(scope, send, request_id, timing.start())
        tracing.arrived(headers.get("traceparent"))
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            if self.metrics is None:
                await self._serve(scope, headers, receive, answer)
                return
            self.metrics.begin()
            try:
                await self._serve(scope, headers, receive, answer)
            finally:
                seconds = answer.clock.seconds
                self.metrics.end(scope, answer.status, seconds, stream=answer.is_stream)

    async def _serve(
        self, scope: Scope, headers: Headers, receive: Receive, answer: "_Answer"
    ) -> None:
        refusal = self._refusal(scope, headers)
        if refusal is not None:
            await answer.problem(*refusal)
            return
        await self.app(scope, _Patient(receive), answer)

    def _refusal(self, scope: Scope, headers: Headers) -> tuple[int, str, str] | None:
        host = headers.get("host", "")
        name = host_of(f"//{host}") if _plain(host) else ""
        if self.hosts and name not in self.hosts:
            # A page elsewhere can point its own name at this machine; only names that we know are
            # served.
            return 421, "unknown_host", f"This service is not called {host!r}."
        origin = headers.get("origin")
        if (
            scope["method"] not in _SAFE_METHODS
            and origin is not None
            and netloc_of(origin) != host
        ):
            return 403, "cross_origin", "Pages of another origin may not change anything here."
        if b"\0" in scope.get("path", "").encode("utf-8", "surrogatepass") or b"%00" in scope.get(
            "query_string", b""
        ):
            return 400, "bad_request", "NUL is not allowed in an address."
        return None


class _Patient:
    """Receives a body, but not from somebody who falls silent in the middle of it."""

    def __init__(self, receive: Receive) -> None:
        self.receive, self.whole = receive, False

    async def __call__(self) -> Message:
        if self.whole:  # what comes now is the end of the connection
            return await self.receive()
        try:
            async with asyncio.timeout(SILENCE_S):
                message = await self.receive()
        except TimeoutError:
            reason = f"Nothing came for {SILENCE_S:g} seconds in the middle of the body."
            raise problems.ApiError(
                408, "request_timeout", reason, {"Connection": "close"}
            ) from None
        self.whole = not message.get("more_body", False)
        return message


class _Answer:
    """Passes messages on; replaces plain-text errors."""

    def __init__(self, scope: Scope, send: Send, request_id: str, clock: timing.Clock) -> None:
        self.scope, self.send, self.request_id = scope, send, request_id
        self.clock = clock
        self.replacing: Message | None = None
        self.status = 499  # the sender went away before there was an answer
        self.is_stream = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["x-request-id"] = self.request_id
            headers.append("Server-Timing", self.clock.header())
            self.status = message["status"]
            self.is_stream = headers.get("content-type", "").startswith("text/event-stream")
            kind = headers.get("content-type", "text/plain")  # some say nothing of plain words
            if message["status"] >= 400 and kind.startswith("text/plain"):
                self.replacing = message
                return
        elif self.replacing is not None:
            if message.get("more_body"):
                return
            kept = Headers(raw=self.replacing["headers"])
            status = self.replacing["status"]
            self.replacing = None
            more = {
                name: kept[name]
                for name in ("allow", "content-range", "accept-ranges")
                if name in kept
            }
            await self.problem(status, problems.code_of(status), _sentence(status), more)
            return
        await self.send(message)

    async def problem(
        self, status: int, code: str, detail: str, headers: dict[str, str] | None = None
    ) -> None:
        """Writes a whole answer."""
        self.status = status
        content = problems.body(
            status, code, detail, instance=self.scope["path"], request_id=self.request_id
        )
        raw = json.dumps(content).encode()
        if self.scope["method"] == "HEAD":
            raw = b""
        every = {
            "content-type": problems.media_type(self.scope["path"]),
            "content-length": str(len(raw)),
            "x-request-id": self.request_id,
            "server-timing": self.clock.header(),
            **(headers or {}),
        }
        start = [(name.encode(), value.encode()) for name, value in every.items()]
        await self.send({"type": "http.response.start", "status": status, "headers": start})
        await self.send({"type": "http.response.body", "body": raw})


def host_of(address: str) -> str:
    """The name in an address; empty where there is none, or none that could be one."""
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""


def netloc_of(address: str) -> str | None:
    """Name and port in an address; None where it cannot be read."""
    try:
        return urlsplit(address).netloc
    except ValueError:
        return None


def _plain(host: str) -> bool:
    return re.fullmatch(r"[A-Za-z0-9.\-_\[\]:]*", host) is not None


def _sentence(status: int) -> str:
    return {
        400: "The request cannot be understood.",
        413: "The body is larger than is accepted here.",
        416: "The range lies outside the content.",
    }.get(status, "The request failed.")

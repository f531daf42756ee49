"""Who calls: the layer behind the edge that knows every caller before any route does.

Pure ASGI, so that streams and mounted applications are behind it, too. It leaves the caller in
`scope["medley.caller"]`. Without any key only this machine itself is served; with the first key
everybody needs one.
"""

import ipaddress
import logging
import time
from collections.abc import Collection
from dataclasses import replace
from urllib.parse import parse_qsl, urlencode

from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import problems
from api.doors import Door, bytes_of, need, of_job, told
from api.edge import host_of, netloc_of
from api.keyring import REMEMBERED_S, KeyRing
from api.state import Service
from medley.errors import Forbidden, MedleyError, Unauthorized, Unavailable
from orchestrator import asset_use, audit, keys
from orchestrator.keys import LOCAL, NOBODY, Caller
from orchestrator.sessions import SESSION_MARK, TOKEN_MARK

logger = logging.getLogger("medley.api")
COOKIE = "medley_session"
MAX_SECRET = 200
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")
_HOW = "Send a key: `Authorization: Bearer mk_…` or `X-API-Key: mk_…`."
_FIRST = (
    "There is no key yet, and without one only this machine itself is served, under a name such as"
    " localhost. Make a key with `medley keys create --scope admin` where the service runs."
)


class Auth:
    """Wraps the application. `open_files`: addresses of the page, and of its folders with a slash
    at their end, which everybody may read.
    """

    def __init__(self, app: ASGIApp, open_files: Collection[str] = ()) -> None:
        self.app = app
        self.files = frozenset(open_files)
        self.folders = tuple(name for name in open_files if name.endswith("/") and name != "/")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request = Request(scope)
        token = _take_token(scope)
        caller = replace(
            NOBODY, address=_address(scope), request=scope.get("medley.request_id", "")
        )
        try:
            found = await self._admit(request, token, caller)
        except MedleyError as error:
            await problems.of_error(request, error)(scope, receive, send)
            return
        except SQLAlchemyError as error:
            logger.error("callers cannot be looked up", exc_info=error)
            away = Unavailable("The database does not answer right now.")
            await problems.of_error(request, away)(scope, receive, send)
            return
        scope["medley.caller"] = replace(found, address=caller.address, request=caller.request)
        if found.key is not None and found.job is None:
            send = _Revocable(scope["app"].state.service.keyring, secret_of(request) or "", send)
        try:
            await self._serve(scope, receive, send)
        except Exception:
            if not (isinstance(send, _Revocable) and send.ended):
                raise

    async def _admit(self, request: Request, token: str | None, nobody: Caller) -> Caller:
        method, path = request.method, _path(request.scope)
        wanted = need(method, path)
        if wanted is Door.OPEN or (method in _SAFE_METHODS and self._is_page(path)):
            return nobody
        here: Service = request.app.state.service
        if (
            wanted is Door.METRICS
            and here.settings.metrics_for == "loopback"
            and is_local(request.scope)
        ):
            return LOCAL
        if not await here.keyring.closed():
            if not is_local(request.scope):
                raise Unauthorized(_FIRST)
            return LOCAL
        found = await self._caller(request, here, token, nobody)
        await here.rates.check(found, here.settings.tenant_quota.requests_per_minute)
        if found.by_cookie and method not in _SAFE_METHODS:
            _require_own_page(request)
        if found.job is not None:
            await run_in_threadpool(_require_of_job, here, found, found.job, method, path)
        scope = keys.Scope.OPERATE if wanted is Door.METRICS else wanted
        if isinstance(scope, keys.Scope) and not found.may(scope):
            raise Forbidden(f"This key does not have the scope {scope.value!r}.")
        return found

    def _is_page(self, path: str) -> bool:
        return path in self.files or path.startswith(self.folders)

    async def _caller(
        self, request: Request, here: Service, token: str | None, nobody: Caller
    ) -> Caller:
        secret = secret_of(request, token)
        if secret is None:
            raise Unauthorized(_HOW)
        try:
            return await here.keyring.caller(secret)
        except Unauthorized as error:
            if not secret.startswith((SESSION_MARK, TOKEN_MARK)):  # these end all the time
                await failed(here, nobody, secret, error)
            raise

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        action = told(scope["method"], _path(scope))
        if action is None:
            await self.app(scope, receive, send)
            return
        status = 500

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        await self.app(scope, receive, watched)
        if status < 400:
            here: Service = scope["app"].state.service
            await run_in_threadpool(_tell, here, scope["medley.caller"], *action)


class _Revocable:
    """Passes an answer on for as long as its caller may have it: a stream ends with its key."""

    def __init__(self, ring: KeyRing, secret: str, send: Send) -> None:
        self.ring, self.secret, self.send = ring, secret, send
        self.checked, self.ended = time.monotonic(), False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.body" and message.get("more_body"):
            await self._check()
        await self.send(message)

    async def _check(self) -> None:
        if time.monotonic() - self.checked < REMEMBERED_S:
            return
        try:
            await self.ring.caller(self.secret)
        except Unauthorized:
            self.ended = True
            await self.send({"type": "http.response.body", "body": b""})
            raise OSError("its key has ended") from None  # as if the caller had left
        except SQLAlchemyError:
            pass  # whoever was let in stays while the database is away
        self.checked = time.monotonic()


async def failed(here: Service, nobody: Caller, secret: str, error: Unauthorized) -> None:
    """A wrong secret: told in the audit log, and not too often from one address.

    Raises `RateLimited`.
    """
    await here.rates.check_attempt(nobody.address)
    if not await here.rates.tell():
        return
    known = secret[: keys.SHOWN] if secret.startswith(keys.MARK) else None
    # Whoever runs the installation reads of it; to whose tenant it was meant is not known.
    somebody = replace(nobody, tenant=keys.DEFAULT_TENANT)
    await run_in_threadpool(
        _tell, here, somebody, "sign_in.failed", "", prefix=known, reason=error.message
    )


def secret_of(request: Request, token: str | None = None) -> str | None:
    """What the caller brings; the first of header, cookie and token. Raises `Unauthorized`."""
    given = request.headers.get("authorization")
    if given is not None:
        kind, _, secret = given.partition(" ")
        if kind.lower() != "bearer":
            raise Unauthorized(_HOW)
    else:
        secret = request.headers.get("x-api-key") or request.cookies.get(COOKIE) or token or ""
        if not secret:
            return None
    secret = secret.strip()
    if not 0 < len(secret) <= MAX_SECRET or not secret.isascii():
        raise Unauthorized("There is no such key.")
    return secret


def is_local(scope: Scope) -> bool:
    """Whether the caller is on this machine, calls it by a name of its own, and came directly."""
    headers = Request(scope).headers
    name = host_of(f"//{headers.get('host', '')}")
    return (
        _is_loopback(_address(scope))
        and (name == "localhost" or _is_loopback(name))
        and not any(header in headers for header in _FORWARDED)
    )


def _path(scope: Scope) -> str:
    """The address as routes know it: without the prefix under which a proxy serves us."""
    path, root = str(scope["path"]), str(scope.get("root_path", ""))
    return path.removeprefix(root) if root and path.startswith(f"{root}/") else path


def _is_loopback(address: str) -> bool:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None)
    return (mapped or found).is_loopback


def _address(scope: Scope) -> str:
    client = scope.get("client")
    return str(client[0]) if client else ""


def _take_token(scope: Scope) -> str | None:
    """The token of the query, which is taken out of it: nothing behind us writes it into a log."""
    query = scope.get("query_string", b"")
    if b"token" not in query:
        return None
    pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True, encoding="latin-1")
    tokens = [value for name, value in pairs if name == "token"]
    if not tokens:
        return None
    rest = [pair for pair in pairs if pair[0] != "token"]
    scope["query_string"] = urlencode(rest, encoding="latin-1").encode("ascii")
    return tokens[0] if scope["method"] in _SAFE_METHODS else None


def _require_own_page(request: Request) -> None:
    """A cookie comes along with whatever a browser sends, so it must say that our page sent it."""
    origin = request.headers.get("origin")
    if origin is not None:
        if netloc_of(origin) == request.headers.get("host"):
            return
    elif request.headers.get("sec-fetch-site") == "same-origin":
        return
    raise Forbidden("A session changes things from this service's own page only.")


def _require_of_job(here: Service, caller: Caller, job: str, method: str, path: str) -> None:
    """Raises `Forbidden` unless a token of this job opens this address."""
    if method in _SAFE_METHODS:
        asset = bytes_of(path)
        if asset is None:
            if of_job(path, job):
                return
        else:
            with here.db.connect() as conn:
                if asset_use.is_of_job(conn, caller.tenant, job, asset):
                    return
    raise Forbidden("This token opens one job and what it shows, to be read.")


def _tell(here: Service, caller: Caller, action: str, target: str, **detail: str | None) -> None:
    try:
        with here.db.begin() as conn:
            audit.write(conn, caller, action, target, **detail)
    except SQLAlchemyError as error:  # it has been done, and cannot be undone by refusing it
        logger.error("audit not written action=%s target=%s", action, target, exc_info=error)

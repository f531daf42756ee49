"""Signing in from a browser, and tokens that open one job for a minute."""

from dataclasses import replace
from datetime import timedelta

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from api.auth import COOKIE, failed
from api.routes.keys import UNKEPT
from api.schemas.common import documented
from api.schemas.keys import SessionOut, SignIn, TokenOut
from api.state import Here, Service, Who
from api.strict_json import StrictRoute
from medley.errors import Unauthorized
from orchestrator import audit, jobs, keys, sessions
from orchestrator.keys import Caller

router = APIRouter(prefix="/v1", tags=["keys"], route_class=StrictRoute)


@router.post("/session", responses=documented(400, 401, 413, 422, 429))
async def sign_in(
    body: SignIn, request: Request, here: Here, caller: Who, reply: Response
) -> SessionOut:
    """Exchanges a key for a cookie that scripts cannot read and other sites cannot use."""
    try:
        who, secret = await run_in_threadpool(_open, here, caller, body.key.strip())
    except Unauthorized as error:
        await failed(here, caller, body.key, error)
        raise
    _set_cookie(request, reply, secret, int(here.settings.session_hours * 3600))
    return SessionOut.of(who)


@router.get("/session")
def get_session(caller: Who) -> SessionOut:
    """Who calls, as the service sees it."""
    return SessionOut.of(caller)


@router.delete("/session", status_code=204)
def sign_out(request: Request, here: Here, caller: Who, reply: Response) -> None:
    """Ends the session of the cookie that comes along, if there is one."""
    secret = request.cookies.get(COOKIE)
    if secret is not None and secret.isascii():
        with here.db.begin() as conn:
            who = sessions.close(conn, secret)
            if who is not None:
                there = replace(who, address=caller.address, request=caller.request)
                audit.write(conn, there, "session.close")
        here.keyring.forget()
    _set_cookie(request, reply, "", 0)


@router.post("/jobs/{job_id}/token", status_code=201, responses=documented(404))
def create_token(job_id: str, here: Here, caller: Who, reply: Response) -> TokenOut:
    """A token for whoever cannot send headers: `?token=` opens this one job for a minute."""
    with here.db.begin() as conn:
        jobs.version(conn, caller.tenant, job_id)
        token, ends = sessions.open_job(conn, caller.tenant, caller.key, job_id)
    reply.headers.update(UNKEPT)
    return TokenOut(job=job_id, token=token, expires_at=ends)


def _open(here: Service, caller: Caller, secret: str) -> tuple[Caller, str]:
    lives = timedelta(hours=here.settings.session_hours)
    with here.db.begin() as conn:
        key = keys.sign_in(conn, secret)
        cookie, ends = sessions.open_session(conn, key.tenant, key.id, lives)
        who = replace(
            key.caller(here.settings.key_quota),
            address=caller.address,
            request=caller.request,
            expires_at=min(ends, key.expires_at or ends),
        )
        audit.write(conn, who, "session.open")
    return who, cookie


def _set_cookie(request: Request, reply: Response, value: str, seconds: int) -> None:
    reply.set_cookie(
        COOKIE,
        value,
        max_age=seconds,
        path="/",
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
    reply.headers.update(UNKEPT)

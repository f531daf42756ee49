"""Sessions: what a browser is given in exchange for a key, and tokens that open one job for a
minute.

Both are random, kept as hashes only, and end with their key.
"""

import secrets
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, delete, func, insert, literal, select

from medley.errors import Unauthorized
from medley.quota import Quota
from orchestrator import keys
from orchestrator.keys import Caller, Scope, hash_of
from orchestrator.tables import sessions

SESSION_MARK, TOKEN_MARK = "ms_", "mt_"
TOKEN_SECONDS = 60


def open_session(
    conn: Connection, tenant: str, key_id: str, lives: timedelta
) -> tuple[str, datetime]:
    """The value of a cookie, and when it ends."""
    return _open(conn, SESSION_MARK, lives, tenant=tenant, key=key_id)


def open_job(
    conn: Connection, tenant: str, key_id: str | None, job_id: str
) -> tuple[str, datetime]:
    """A token for one job of the tenant, and when it ends. The caller has checked the job."""
    lives = timedelta(seconds=TOKEN_SECONDS)
    return _open(conn, TOKEN_MARK, lives, tenant=tenant, key=key_id, job=job_id)


def caller_of(conn: Connection, secret: str, default: Quota) -> Caller:
    """Who has this cookie or token. Raises `Unauthorized`."""
    row = conn.execute(
        select(sessions).where(
            sessions.c.hash == hash_of(secret), sessions.c.expires_at > func.clock_timestamp()
        )
    ).first()
    if row is None or (row.job is None) != secret.startswith(SESSION_MARK):
        raise Unauthorized("This session has ended; sign in again.")
    if row.key is None:
        found = Caller(tenant=row.tenant, scopes=frozenset({Scope.READ}))
    else:
        key = keys.get(conn, row.tenant, row.key)
        key.require_active()
        keys.touch(conn, key.id)
        found = key.caller(default)
    ends = min(row.expires_at, found.expires_at or row.expires_at)
    if row.job is not None:
        return replace(found, scopes=frozenset({Scope.READ}), job=row.job, expires_at=ends)
    return replace(found, expires_at=ends, by_cookie=True)


def close(conn: Connection, secret: str) -> Caller | None:
    """Ends a session; whose it was, or None for one that is not there."""
    gone = delete(sessions).where(sessions.c.hash == hash_of(secret), sessions.c.job.is_(None))
    row = conn.execute(gone.returning(sessions.c.tenant, sessions.c.key)).first()
    return None if row is None else Caller(tenant=row.tenant, key=row.key, scopes=frozenset())


def forget_old(conn: Connection) -> int:
    """Deletes what has ended; the number of them."""
    old = sessions.c.expires_at < func.clock_timestamp()
    return conn.execute(delete(sessions).where(old)).rowcount


def _open(
    conn: Connection, mark: str, lives: timedelta, **values: str | None
) -> tuple[str, datetime]:
    secret = mark + secrets.token_urlsafe(32)
    ends: ColumnElement[datetime] = func.clock_timestamp() + literal(lives)
    row = insert(sessions).values(hash=hash_of(secret), expires_at=ends, **values)
    return secret, conn.execute(row.returning(sessions.c.expires_at)).scalar_one()

"""Endpoints: where to tell of events, and the secrets that sign.

Secrets are stored as they are: who signs needs them, and a key beside the database would be lost
with it (docs/decisions/0102). They are shown once, when they are made.
"""

import base64
import binascii
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    case,
    delete,
    func,
    insert,
    literal_column,
    select,
    update,
)

from medley.errors import Conflict, NotFound
from medley.ids import new_id
from orchestrator.tables import webhook_endpoints as table

MOST = 32  #: endpoints of one tenant
_PREFIX = "whsec_"
_SECRET = re.compile(r"whsec_[A-Za-z0-9+/]{32,88}={0,2}")
_OVERLAP: ColumnElement[timedelta] = literal_column("interval '24 hours'")


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One endpoint. `job`: it was named in the request of that job, and hears of it alone."""

    id: str
    tenant: str
    job: str | None
    name: str
    url: str
    events: Sequence[str]
    secret: str | None = field(repr=False)
    old_secret: str | None = field(repr=False)
    enabled: bool
    reason: str | None
    failures: int
    failing_since: datetime | None
    created_at: datetime
    updated_at: datetime

    @property
    def secrets(self) -> tuple[str | None, ...]:
        """What signs now; the newest first."""
        return (self.secret, self.old_secret)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """What a request says about the webhook of its job."""

    url: str
    events: Sequence[str]
    secret: str | None = field(default=None, repr=False)


def new_secret() -> str:
    """A fresh secret of 32 random bytes."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def is_secret(text: str) -> bool:
    """Whether this can sign: `whsec_` and 24 to 64 bytes in base64."""
    if not _SECRET.fullmatch(text):
        return False
    try:
        return 24 <= len(base64.b64decode(text.removeprefix(_PREFIX), validate=True)) <= 64
    except binascii.Error:
        return False


def create(
    conn: Connection, tenant: str, *, name: str, url: str, events: Sequence[str]
) -> Endpoint:
    """A new endpoint with a new secret. Raises `Conflict` when there are too many."""
    mine = select(func.count()).where(table.c.tenant == tenant, table.c.job.is_(None))
    if conn.execute(mine).scalar_one() >= MOST:
        raise Conflict(f"There are {MOST} webhook endpoints already; delete one first.")
    values = {"id": new_id("we"), "tenant": tenant, "name": name, "url": url}
    made = insert(table).values(**values, events=list(events), secret=new_secret())
    return _endpoint(conn.execute(made.returning(*_COLUMNS)).mappings().one())


def add_for_job(conn: Connection, tenant: str, job: str, hook: Hook) -> None:
    """The webhook of one job, to be written before the job itself."""
    values = {"id": new_id("we"), "tenant": tenant, "job": job, "url": hook.url}
    conn.execute(insert(table).values(**values, events=list(hook.events), secret=hook.secret))


def copy_for_job(conn: Connection, tenant: str, job: str, again: str) -> None:
    """The webhook of one job, for the job that repeats it. That this one was queued is not told."""
    for known in list_endpoints(conn, tenant, limit=1, job=job):
        hook = Hook(url=known.url, events=known.events, secret=known.secret)
        add_for_job(conn, tenant, again, hook)


def get(conn: Connection, tenant: str, endpoint_id: str) -> Endpoint:
    """One endpoint, also one of a job. Raises `NotFound`."""
    found = select(*_COLUMNS).where(table.c.tenant == tenant, table.c.id == endpoint_id)
    return _one(conn.execute(found).mappings().first(), endpoint_id)


def list_endpoints(
    conn: Connection, tenant: str, *, limit: int, after: str | None = None, job: str | None = None
) -> list[Endpoint]:
    """At most `limit` endpoints, newest first; with `job` the one of that job, else none of any."""
    query = select(*_COLUMNS).where(table.c.tenant == tenant)
    query = query.where(table.c.job.is_(None) if job is None else table.c.job == job)
    if after is not None:
        query = query.where(table.c.id < after)
    rows = conn.execute(query.order_by(table.c.id.desc()).limit(limit)).mappings()
    return [_endpoint(row) for row in rows]


def change(
    conn: Connection,
    tenant: str,
    endpoint_id: str,
    *,
    enabled: bool | None = None,
    **values: Any,
) -> Endpoint:
    """Changes what is given (`name`, `url`, `events`). Enabling forgets earlier failures.

    Raises `NotFound`.
    """
    changed: dict[str, Any] = dict(values)
    if enabled is not None:
        changed |= {"enabled": enabled, "reason": None if enabled else "paused"}
    if enabled:
        changed |= {"failures": 0, "failing_since": None, "quiet_until": None}
    if not changed:
        return get(conn, tenant, endpoint_id)
    return _update(conn, tenant, endpoint_id, changed)


def rotate(conn: Connection, tenant: str, endpoint_id: str, *, overlap: bool) -> Endpoint:
    """Gives it a new secret; with `overlap` the old one signs as well for 24 hours.

    Raises `NotFound`.
    """
    old = table.c.secret if overlap else None
    until = func.clock_timestamp() + _OVERLAP if overlap else None
    changed = {"secret": new_secret(), "old_secret": old, "old_until": until}
    return _update(conn, tenant, endpoint_id, changed)


def remove(conn: Connection, tenant: str, endpoint_id: str) -> None:
    """Deletes it with its log. Raises `NotFound`."""
    gone = delete(table).where(table.c.tenant == tenant, table.c.id == endpoint_id)
    if not conn.execute(gone).rowcount:
        raise NotFound("webhook endpoint", endpoint_id)


def _update(conn: Connection, tenant: str, endpoint_id: str, values: Mapping[str, Any]) -> Endpoint:
    changed = (
        update(table)
        .where(table.c.tenant == tenant, table.c.id == endpoint_id)
        .values(**values, updated_at=func.clock_timestamp())
        .returning(*_COLUMNS)
    )
    return _one(conn.execute(changed).mappings().first(), endpoint_id)


def _one(row: Mapping[Any, Any] | None, endpoint_id: str) -> Endpoint:
    if row is None:
        raise NotFound("webhook endpoint", endpoint_id)
    return _endpoint(row)


_NAMES = (
    "id", "tenant", "job", "name", "url", "events", "secret", "enabled", "reason", "failures",
    "failing_since", "created_at", "updated_at",
)  # fmt: skip
#: The old secret only as long as it signs.
_OLD = case((table.c.old_until > func.clock_timestamp(), table.c.old_secret)).label("old_secret")
_COLUMNS = (*(table.c[name] for name in _NAMES), _OLD)


def _endpoint(row: Mapping[Any, Any]) -> Endpoint:
    return Endpoint(**{name: row[name] for name in (*_NAMES, "old_secret")})

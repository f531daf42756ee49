"""The log of messages: what was sent where, how often, and what came back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, func, literal_column, select, update

from medley.errors import Conflict, NotFound
from medley.status import TERMINAL_JOB
from orchestrator.tables import jobs, webhook_deliveries, webhook_endpoints

#: How long messages are kept, sent or not, and the webhooks of jobs that have ended.
KEPT: ColumnElement[timedelta] = literal_column("interval '14 days'")
_ROW = webhook_deliveries.c


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One message to one endpoint.

    Of each attempt: `at`, `ms`, and either `status` and `answer` (its first words), or `error`.
    """

    id: str
    endpoint: str
    job: str | None
    type: str
    payload: Mapping[str, Any]
    status: str
    attempt: int
    due_at: datetime
    leased_until: datetime | None
    attempts: Sequence[Mapping[str, Any]]
    created_at: datetime
    finished_at: datetime | None


def list_deliveries(
    conn: Connection,
    tenant: str,
    endpoint_id: str,
    *,
    limit: int,
    after: str | None = None,
    status: str | None = None,
) -> list[Delivery]:
    """At most `limit` messages to an endpoint beyond `after`, newest first."""
    query = select(*_COLUMNS).where(_ROW.tenant == tenant, _ROW.endpoint == endpoint_id)
    if after is not None:
        query = query.where(_ROW.id < after)
    if status is not None:
        query = query.where(_ROW.status == status)
    rows = conn.execute(query.order_by(_ROW.id.desc()).limit(limit)).mappings()
    return [Delivery(**row) for row in rows]


def get(conn: Connection, tenant: str, endpoint_id: str, delivery_id: str) -> Delivery:
    """One message. Raises `NotFound`."""
    query = select(*_COLUMNS).where(
        _ROW.tenant == tenant, _ROW.endpoint == endpoint_id, _ROW.id == delivery_id
    )
    row = conn.execute(query).mappings().first()
    if row is None:
        raise NotFound("webhook delivery", delivery_id)
    return Delivery(**row)


def redeliver(conn: Connection, tenant: str, endpoint_id: str, delivery_id: str) -> Delivery:
    """Sends a message once more, now, under its old id, with a whole new round of attempts.

    One that is on its way just now is left alone. Raises `NotFound`, `Conflict` (not enabled).
    """
    get(conn, tenant, endpoint_id, delivery_id)
    enabled = select(webhook_endpoints.c.enabled).where(webhook_endpoints.c.id == endpoint_id)
    if not conn.execute(enabled).scalar_one_or_none():
        raise Conflict("The endpoint is not enabled.")
    now = func.clock_timestamp()
    conn.execute(
        update(webhook_deliveries)
        .where(_ROW.id == delivery_id, func.coalesce(_ROW.leased_until, now) <= now)
        .values(status="pending", attempt=0, due_at=now, leased_until=None, finished_at=None)
    )
    return get(conn, tenant, endpoint_id, delivery_id)


def forget_old(conn: Connection) -> int:
    """Deletes what is older than it is kept; how many messages that were."""
    old = func.clock_timestamp() - KEPT
    gone = conn.execute(delete(webhook_deliveries).where(_ROW.created_at < old)).rowcount
    lives = select(jobs.c.id).where(
        jobs.c.id == webhook_endpoints.c.job, jobs.c.status.not_in(sorted(TERMINAL_JOB))
    )
    conn.execute(
        delete(webhook_endpoints).where(
            webhook_endpoints.c.job.is_not(None),
            webhook_endpoints.c.created_at < old,
            ~lives.exists(),
        )
    )
    return gone


def forget_jobs(conn: Connection, job_ids: Sequence[str]) -> None:
    """Deletes the jobs' own webhooks, and every message about the jobs."""
    conn.execute(delete(webhook_endpoints).where(webhook_endpoints.c.job.in_(job_ids)))
    conn.execute(delete(webhook_deliveries).where(_ROW.job.in_(job_ids)))


_COLUMNS = [_ROW[name] for name in Delivery.__dataclass_fields__]

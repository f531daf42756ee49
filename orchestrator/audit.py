"""The audit log: who did what, to which thing, from where and when. Kept for a year."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, func, insert, literal_column, select

from medley.ids import new_id
from orchestrator.keys import Caller
from orchestrator.tables import audit

KEPT: ColumnElement[timedelta] = literal_column("interval '365 days'")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One thing that was done. Without a key it was done on the machine itself."""

    id: str
    key: str | None
    action: str
    target: str
    address: str
    request: str
    detail: Mapping[str, Any]
    at: datetime


def write(
    conn: Connection, caller: Caller, action: str, target: str = "", **detail: str | None
) -> None:
    """Adds an entry. Neither `target` nor `detail` may hold a secret."""
    conn.execute(
        insert(audit).values(
            id=new_id("audit"),
            tenant=caller.tenant,
            key=caller.key,
            action=action,
            target=target[:200],
            address=caller.address,
            request=caller.request,
            detail={name: value[:200] for name, value in detail.items() if value is not None},
        )
    )


def list_entries(
    conn: Connection,
    tenant: str,
    *,
    limit: int,
    after: str | None = None,
    newest: bool = True,
    action: str | None = None,
    key: str | None = None,
) -> list[Entry]:
    """At most `limit` entries beyond `after`, by age."""
    query = select(audit).where(audit.c.tenant == tenant)
    if action is not None:
        query = query.where(audit.c.action == action)
    if key is not None:
        query = query.where(audit.c.key == key)
    if after is not None:
        query = query.where(audit.c.id < after if newest else audit.c.id > after)
    order = audit.c.id.desc() if newest else audit.c.id.asc()
    return [
        Entry(
            id=row.id,
            key=row.key,
            action=row.action,
            target=row.target,
            address=row.address,
            request=row.request,
            detail=row.detail,
            at=row.at,
        )
        for row in conn.execute(query.order_by(order).limit(limit))
    ]


def forget_old(conn: Connection) -> int:
    """Deletes what is older than a year; the number of entries."""
    old = audit.c.at < func.clock_timestamp() - KEPT
    return conn.execute(delete(audit).where(old)).rowcount

"""Batches: many requests of a file, each of which becomes a job; their rows.

A line of the file is `waiting`, then `running` as a job, then `done` or `failed`. Whoever moves a
batch on holds its row's lock and writes the jobs of its lines in the same transaction, so that
nothing is asked for twice, whatever dies.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, insert, literal_column, select, update

from medley.errors import Conflict, NotFound, QuotaExceeded
from medley.ids import new_id
from orchestrator.tables import batch_lines, batches

_NOW = func.clock_timestamp()
_CHUNK = 1000
MAX_OPEN = 64  #: batches of one tenant that have not ended: every round looks at all of them
WAIT_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How many lines there are, and what became of them."""

    total: int = 0
    done: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """A file of requests."""

    id: str
    tenant: str
    endpoint: str
    key: str | None
    input_file: str
    output_file: str | None
    error_file: str | None
    status: str
    outcome: str | None
    errors: Sequence[Mapping[str, Any]] | None
    metadata: Mapping[str, str]
    keep_s: int | None
    created_at: datetime
    expires_at: datetime
    in_progress_at: datetime | None
    finalizing_at: datetime | None
    cancelling_at: datetime | None
    ended_at: datetime | None
    late: bool
    counts: Counts


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One request of it: where it stands in the file, and its job."""

    number: int
    custom_id: str
    start: int
    size: int
    state: str = "waiting"
    job: str | None = None
    error: Mapping[str, Any] | None = None


def create(
    conn: Connection,
    tenant: str,
    *,
    endpoint: str,
    input_file: str,
    metadata: Mapping[str, str],
    keep_s: int | None,
    key: str | None = None,
) -> str:
    """A new batch, asked for with this key; its id. Raises `QuotaExceeded` for too many."""
    mine = (batches.c.tenant == tenant, batches.c.ended_at.is_(None))
    if conn.execute(select(func.count()).where(*mine)).scalar_one() >= MAX_OPEN:
        raise QuotaExceeded(f"A tenant may have {MAX_OPEN} batches that have not ended.", WAIT_S)
    made = new_id("batch")
    conn.execute(
        insert(batches).values(
            id=made,
            tenant=tenant,
            endpoint=endpoint,
            key=key,
            input_file=input_file,
            status="validating",
            metadata=dict(metadata),
            keep_s=keep_s,
            expires_at=_NOW + literal_column("interval '24 hours'"),
        )
    )
    return made


def get(conn: Connection, tenant: str, batch: str) -> Batch:
    """One batch. Raises `NotFound`."""
    found = _list(conn, batches.c.tenant == tenant, batches.c.id == batch, limit=1)
    if not found:
        raise NotFound("batch", batch)
    return found[0]


def list_batches(conn: Connection, tenant: str, *, limit: int, after: str | None) -> list[Batch]:
    """A page of the tenant's batches, newest first."""
    where = [batches.c.tenant == tenant]
    if after is not None:
        where.append(batches.c.id < after)
    return _list(conn, *where, limit=limit)


def open_ids(conn: Connection) -> list[str]:
    """Batches of all tenants that have not ended, oldest first."""
    query = select(batches.c.id).where(batches.c.ended_at.is_(None)).order_by(batches.c.id)
    return list(conn.execute(query).scalars())


def take(conn: Connection, batch: str) -> Batch | None:
    """The batch, locked for this transaction; None when another process has it, or it ended."""
    mine = conn.execute(
        select(batches.c.id)
        .where(batches.c.id == batch, batches.c.ended_at.is_(None))
        .with_for_update(skip_locked=True)
    ).first()
    return _list(conn, batches.c.id == batch, limit=1)[0] if mine is not None else None


def move(conn: Connection, batch: str, status: str, **values: Any) -> None:
    """Gives the batch another status, with the time of it."""
    stamped = f"{status}_at" if f"{status}_at" in batches.c else "ended_at"
    conn.execute(
        update(batches)
        .where(batches.c.id == batch)
        .values(status=status, **{stamped: _NOW}, **values)
    )


def cancel(conn: Connection, tenant: str, batch: str) -> Batch:
    """Asks the batch to stop. Raises `NotFound`, `Conflict` (has ended)."""
    found = get(conn, tenant, batch)
    conn.execute(select(batches.c.id).where(batches.c.id == batch).with_for_update())
    found = get(conn, tenant, batch)
    if found.ended_at is not None:
        raise Conflict(f"The batch is {found.status}.")
    if found.status in ("validating", "in_progress"):
        move(conn, batch, "cancelling")
    return get(conn, tenant, batch)


def add_lines(conn: Connection, batch: str, lines: Iterable[Line]) -> None:
    """Writes what the file asks for."""
    rows = [
        {
            "batch": batch,
            "number": line.number,
            "custom_id": line.custom_id,
            "start": line.start,
            "size": line.size,
        }
        for line in lines
    ]
    for start in range(0, len(rows), _CHUNK):
        conn.execute(insert(batch_lines), rows[start : start + _CHUNK])


def lines(
    conn: Connection, batch: str, *, state: str | None = None, after: int = -1, limit: int = 100
) -> list[Line]:
    """Lines beyond number `after`, in their order."""
    query = select(batch_lines).where(batch_lines.c.batch == batch, batch_lines.c.number > after)
    if state is not None:
        query = query.where(batch_lines.c.state == state)
    rows = conn.execute(query.order_by(batch_lines.c.number).limit(limit)).mappings()
    return [Line(**{name: row[name] for name in Line.__slots__}) for row in rows]


def mark(
    conn: Connection,
    batch: str,
    number: int,
    state: str,
    *,
    job: str | None = None,
    error: Mapping[str, Any] | None = None,
) -> None:
    """What became of a line."""
    values: dict[str, Any] = {"state": state, "error": None if error is None else dict(error)}
    if job is not None:
        values["job"] = job
    conn.execute(
        update(batch_lines)
        .where(batch_lines.c.batch == batch, batch_lines.c.number == number)
        .values(**values)
    )


def give_up(conn: Connection, batch: str, error: Mapping[str, Any]) -> None:
    """Lines that nobody has begun fail with this error."""
    conn.execute(
        update(batch_lines)
        .where(batch_lines.c.batch == batch, batch_lines.c.state == "waiting")
        .values(state="failed", error=dict(error))
    )


def _list(conn: Connection, *where: Any, limit: int) -> list[Batch]:
    query = select(batches, (batches.c.expires_at < _NOW).label("late")).where(*where)
    rows = conn.execute(query.order_by(batches.c.id.desc()).limit(limit)).mappings().all()
    counted = _counts(conn, [row["id"] for row in rows])
    return [Batch(**row, counts=counted.get(row["id"], Counts())) for row in rows]


def _counts(conn: Connection, names: Sequence[str]) -> dict[str, Counts]:
    inside = batch_lines.c
    query = (
        select(
            inside.batch,
            func.count().label("total"),
            func.count().filter(inside.state == "done").label("done"),
            func.count().filter(inside.state == "failed").label("failed"),
        )
        .where(inside.batch.in_(names))
        .group_by(inside.batch)
    )
    return {
        row.batch: Counts(total=row.total, done=row.done, failed=row.failed)
        for row in conn.execute(query)
    }

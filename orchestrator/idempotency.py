"""Idempotency keys: the first answer to a request is kept for a day and given again.

The key is claimed in the transaction that makes the job. A second request with the same key waits
on the row until that transaction ends, and then finds the answer, or nothing if the first one
failed.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, func, literal_column, select, update
from sqlalchemy.dialects.postgresql import insert

from medley.errors import IdempotencyMismatch
from orchestrator.tables import idempotency

MAX_KEY = 255
KEPT: ColumnElement[timedelta] = literal_column("interval '24 hours'")


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer that was given before."""

    status: int
    response: Any


def fingerprint(body: Mapping[str, Any], files: Sequence[str] = ()) -> str:
    """The hash of what a request asks for: its body, and the hashes of its files in order."""
    text = json.dumps(
        [body, list(files)], sort_keys=True, separators=(",", ":"), ensure_ascii=False
    )
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def claim(conn: Connection, tenant: str, key: str, request_hash: str) -> Kept | None:
    """None when the key is ours now; otherwise the answer that was given.

    Raises `IdempotencyMismatch` when the key was used for another request.
    """
    row = insert(idempotency).values(tenant=tenant, key=key, request_hash=request_hash)
    taken = row.on_conflict_do_update(
        index_elements=["tenant", "key"],
        set_={
            "request_hash": row.excluded.request_hash,
            "status": None,
            "response": None,
            "created_at": func.clock_timestamp(),
        },
        where=idempotency.c.created_at < func.clock_timestamp() - KEPT,
    ).returning(idempotency.c.key)
    if conn.execute(taken).first() is not None:
        return None
    known = conn.execute(
        select(idempotency).where(idempotency.c.tenant == tenant, idempotency.c.key == key)
    ).one()
    if known.request_hash != request_hash:
        raise IdempotencyMismatch("This Idempotency-Key was used with another request.")
    return Kept(known.status, known.response)


def answered(conn: Connection, tenant: str, key: str) -> bool:
    """Whether an answer is kept under this key, so that no request with it makes anything new."""
    found = select(idempotency.c.key).where(
        idempotency.c.tenant == tenant,
        idempotency.c.key == key,
        idempotency.c.response.is_not(None),
        idempotency.c.created_at >= func.clock_timestamp() - KEPT,
    )
    return conn.execute(found).first() is not None


def keep(conn: Connection, tenant: str, key: str, status: int, response: Any) -> None:
    """Records the answer under a key that was claimed in this transaction."""
    conn.execute(
        update(idempotency)
        .where(idempotency.c.tenant == tenant, idempotency.c.key == key)
        .values(status=status, response=response)
    )


def forget_old(conn: Connection) -> int:
    """Deletes keys that are past their day; the number of them."""
    old = idempotency.c.created_at < func.clock_timestamp() - KEPT
    return conn.execute(delete(idempotency).where(old)).rowcount

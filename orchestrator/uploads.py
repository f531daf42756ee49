"""Uploads in parts: each part is kept under its hash as it comes, and the whole file is put
together at the end. Parts need no order and no single process, and survive a restart.

No asset names the bytes of a part, so the sweep of the store removes them a day later. Until then
they count as stored; where a file was made of them, the file counts instead.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import Connection, delete, func, insert, literal_column, select, update

from medley.errors import CallerError, Conflict, NotFound
from medley.ids import new_id
from orchestrator.assets import Received
from orchestrator.tables import upload_parts, uploads

PENDING_S = 3600  #: how long parts may be added; less than the store keeps bytes without a name
MAX_PARTS = 10_000


class PartsDoNotFit(CallerError):
    """The parts are not those of this upload, or do not have the bytes that were announced."""

    code: ClassVar[str] = "invalid_parts"
    status: ClassVar[int] = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A file on its way."""

    id: str
    tenant: str
    bytes: int
    filename: str
    mime_type: str
    purpose: str
    keep_s: int | None
    status: str  # pending | completed | cancelled | expired
    asset: str | None
    key: str | None
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A piece of it."""

    id: str
    upload: str
    sha256: str
    size: int
    created_at: datetime


_NOW = func.clock_timestamp()


def create(
    conn: Connection,
    tenant: str,
    *,
    size: int,
    filename: str,
    mime_type: str,
    purpose: str,
    keep_s: int | None,
    key: str | None = None,
) -> Upload:
    """A new upload of so many bytes, sent with this key."""
    row = conn.execute(
        insert(uploads)
        .values(
            id=new_id("upload"),
            tenant=tenant,
            bytes=size,
            filename=filename,
            mime_type=mime_type,
            purpose=purpose,
            keep_s=keep_s,
            key=key,
            status="pending",
            expires_at=_NOW + literal_column(f"interval '{PENDING_S} seconds'"),
        )
        .returning(uploads, (uploads.c.expires_at < _NOW).label("late"))
    )
    return _upload(row.mappings().one())


def get(conn: Connection, tenant: str, upload: str, *, lock: bool = False) -> Upload:
    """One upload. Raises `NotFound`."""
    query = select(uploads, (uploads.c.expires_at < _NOW).label("late")).where(
        uploads.c.tenant == tenant, uploads.c.id == upload
    )
    row = conn.execute(query.with_for_update() if lock else query).mappings().first()
    if row is None:
        raise NotFound("upload", upload)
    return _upload(row)


def add_part(conn: Connection, tenant: str, upload: str, received: Received) -> Part:
    """Adds bytes that are kept already.

    Raises `NotFound`, `Conflict` (not pending), `PartsDoNotFit` (many more bytes than announced).
    """
    whole = pending(get(conn, tenant, upload, lock=True))
    count, size = conn.execute(
        select(func.count(), func.coalesce(func.sum(upload_parts.c.size), 0)).where(
            upload_parts.c.upload == upload
        )
    ).one()
    # A part may be sent twice, and the caller says at the end which one counts.
    if count >= MAX_PARTS or int(size) + received.size > 2 * whole.bytes + (64 << 20):
        raise PartsDoNotFit(f"More parts than {whole.bytes} bytes can have.")
    row = conn.execute(
        insert(upload_parts)
        .values(id=new_id("part"), upload=upload, sha256=received.sha256, size=received.size)
        .returning(upload_parts)
    )
    return Part(**row.mappings().one())


def parts(conn: Connection, upload: Upload, part_ids: Sequence[str]) -> list[Part]:
    """The parts of these ids, in this order. Raises `PartsDoNotFit`."""
    if len(set(part_ids)) != len(part_ids):
        raise PartsDoNotFit("A part is named twice.")
    query = select(upload_parts).where(
        upload_parts.c.upload == upload.id, upload_parts.c.id.in_(part_ids)
    )
    found = {row["id"]: Part(**row) for row in conn.execute(query).mappings()}
    missing = [name for name in part_ids if name not in found]
    if missing:
        raise PartsDoNotFit(f"{missing[0]!r} is no part of this upload.")
    listed = [found[name] for name in part_ids]
    size = sum(part.size for part in listed)
    if size != upload.bytes:
        raise PartsDoNotFit(f"The parts have {size} bytes; {upload.bytes} were announced.")
    return listed


def use_up(conn: Connection, part_ids: Sequence[str]) -> None:
    """Forgets parts that a file was made of."""
    conn.execute(delete(upload_parts).where(upload_parts.c.id.in_(part_ids)))


def end(conn: Connection, tenant: str, upload: str, status: str, asset: str | None) -> Upload:
    """Completes or cancels it, once. Raises `NotFound`, `Conflict` (not pending)."""
    pending(get(conn, tenant, upload, lock=True))
    conn.execute(update(uploads).where(uploads.c.id == upload).values(status=status, asset=asset))
    return get(conn, tenant, upload)


def pending(upload: Upload) -> Upload:
    """The upload itself. Raises `Conflict` when nothing can be done with it any more."""
    if upload.status != "pending":
        raise Conflict(f"The upload is {upload.status}.")
    return upload


def forget_old(conn: Connection) -> int:
    """Deletes uploads that ended or expired a day ago; the number of them."""
    old = uploads.c.expires_at < _NOW - literal_column("interval '24 hours'")
    return conn.execute(delete(uploads).where(old)).rowcount


def _upload(row: Mapping[Any, Any]) -> Upload:
    values = dict(row)
    if values.pop("late") and values["status"] == "pending":
        values["status"] = "expired"
    return Upload(**values)

"""Vector stores: named sets of a tenant's assets that can be searched as one.

Vectors belong to assets, not to stores: a file may be in many, and whatever is in none is found by
searching them all. The store `vs_assets` is that of all assets, always there and never listed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from medley.errors import Conflict, NotFound
from medley.ids import new_id
from orchestrator import asset_rows
from orchestrator.tables import assets, vector_store_files, vector_stores

EVERYTHING = "vs_assets"


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """A set of files, how many they are, and their bytes together."""

    id: str
    name: str
    metadata: Mapping[str, str]
    created_at: datetime
    last_active_at: datetime
    files: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """A file in a store."""

    asset: str
    size: int
    attributes: Mapping[str, Any]
    created_at: datetime


def create(conn: Connection, tenant: str, name: str, metadata: Mapping[str, str]) -> str:
    """A new store; its id."""
    made = new_id("vs")
    values = {"id": made, "tenant": tenant, "name": name, "metadata": dict(metadata)}
    conn.execute(insert(vector_stores).values(**values))
    return made


def get(conn: Connection, tenant: str, store: str) -> Store:
    """One store. Raises `NotFound`."""
    if store == EVERYTHING:
        return _everything(conn, tenant)
    found = _list(conn, vector_stores.c.tenant == tenant, vector_stores.c.id == store, limit=1)
    if not found:
        raise NotFound("vector store", store)
    return found[0]


def list_stores(
    conn: Connection, tenant: str, *, limit: int, after: str | None, newest_first: bool
) -> list[Store]:
    """A page of the tenant's stores."""
    where = [vector_stores.c.tenant == tenant]
    if after is not None:
        where.append(vector_stores.c.id < after if newest_first else vector_stores.c.id > after)
    return _list(conn, *where, limit=limit, newest_first=newest_first)


def change(
    conn: Connection,
    tenant: str,
    store: str,
    name: str | None,
    metadata: Mapping[str, str] | None,
) -> Store:
    """The store with another name or other metadata. Raises `NotFound`, `Conflict`."""
    _own(conn, tenant, store)
    values: dict[str, Any] = {"last_active_at": func.clock_timestamp()}
    values |= {} if name is None else {"name": name}
    values |= {} if metadata is None else {"metadata": dict(metadata)}
    conn.execute(update(vector_stores).where(vector_stores.c.id == store).values(**values))
    return get(conn, tenant, store)


def remove(conn: Connection, tenant: str, store: str) -> None:
    """Forgets the store; its files stay. Raises `NotFound`, `Conflict`."""
    _own(conn, tenant, store)
    conn.execute(delete(vector_stores).where(vector_stores.c.id == store))


def add_file(
    conn: Connection, tenant: str, store: str, asset: str, attributes: Mapping[str, Any]
) -> StoredFile:
    """Puts an asset into the store, or changes its attributes there. Raises `NotFound`."""
    _own(conn, tenant, store)
    asset_rows.get(conn, tenant, asset)
    row = upsert(vector_store_files).values(store=store, asset=asset, attributes=dict(attributes))
    conn.execute(
        row.on_conflict_do_update(
            index_elements=["store", "asset"], set_={"attributes": row.excluded.attributes}
        )
    )
    return get_file(conn, tenant, store, asset)


def get_file(conn: Connection, tenant: str, store: str, asset: str) -> StoredFile:
    """A file in a store. Raises `NotFound`."""
    get(conn, tenant, store)
    query = _files(tenant, store).where(assets.c.id == asset)
    row = conn.execute(query).mappings().first()
    if row is None:
        raise NotFound("file in this vector store", asset)
    return StoredFile(**row)


def list_files(
    conn: Connection, tenant: str, store: str, *, limit: int, after: str | None, newest_first: bool
) -> list[StoredFile]:
    """A page of a store's files, by the age of the assets. Raises `NotFound`."""
    get(conn, tenant, store)
    query = _files(tenant, store)
    if after is not None:
        query = query.where(assets.c.id < after if newest_first else assets.c.id > after)
    order = assets.c.id.desc() if newest_first else assets.c.id.asc()
    rows = conn.execute(query.order_by(order).limit(limit)).mappings()
    return [StoredFile(**row) for row in rows]


def remove_file(conn: Connection, tenant: str, store: str, asset: str) -> None:
    """Takes a file out of the store; the asset stays. Raises `NotFound`, `Conflict`."""
    _own(conn, tenant, store)
    gone = conn.execute(
        delete(vector_store_files)
        .where(vector_store_files.c.store == store, vector_store_files.c.asset == asset)
        .returning(vector_store_files.c.asset)
    ).first()
    if gone is None:
        raise NotFound("file in this vector store", asset)


def attributes(conn: Connection, store: str, asset: str) -> dict[str, Any]:
    """What is said of a file in a store; nothing where it is not in it any more."""
    inside = vector_store_files.c
    query = select(inside.attributes).where(inside.store == store, inside.asset == asset)
    return dict(conn.execute(query).scalar_one_or_none() or {})


def _own(conn: Connection, tenant: str, store: str) -> None:
    if store == EVERYTHING:
        raise Conflict(f"{EVERYTHING} is the set of all assets; it cannot be changed.")
    get(conn, tenant, store)


def _files(tenant: str, store: str) -> Any:
    columns = (assets.c.id.label("asset"), assets.c.size)
    if store == EVERYTHING:
        nothing = func.jsonb_build_object().label("attributes")
        return select(*columns, nothing, assets.c.created_at).where(
            assets.c.tenant == tenant, assets.c.modality != "embedding"
        )
    inside = vector_store_files
    return (
        select(*columns, inside.c.attributes, inside.c.created_at)
        .join(inside, inside.c.asset == assets.c.id)
        .where(assets.c.tenant == tenant, inside.c.store == store)
    )


def _list(conn: Connection, *where: Any, limit: int, newest_first: bool = True) -> list[Store]:
    inside = vector_store_files
    count = (
        select(func.count(), func.coalesce(func.sum(assets.c.size), 0))
        .select_from(inside.join(assets, assets.c.id == inside.c.asset))
        .where(inside.c.store == vector_stores.c.id)
        .lateral()
    )
    number, size = count.columns
    order = vector_stores.c.id.desc() if newest_first else vector_stores.c.id.asc()
    query = (
        select(vector_stores, number.label("files"), size.label("bytes"))
        .join(count, onclause=func.coalesce(True))
        .where(*where)
        .order_by(order)
        .limit(limit)
    )
    return [_store(row) for row in conn.execute(query).mappings()]


def _store(row: Mapping[Any, Any]) -> Store:
    values = {name: row[name] for name in row if name != "tenant"}
    return Store(**{**values, "bytes": int(row["bytes"])})


def _everything(conn: Connection, tenant: str) -> Store:
    row = conn.execute(
        select(
            func.count().label("files"),
            func.coalesce(func.sum(assets.c.size), 0).label("bytes"),
            func.coalesce(func.min(assets.c.created_at), func.now()).label("created_at"),
            func.coalesce(func.max(assets.c.created_at), func.now()).label("last_active_at"),
        ).where(assets.c.tenant == tenant, assets.c.modality != "embedding")
    ).one()
    return Store(
        id=EVERYTHING,
        name="All assets",
        metadata={},
        created_at=row.created_at,
        last_active_at=row.last_active_at,
        files=row.files,
        bytes=int(row.bytes),
    )

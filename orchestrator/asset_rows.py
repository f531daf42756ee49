"""Asset rows: which tenant owns which bytes, and what was measured of them. A tenant sees its own
only.
"""

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, Connection, case, cast, delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import JSONB, insert

from medley.errors import NotFound
from medley.ids import new_id
from medley.media.facts import Facts
from medley.modality import Modality
from orchestrator.assets import Received
from orchestrator.tables import assets

#: What a file is for, where nobody said: one that a step made, and one that somebody sent.
MADE, SENT = "assistants_output", "user_data"


class Origin(StrEnum):
    """How an asset came about."""

    UPLOAD = "upload"
    STEP = "step"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """Immutable bytes of one tenant.

    `origin` says where they came from: `{"kind": "upload", "name": "cat.png"}`.
    """

    id: str
    tenant: str
    sha256: str
    size: int
    modality: Modality
    media_type: str
    facts: Facts
    origin: Mapping[str, Any]
    created_at: datetime


def register(
    conn: Connection,
    tenant: str,
    received: Received,
    facts: Facts,
    origin: Mapping[str, Any],
    key: str | None = None,
) -> Asset:
    """The tenant's asset of these bytes: a new row, or the one that is there (its origin stays the
    first one).

    Call it after `keep`, in the transaction that refers to the asset. `key` brought the bytes.
    """
    return register_new(conn, tenant, received, facts, origin, key)[0]


def register_new(
    conn: Connection,
    tenant: str,
    received: Received,
    facts: Facts,
    origin: Mapping[str, Any],
    key: str | None = None,
) -> tuple[Asset, bool]:
    """Like `register`; the second value is True when the row is new."""
    wanted = new_id("asset")
    statement = (
        insert(assets)
        .values(
            id=wanted,
            tenant=tenant,
            sha256=received.sha256,
            size=received.size,
            modality=facts.modality.value,
            media_type=facts.media_type,
            facts=facts.to_data(),
            origin=dict(origin),
            key=key,
        )
        # A no-op update, so that the row of a concurrent twin comes back too.
        .on_conflict_do_update(
            index_elements=[assets.c.tenant, assets.c.sha256], set_={"size": assets.c.size}
        )
        .returning(assets)
    )
    asset = _asset(conn.execute(statement).mappings().one())
    return asset, asset.id == wanted


def get(conn: Connection, tenant: str, asset_id: str) -> Asset:
    """One asset. Raises `NotFound`, also for another tenant's."""
    return get_many(conn, tenant, [asset_id])[asset_id]


def find(conn: Connection, tenant: str, asset_id: str) -> Asset | None:
    """One asset, or None."""
    query = select(assets).where(assets.c.tenant == tenant, assets.c.id == asset_id)
    row = conn.execute(query).mappings().first()
    return None if row is None else _asset(row)


def get_many(conn: Connection, tenant: str, asset_ids: Collection[str]) -> dict[str, Asset]:
    """Assets by id. Raises `NotFound` when one of them is missing or another tenant's."""
    statement = select(assets).where(assets.c.tenant == tenant, assets.c.id.in_(set(asset_ids)))
    found = {row["id"]: _asset(row) for row in conn.execute(statement).mappings()}
    for asset_id in asset_ids:
        if asset_id not in found:
            raise NotFound("asset", asset_id)
    return found


def list_assets(
    conn: Connection,
    tenant: str,
    *,
    modalities: Collection[Modality] = (),
    origin: Origin | None = None,
    after: str | None = None,
    limit: int = 50,
    newest_first: bool = True,
) -> list[Asset]:
    """A page of the tenant's assets; `after` is the last id of the page before."""
    statement = select(assets).where(assets.c.tenant == tenant)
    if origin is not None:
        statement = statement.where(assets.c.origin["kind"].astext == origin.value)
    if modalities:
        statement = statement.where(assets.c.modality.in_([item.value for item in modalities]))
    if after is not None:
        statement = statement.where(assets.c.id < after if newest_first else assets.c.id > after)
    order = assets.c.id.desc() if newest_first else assets.c.id.asc()
    return [_asset(row) for row in conn.execute(statement.order_by(order).limit(limit)).mappings()]


def mark_file(
    conn: Connection, tenant: str, asset_id: str, *, purpose: str, name: str, keep_s: int | None
) -> Asset:
    """Notes what a file is for, under which name it came and, with `keep_s`, when it expires.

    The last upload of equal bytes is what counts, and one without an end keeps them.
    """
    notes: dict[str, Any] = {"purpose": purpose, **({"name": name} if name else {})}
    if keep_s is not None:
        notes["expires_at"] = int(time.time()) + keep_s
    kept = assets.c.origin.op("-", return_type=JSONB())("expires_at")
    row = conn.execute(
        update(assets)
        .where(assets.c.tenant == tenant, assets.c.id == asset_id)
        .values(origin=kept.op("||")(cast(notes, JSONB)))
        .returning(assets)
    )
    return _asset(row.mappings().one())


def list_files(
    conn: Connection,
    tenant: str,
    *,
    purpose: str | None = None,
    after: str | None = None,
    limit: int = 100,
    newest_first: bool = True,
) -> list[Asset]:
    """A page of the tenant's assets that are files: all but embeddings and what has expired."""
    end = assets.c.origin["expires_at"].astext.cast(BigInteger)
    statement = select(assets).where(
        assets.c.tenant == tenant,
        assets.c.modality != Modality.EMBEDDING.value,
        or_(end.is_(None), end > int(time.time())),
    )
    if purpose is not None:
        made = case((assets.c.origin["kind"].astext == "step", MADE), else_=SENT)
        statement = statement.where(
            func.coalesce(assets.c.origin["purpose"].astext, made) == purpose
        )
    if after is not None:
        statement = statement.where(assets.c.id < after if newest_first else assets.c.id > after)
    order = assets.c.id.desc() if newest_first else assets.c.id.asc()
    return [_asset(row) for row in conn.execute(statement.order_by(order).limit(limit)).mappings()]


def expired(conn: Connection, limit: int = 500) -> list[tuple[str, str]]:
    """Tenant and id of files whose time is over."""
    end = assets.c.origin["expires_at"].astext.cast(BigInteger)
    rows = conn.execute(
        select(assets.c.tenant, assets.c.id).where(end <= int(time.time())).limit(limit)
    )
    return [(row.tenant, row.id) for row in rows]


def remove(conn: Connection, tenant: str, asset_id: str) -> bool:
    """Deletes the row; True when no other row names the bytes, so that they may go after the
    commit.
    """
    statement = (
        delete(assets)
        .where(assets.c.tenant == tenant, assets.c.id == asset_id)
        .returning(assets.c.sha256)
    )
    sha256 = conn.execute(statement).scalar_one_or_none()
    if sha256 is None:
        raise NotFound("asset", asset_id)
    others = select(func.count()).select_from(assets).where(assets.c.sha256 == sha256)
    return conn.execute(others).scalar_one() == 0


def referenced(conn: Connection, hashes: Collection[str]) -> set[str]:
    """Which of these bytes a row names, whoever owns it. For `AssetStore.sweep`."""
    statement = select(assets.c.sha256).where(assets.c.sha256.in_(set(hashes))).distinct()
    return set(conn.execute(statement).scalars())


def _asset(row: Mapping[Any, Any]) -> Asset:
    facts = {"modality": row["modality"], "media_type": row["media_type"], **row["facts"]}
    return Asset(
        id=row["id"],
        tenant=row["tenant"],
        sha256=row["sha256"],
        size=row["size"],
        modality=Modality(row["modality"]),
        media_type=row["media_type"],
        facts=Facts.of_data(facts),
        origin=row["origin"],
        created_at=row["created_at"],
    )

"""Asset rows: one for equal bytes of a tenant, none of another tenant's."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, create_engine

from medley.errors import NotFound
from medley.media.facts import Facts
from medley.modality import Modality
from orchestrator.asset_rows import (
    Asset,
    get,
    get_many,
    list_assets,
    referenced,
    register,
    register_new,
    remove,
)
from orchestrator.assets import FolderStore, Received

FACTS = Facts(modality=Modality.IMAGE, media_type="image/png", width=3, height=2)


@pytest.fixture
def conn(database_url: str) -> Iterator[Connection]:
    engine = create_engine(database_url.replace("postgresql://", "postgresql+psycopg://", 1))
    with engine.begin() as connection:
        yield connection
    engine.dispose()


@pytest.fixture
def store(tmp_path_factory: pytest.TempPathFactory) -> FolderStore:
    return FolderStore(tmp_path_factory.mktemp("assets"))


def received(store: FolderStore, data: bytes = b"bytes") -> Received:
    taken = store.receive([data], 1 << 20)
    store.keep(taken)
    return taken


def add(conn: Connection, store: FolderStore, data: bytes, tenant: str = "us") -> Asset:
    return register(conn, tenant, received(store, data), FACTS, {"kind": "upload"})


def test_a_row_comes_back_as_it_went_in(conn: Connection, store: FolderStore) -> None:
    asset = register(conn, "us", received(store), FACTS, {"kind": "upload", "name": "cat.png"})

    assert get(conn, "us", asset.id) == asset
    assert (asset.facts, asset.size) == (FACTS, 5)
    assert asset.origin == {"kind": "upload", "name": "cat.png"}
    assert store.open(asset.sha256).read() == b"bytes"


def test_equal_bytes_of_a_tenant_are_one_asset(conn: Connection, store: FolderStore) -> None:
    first, new = register_new(conn, "us", received(store), FACTS, {"name": "first.png"})
    second, again = register_new(conn, "us", received(store), FACTS, {"name": "second.png"})

    assert (new, again) == (True, False)
    assert first == second


def test_tenants_do_not_see_each_others_assets(conn: Connection, store: FolderStore) -> None:
    ours = add(conn, store, b"same", "us")
    theirs = add(conn, store, b"same", "them")

    assert ours.id != theirs.id
    assert list_assets(conn, "strangers") == []
    with pytest.raises(NotFound):
        get(conn, "them", ours.id)
    with pytest.raises(NotFound):
        get_many(conn, "us", [ours.id, theirs.id])


def test_a_list_is_read_page_by_page(conn: Connection, store: FolderStore) -> None:
    ids = [add(conn, store, bytes([number])).id for number in range(5)]

    first = list_assets(conn, "us", limit=2)
    second = list_assets(conn, "us", limit=3, after=first[-1].id)

    assert [asset.id for asset in first + second] == ids[::-1]
    assert [asset.id for asset in list_assets(conn, "us", newest_first=False)] == ids
    assert list_assets(conn, "us", modalities=[Modality.AUDIO]) == []


def test_bytes_may_go_only_with_their_last_row(conn: Connection, store: FolderStore) -> None:
    ours, theirs = add(conn, store, b"same", "us"), add(conn, store, b"same", "them")

    assert remove(conn, "us", ours.id) is False
    assert referenced(conn, [ours.sha256, "0" * 64]) == {ours.sha256}
    assert remove(conn, "them", theirs.id) is True
    assert referenced(conn, [ours.sha256]) == set()
    with pytest.raises(NotFound):
        remove(conn, "us", ours.id)

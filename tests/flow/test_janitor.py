"""The janitor removes bytes that nothing names, and nothing else."""

import os
from pathlib import Path

from medley.media.facts import Facts
from medley.modality import Modality
from orchestrator.asset_rows import register
from orchestrator.assets import FolderStore
from orchestrator.database import create_engine
from orchestrator.janitor import clean_once


def test_only_old_bytes_without_a_row_are_removed(database_url: str, tmp_path: Path) -> None:
    engine, store = create_engine(database_url), FolderStore(tmp_path)
    named, nameless, fresh = (store.receive([word], 100) for word in (b"named", b"old", b"new"))
    for received in (named, nameless, fresh):
        store.keep(received)
    facts = Facts(modality=Modality.IMAGE, media_type="image/png")
    with engine.begin() as conn:
        register(conn, "t", named, facts, {})
    for received in (named, nameless):
        os.utime(store.path(received.sha256), (1, 1))

    assert clean_once(engine, store) == 1
    assert store.exists(named.sha256)
    assert store.exists(fresh.sha256)
    assert not store.exists(nameless.sha256)
    engine.dispose()

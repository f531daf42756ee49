"""The janitor: removes what nobody refers to any more. Any number may run.

Bytes that no asset row names are kept for a day, so that an upload or a step that is about to
commit never loses them; stored answers of idempotent requests are forgotten when they are too old
to be asked for, and so are sessions that have ended, old messages of webhooks, and what the audit
log tells of long ago. Jobs are forgotten when they ended longer ago than the operator wants to keep
them, files past the time that their sender set, and uploads that nobody ended.
"""

import logging
from collections.abc import Collection
from datetime import timedelta

from sqlalchemy import Connection, Engine

from medley.errors import Conflict
from orchestrator import asset_rows, asset_use, audit, idempotency, jobs, sessions, uploads
from orchestrator.asset_rows import referenced
from orchestrator.assets import AssetStore
from orchestrator.rounds import Rounds
from orchestrator.webhooks import deliveries

log = logging.getLogger(__name__)

GRACE_S = 24 * 3600.0
EVERY_S = 3600.0


def forget_jobs(engine: Engine, keep_days: float) -> int:
    """Forgets what ended more than so many days ago; how many jobs."""
    forgotten = 0
    while True:
        with engine.begin() as conn:
            found = jobs.forget_old(conn, timedelta(days=keep_days))
        forgotten += found
        if not found:
            return forgotten


def clean_once(engine: Engine, store: AssetStore, grace_s: float = GRACE_S) -> int:
    """One round; how many files were removed."""

    def named(hashes: Collection[str]) -> set[str]:
        with engine.connect() as conn:
            return referenced(conn, hashes)

    with engine.begin() as conn:
        idempotency.forget_old(conn)
        sessions.forget_old(conn)
        audit.forget_old(conn)
        deliveries.forget_old(conn)
        uploads.forget_old(conn)
        _forget_files(conn)
    return store.sweep(named, grace_s)


def _forget_files(conn: Connection) -> None:
    """Forgets files whose time is over, but for those that something names."""
    for tenant, asset in asset_rows.expired(conn):
        try:
            asset_use.let_go(conn, tenant, asset)
        except Conflict:
            continue
        asset_rows.remove(conn, tenant, asset)


class Janitor(Rounds):
    """Cleans at its start and then every hour."""

    name = "janitor"

    def __init__(self, engine: Engine, store: AssetStore, keep_days: float | None = None) -> None:
        super().__init__(EVERY_S, first_s=0.0)
        self._engine, self._store, self._keep_days = engine, store, keep_days

    def round(self) -> None:
        """All that is too old now."""
        removed = clean_once(self._engine, self._store)
        days = self._keep_days
        forgotten = 0 if days is None else forget_jobs(self._engine, days)
        if removed or forgotten:
            log.info("janitor removed=%d forgotten=%d", removed, forgotten)

"""The reaper: makes the steps of expired leases ready again, stops jobs past a deadline and those
of keys beyond their quota. Any number may run.

Only a lease that has run out on the database's clock is over; a database that does not answer means
"unknown", never "dead".
"""

import logging
import time

from sqlalchemy import Engine

from medley.settings import Settings
from orchestrator import quotas
from orchestrator.database import Raw
from orchestrator.rounds import DatabaseRounds
from orchestrator.tally import Tally

log = logging.getLogger(__name__)

BATCH = 100
OVERRUN_EVERY_S = 5.0


def reap_once(conn: Raw) -> dict[str, int]:
    """One round; how many leases were `lost` and jobs `stopped`."""
    row = conn.execute("SELECT medley_reap(%s)", [BATCH]).fetchone()
    assert row is not None
    return dict(row[0])


class Reaper(DatabaseRounds):
    """Reaps every second."""

    name = "reaper"

    def __init__(self, engine: Engine, settings: Settings) -> None:
        url = engine.url.render_as_string(hide_password=False)
        super().__init__(url, every_s=min(1.0, settings.lease_ttl_s / 4))
        self._engine, self._settings = engine, settings
        self._looked = 0.0
        self._tally = Tally(on=settings.metrics)

    def round(self) -> None:
        """What is overdue now."""
        done = reap_once(self.conn)
        for what, count in done.items():
            self._tally.add("medley_reaped_total", count, what=what)
        self._tally.write(self.conn)
        if done["lost"] or done["stopped"]:
            log.info("reaped lost=%d stopped=%d", done["lost"], done["stopped"])
        self._stop_overrun()

    def _stop_overrun(self) -> None:
        if time.monotonic() - self._looked < OVERRUN_EVERY_S:
            return
        self._looked = time.monotonic()
        found = self._settings
        stopped = quotas.stop_overrun(self._engine, found.key_quota, found.tenant_quota)
        if stopped:
            log.info("stopped beyond quota jobs=%d", stopped)

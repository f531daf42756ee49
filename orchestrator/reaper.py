"""The reaper: makes the steps of expired leases ready again, stops jobs past a deadline and those
of keys beyond their quota. Any number may run.

Only a lease that has run out on the database's clock is over; a database that does not answer means
"unknown", never "dead".
"""

import logging
import threading
import time

from sqlalchemy import Engine

from medley.settings import Settings
from orchestrator import quotas
from orchestrator.database import Raw, close_quietly, connect
from orchestrator.tally import Tally

log = logging.getLogger(__name__)

BATCH = 100
OVERRUN_EVERY_S = 5.0


def reap_once(conn: Raw) -> dict[str, int]:
    """One round; how many leases were `lost` and jobs `stopped`."""
    row = conn.execute("SELECT medley_reap(%s)", [BATCH]).fetchone()
    assert row is not None
    return dict(row[0])


class Reaper:
    """A thread that reaps every second."""

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self._engine, self._settings = engine, settings
        self._looked = 0.0
        self._url = engine.url.render_as_string(hide_password=False)
        self._every_s = min(1.0, settings.lease_ttl_s / 4)
        self._tally = Tally(on=settings.metrics)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reaper", daemon=True)

    def start(self) -> None:
        """Begins to reap."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread."""
        self._stop.set()
        self._thread.join(timeout=10)

    def _run(self) -> None:
        conn: Raw | None = None
        while not self._stop.wait(self._every_s):
            try:
                if conn is None or conn.closed:
                    conn = connect(self._url)
                done = reap_once(conn)
                for what, count in done.items():
                    self._tally.add("medley_reaped_total", count, what=what)
                self._tally.write(conn)
                if done["lost"] or done["stopped"]:
                    log.info("reaped lost=%d stopped=%d", done["lost"], done["stopped"])
                self._stop_overrun()
            except Exception as error:  # noqa: BLE001 - it must outlive whatever the database does
                log.warning("reaper cannot reach the database error=%s", error)
                close_quietly(conn)
                conn = None
        close_quietly(conn)

    def _stop_overrun(self) -> None:
        if time.monotonic() - self._looked < OVERRUN_EVERY_S:
            return
        self._looked = time.monotonic()
        found = self._settings
        stopped = quotas.stop_overrun(self._engine, found.key_quota, found.tenant_quota)
        if stopped:
            log.info("stopped beyond quota jobs=%d", stopped)

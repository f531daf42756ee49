"""The worker's line to the database: one connection, opened again when it breaks.

A statement whose answer was lost may have been carried out. `again` is asked before the statement
is repeated, to put right what that could mean.
"""

import logging
import time
from collections.abc import Callable
from typing import TypeVar

import psycopg

from orchestrator.database import Raw, connect

log = logging.getLogger(__name__)

T = TypeVar("T")


class Link:
    """An autocommit connection that outlives restarts of the server."""

    def __init__(self, database_url: str, *, patience_s: float = 120.0) -> None:
        self._url = database_url
        self._patience_s = patience_s
        self._conn: Raw | None = None

    @property
    def conn(self) -> Raw:
        """The connection, open as far as is known."""
        if self._conn is None or self._conn.closed:
            self._conn = connect(self._url)
        return self._conn

    def call(self, act: Callable[[Raw], T], *, again: Callable[[Raw], T] | None = None) -> T:
        """Does `act`; after a lost connection, `again` (by default the same), until it succeeds.

        Raises `psycopg.OperationalError` when the database does not come back in time.
        """
        until = time.monotonic() + self._patience_s
        pause = 0.05
        step = act
        while True:
            try:
                return step(self.conn)
            except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                if isinstance(error, psycopg.errors.DeadlockDetected) is False:
                    step = again or act
                self.drop()
                if time.monotonic() > until:
                    raise
                log.warning("database.lost error=%s", str(error).strip().splitlines()[:1])
                time.sleep(pause)
                pause = min(pause * 2, 1.0)

    def drop(self) -> None:
        """Closes the connection."""
        if self._conn is not None:
            try:
                self._conn.close()
            except psycopg.Error:
                log.debug("database.close failed")
            self._conn = None

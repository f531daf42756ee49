"""Tally: counts of a process that has a connection anyway, added to the totals now and then."""

import threading
import time

import psycopg

from orchestrator import measures
from orchestrator.database import Raw
from orchestrator.measures import Sums

EVERY_S = 10.0


class Tally:
    """Counts by measure and labels. What was not written when the process is killed is lost."""

    def __init__(self, *, on: bool = True, every_s: float = EVERY_S) -> None:
        self._on, self._every_s = on, every_s
        self._sums = Sums()
        self._lock = threading.Lock()
        self._written = time.monotonic()

    def add(self, name: str, amount: float = 1.0, **labels: str) -> None:
        """Counts. Raises `KeyError` for what is no measure."""
        if self._on and amount:
            with self._lock:
                self._sums.add(name, amount, **labels)

    def observe(self, name: str, seconds: float, **labels: str) -> None:
        """One value of a histogram."""
        if self._on:
            with self._lock:
                self._sums.observe(name, seconds, **labels)

    def write(self, conn: Raw, *, now: bool = False) -> None:
        """Adds what was counted to the totals, if it is time. Expects autocommit.

        Raises `psycopg.Error`; the counts are kept then, and written later.
        """
        if not now and time.monotonic() - self._written < self._every_s:
            return
        self._written = time.monotonic()
        with self._lock:
            sums, self._sums = self._sums, Sums()
        if not sums:
            return
        try:
            with conn.transaction():
                measures.add(conn, sums)
        except psycopg.Error:
            with self._lock:
                sums.merge(self._sums)
                self._sums = sums
            raise

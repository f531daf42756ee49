"""Rounds: what a process does beside its requests, again and again, in a thread of its own."""

import logging
import threading
from abc import ABC, abstractmethod
from typing import ClassVar

import psycopg
from sqlalchemy.exc import SQLAlchemyError

from orchestrator.database import Raw, close_quietly, connect

log = logging.getLogger(__name__)

MOST_PAUSE_S = 2.0  #: between rounds that fail, where they do not come more rarely anyway


class Rounds(ABC):
    """A thread that goes its rounds until it is stopped. It outlives whatever a round raises; what
    one leaves undone, the next one does, here or in another process.
    """

    name: ClassVar[str]

    def __init__(self, every_s: float, first_s: float | None = None) -> None:
        self._every_s = every_s
        self._first_s = every_s if first_s is None else first_s
        self._nudged = threading.Event()
        self.stopping = False
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)

    def start(self) -> None:
        """Begins."""
        self._thread.start()

    def nudge(self) -> None:
        """There may be something to do: look now."""
        self._nudged.set()

    def stop(self) -> None:
        """Ends the thread, after the round that it is in."""
        self.stopping = True
        self._nudged.set()
        if self._thread.ident is not None:
            self._thread.join(timeout=10)

    @abstractmethod
    def round(self) -> float | None:
        """One round; the seconds until the next one, where they are not the usual ones."""

    def last(self) -> None:  # noqa: B027 - most have nothing to do then
        """What is still to be done when it is stopped."""

    def close(self) -> None:  # noqa: B027 - most hold nothing
        """Lets go of what rounds hold: at the end, and after one that failed."""

    def _run(self) -> None:
        pause = self._first_s
        while True:
            self._nudged.wait(pause)
            self._nudged.clear()
            stopping = self.stopping
            try:
                if stopping:
                    self.last()
                else:
                    usual = self.round()
                    pause = self._every_s if usual is None else usual
            except (psycopg.Error, SQLAlchemyError) as error:
                log.warning("%s cannot reach the database error=%s", self.name, error)
                pause = self._failed(pause)
            except Exception:
                log.exception("%s failed", self.name)
                pause = self._failed(pause)
            if stopping:
                break
        self.close()

    def _failed(self, pause: float) -> float:
        self.close()
        return max(self._every_s, min(2 * pause, MOST_PAUSE_S))


class DatabaseRounds(Rounds):
    """Rounds on a connection of their own, in autocommit, made when it is needed."""

    def __init__(self, database_url: str, every_s: float) -> None:
        super().__init__(every_s)
        self._url = database_url
        self._conn: Raw | None = None

    @property
    def conn(self) -> Raw:
        """The connection. Raises `psycopg.Error`."""
        if self._conn is None or self._conn.closed:
            self._conn = connect(self._url)
        return self._conn

    def close(self) -> None:
        """Closes it; the next round makes another."""
        close_quietly(self._conn)
        self._conn = None

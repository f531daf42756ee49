"""The watchdog: starts the worker anew when work waits for it and its children take none.

A wake-up can be lost between a broker and a child that just died, and a child can hang while it
starts. Leases and relays lose nothing then, but nobody works either. Whatever the cause, a fresh
process is the cure: the children are killed (what they hold is on leases) and the main process
becomes a new one of the same pid.
"""

import logging
import os
import sys
import time
from dataclasses import dataclass

import psutil

from medley.settings import Settings
from orchestrator.database import Raw
from orchestrator.engine import Offer
from orchestrator.installation import Current, read_served
from orchestrator.rounds import DatabaseRounds
from workers.child import announce
from workers.leaving import name_of_main
from workers.offering import Offering

log = logging.getLogger(__name__)

LOOKS = 6  #: looks within the patience, at least
NOTICE_S = 2.0  #: so soon a server that is attached or detached is announced
STARTING_S = 180.0  #: patience while no child has reported yet: they import and load


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen: the step that would be claimed next, whether children are known and run."""

    waiting: str | None
    children: bool
    busy: bool


@dataclass(slots=True)
class Patience:
    """Decides from looks when it has gone on for too long. Times in seconds."""

    stall_s: float
    waiting: str | None = None
    children: bool = False
    since: float = 0.0

    def lost(self, look: Look, now: float) -> bool:
        """Whether the same step has waited all the time while no child ran anything. The time of
        children begins when they are there.
        """
        waiting = None if look.busy else look.waiting
        if waiting is None or (waiting, look.children) != (self.waiting, self.children):
            self.waiting, self.children, self.since = waiting, look.children, now
            return False
        longest = self.stall_s if look.children else max(STARTING_S, self.stall_s)
        return now - self.since >= longest


class Watchdog(DatabaseRounds):
    """Looks from the main process, and in the end replaces the process."""

    name = "watchdog"

    def __init__(self, settings: Settings) -> None:
        assert settings.database_url is not None
        super().__init__(settings.database_url, every_s=min(NOTICE_S, settings.stall_s / LOOKS))
        self._offering = Offering(settings=settings, current=Current(settings, read_served).now)
        self._patience = Patience(settings.stall_s)

    def round(self) -> None:
        """One look."""
        self._offering.look()
        announce(self.conn, name_of_main(os.getpid()), self._offering)
        look = take_look(self.conn, self._offering.offer)
        if self._patience.lost(look, time.monotonic()) and not self.stopping:
            log.error("no child took step=%s for too long: starting anew", look.waiting)
            start_anew()


def take_look(conn: Raw, offer: Offer) -> Look:
    """Reads what waits for this worker and what its children do."""
    row = conn.execute(
        "SELECT (SELECT job || '/' || id FROM medley_choices(%s, %s, %s, '{}') LIMIT 1),"
        " count(*) > 0, coalesce(bool_or(EXISTS (SELECT FROM steps s"
        " WHERE s.worker = w.id AND s.status = 'running')), false)"
        " FROM workers w WHERE w.facts->>'main' = %s",
        [
            list(offer.lanes),
            list(offer.tools),
            None if offer.models is None else list(offer.models),
            name_of_main(os.getpid()),
        ],
    ).fetchone()
    assert row is not None
    return Look(*row)


def start_anew() -> None:
    """Kills the children, whose keepers give back what they held, and becomes a new process by the
    same command. Does not return.
    """
    for child in psutil.Process().children():
        try:
            child.kill()
        except psutil.NoSuchProcess:
            continue
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])

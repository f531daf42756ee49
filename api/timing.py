"""Timing: how long a request took, and for how much of it a database connection was held, as
`Server-Timing`.
"""

import time
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Engine, event


@dataclass(slots=True)
class Clock:
    """One request's times, in seconds. Threads that work for it share it."""

    began: float = field(default_factory=time.perf_counter)
    held: float = 0.0

    @property
    def seconds(self) -> float:
        """Since it began."""
        return time.perf_counter() - self.began

    def header(self) -> str:
        """The header's value, in milliseconds."""
        return f"app;dur={self.seconds * 1000:.1f}, db;dur={self.held * 1000:.1f}"


_clock: ContextVar[Clock | None] = ContextVar("medley_clock", default=None)


def start() -> Clock:
    """A clock for what runs in this context."""
    clock = Clock()
    _clock.set(clock)
    return clock


def watch(engine: Engine) -> None:
    """Adds the time that connections of this engine are held to the clock of their context."""

    def taken(connection: Any, record: Any, proxy: Any) -> None:
        record.info["medley.taken"] = (_clock.get(), time.perf_counter())

    def given_back(connection: Any, record: Any) -> None:
        clock, since = record.info.pop("medley.taken", (None, 0.0))
        if clock is not None:
            clock.held += time.perf_counter() - since

    event.listen(engine, "checkout", taken)
    event.listen(engine, "checkin", given_back)

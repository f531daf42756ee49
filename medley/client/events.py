"""Events of a job, and how a broken stream of them is taken up where it broke."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import quote

import httpx2

from medley.client.calls import Call, judge
from medley.client.errors import Broken
from medley.errors import MedleyError, Unavailable
from medley.status import TERMINAL_JOB, JobStatus

PATIENCE_S = 60.0  #: how long a broken stream is taken up again before we give up
PAUSE_S = 0.5
_QUIET_S = 45.0  # a heartbeat comes every 15 s


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a job. `seq` is None for what is not stored (progress, previews, deltas)."""

    type: str
    seq: int | None
    data: Mapping[str, Any]

    @property
    def step(self) -> str | None:
        """The step it is about."""
        return self.data.get("step")

    @property
    def ends_job(self) -> bool:
        """Whether the job reached its final state with this event, or had reached it before."""
        if self.type == "snapshot":
            return self.data.get("status") in TERMINAL_JOB
        kind, _, status = self.type.partition(".")
        return kind == "job" and status in TERMINAL_JOB

    @property
    def stops_job(self) -> bool:
        """Whether the job goes no further by itself: it has ended, or waits for its caller."""
        waiting = self.type == "job.waiting" or (
            self.type == "snapshot" and self.data.get("status") == JobStatus.WAITING
        )
        return waiting or self.ends_job


class Following:
    """Where a reader of a job's events is. The connections are made by somebody else."""

    def __init__(self, job: str, after: int | None, timeout_s: float | None = None) -> None:
        self.job, self.after = job, after
        self.over = False
        self._until = None if timeout_s is None else time.monotonic() + timeout_s
        self._broken_since: float | None = None
        self._last_id = ""

    def call(self) -> Call:
        """The next connection. Raises `TimeoutError` when there is no time for it."""
        headers = {"Accept": "text/event-stream"}
        if self.after is not None:
            headers["Last-Event-ID"] = str(self.after)
        self._last_id = ""
        path = f"/v1/jobs/{quote(self.job, safe='')}/events"
        left = self._left()
        if left <= 0:
            raise TimeoutError(f"{self.job} has not ended in time; it goes on.")
        return Call(method="GET", path=path, headers=headers, patience_s=min(_QUIET_S, left))

    def opened(self, response: httpx2.Response) -> bool:
        """Whether events will come; without any the job has ended and all was seen. Raises
        `Refused` once the body of a refusal is read.
        """
        judge(response)
        self.over = response.status_code == 204
        return not self.over

    def take(self, sent: httpx2.ServerSentEvent) -> Event | None:
        """The event that came, or None for what only keeps the line open."""
        self._broken_since = None
        if not sent.data:  # only a retry time or an id
            return None
        # The id stays in force for later events that carry none: only a change is ours.
        seq = int(sent.id) if sent.id.isdigit() and sent.id != self._last_id else None
        self._last_id = sent.id
        event = Event(sent.event, seq, cast(Mapping[str, Any], sent.json()))
        self.after = self.after if seq is None else seq
        self.over = event.ends_job
        return event

    def late(self) -> bool:
        """Whether the caller's time is over."""
        return self._left() <= 0

    def pause(self) -> float:
        """Seconds to wait before a stream that ended too early is taken up."""
        return min(PAUSE_S, max(0.0, self._left()))

    def broke(self, error: Exception) -> float:
        """Seconds to wait before the next connection. Raises what cannot be waited for."""
        if isinstance(error, MedleyError) and not isinstance(error, Broken | Unavailable):
            raise error
        now = time.monotonic()
        self._broken_since = self._broken_since or now
        if now - self._broken_since > PATIENCE_S:
            raise Unavailable(f"lost the event stream of {self.job}: {error}") from error
        return self.pause()

    def _left(self) -> float:
        return float("inf") if self._until is None else self._until - time.monotonic()

"""Events: every change of a job as a row, and the channel that tells listeners to look.

Rows are the truth and are replayed by their per-job number. What travels by pub/sub is either a
hint that rows were added, or something that is not stored: previews and pieces of text.
"""

import base64
import json
import threading
import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import redis

from orchestrator.database import Raw

PREVIEW_SECONDS = 600  #: how long the last preview of a step is kept
GATHER_S = 0.01  #: how long hints about short steps wait for each other


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A stored event."""

    job: str
    seq: int
    type: str
    step: str | None
    data: dict[str, Any]
    at: datetime


def read_events(
    conn: Raw, tenant: str, job: str, *, after: int = 0, limit: int = 500
) -> list[Event]:
    """Events of a job after a number, in order; empty for a foreign job."""
    rows = conn.execute(
        "SELECT e.job, e.seq, e.type, e.step, e.data, e.at"
        " FROM events e JOIN jobs j ON j.id = e.job"
        " WHERE e.job = %s AND j.tenant = %s AND e.seq > %s ORDER BY e.seq LIMIT %s",
        [job, tenant, after, limit],
    ).fetchall()
    return [
        Event(job=row[0], seq=row[1], type=row[2], step=row[3], data=row[4], at=row[5])
        for row in rows
    ]


def read_since(conn: Raw, jobs: Collection[str], since: datetime, *, limit: int) -> list[Event]:
    """Events of these jobs from a moment on, oldest first. The caller has looked whose they are."""
    rows = conn.execute(
        "SELECT job, seq, type, step, data, at FROM events"
        " WHERE job = ANY(%s) AND at >= %s ORDER BY at, job, seq LIMIT %s",
        [list(jobs), since, limit],
    ).fetchall()
    return [
        Event(job=row[0], seq=row[1], type=row[2], step=row[3], data=row[4], at=row[5])
        for row in rows
    ]


def channel(job: str) -> str:
    """The pub/sub channel of a job."""
    return f"medley:job:{job}"


def preview_key(job: str, step: str) -> str:
    """Where the last preview of a step is kept, as the JSON that was published."""
    return f"medley:preview:{job}:{step}"


def client_url(url: str) -> str:
    """A Redis URL in the form of redis-py; only Celery's `redis+socket://` has to be changed."""
    if not url.startswith("redis+socket://"):
        return url
    found = urlsplit(url)
    number = parse_qs(found.query).get("virtual_host", ["0"])[0]
    return f"unix://{found.path}?db={number}"


def _client(url: str) -> redis.Redis:
    return redis.Redis.from_url(
        client_url(url), socket_timeout=1.0, socket_connect_timeout=1.0, health_check_interval=25
    )


class Announcer:
    """Publishes for listeners. Losing a message, or the whole server, costs them a moment, nothing
    else.

    Nobody waits for the server's answers: each is read before the next message is sent.
    """

    def __init__(self, url: str | None) -> None:
        self._client = _client(url) if url else None
        self._connection: Any = None
        self._unread = 0
        self._quiet_until = 0.0
        self._lock = threading.Lock()
        self._pending: set[str] = set()
        self._more = threading.Event()
        self._thread: threading.Thread | None = None

    def stored(self, jobs: Iterable[str]) -> None:
        """Rows were added for these jobs."""
        names = set(jobs)
        self._pending -= names
        self._send([("PUBLISH", channel(job), '{"type": "events"}') for job in names])

    def stored_soon(self, jobs: Iterable[str]) -> None:
        """The same within some milliseconds, together with what else comes until then."""
        if self._client is None:
            return
        self._pending |= set(jobs)
        if self._thread is None:
            self._thread = threading.Thread(target=self._gather, name="announcer", daemon=True)
            self._thread.start()
        self._more.set()

    def _gather(self) -> None:
        while True:
            self._more.wait()
            time.sleep(GATHER_S)
            self._more.clear()
            if names := list(self._pending):
                self.stored(names)

    def delta(self, job: str, step: str, text: str, at: int = 0) -> None:
        """A step wrote a piece of text, `at` so many characters from its beginning."""
        message = json.dumps({"type": "delta", "step": step, "text": text, "at": at})
        self._send([("PUBLISH", channel(job), message)])

    def preview(self, job: str, step: str, data: bytes, media_type: str) -> None:
        """What a step's picture looks like so far; the last one is kept for late listeners."""
        encoded = base64.b64encode(data).decode()
        message = json.dumps(
            {"type": "preview", "step": step, "media_type": media_type, "data": encoded}
        )
        self._send(
            [
                ("SET", preview_key(job, step), message, "EX", PREVIEW_SECONDS),
                ("PUBLISH", channel(job), message),
            ]
        )

    def _send(self, commands: list[tuple[Any, ...]]) -> None:
        if self._client is None or not commands:
            return
        with self._lock:
            if time.monotonic() < self._quiet_until:
                return
            try:
                if self._connection is None:
                    self._connection = self._client.connection_pool.get_connection()
                while self._unread:
                    self._unread -= 1
                    self._connection.read_response()
                for command in commands:
                    self._connection.send_command(*command)
                    self._unread += 1
            except (redis.RedisError, OSError):
                self._drop()

    def _drop(self) -> None:
        """A server that does not answer is left alone for a moment; nobody should wait for it."""
        self._unread = 0
        self._quiet_until = time.monotonic() + 1.0
        if self._connection is not None:
            self._connection.disconnect()
            if self._client is not None:
                self._client.connection_pool.release(self._connection)
            self._connection = None

"""The live feed: one subscription to Redis for all open streams of this process.

A notice is only a hint that a job has news; the news is read from Postgres. Previews, progress and
text as it is written are passed on and never stored. While Redis is away, streams look into
Postgres more often.
"""

import asyncio
import contextlib
import json
import logging
from collections.abc import Iterator
from typing import Any

import redis.asyncio
from redis.exceptions import RedisError

from orchestrator.events import channel, preview_key

logger = logging.getLogger("medley.api")
CHANNELS = channel("*")
RETRY_S = 1.0
ROOM = 256  # notices that a slow reader may be behind


class Listener:
    """What one stream hears.

    A full queue drops the oldest: a stream that is behind reads Postgres.
    """

    def __init__(self, job: str | None) -> None:
        self.job = job
        self._queue: asyncio.Queue[tuple[str, dict[str, Any]]] = asyncio.Queue(ROOM)

    def put(self, job: str, notice: dict[str, Any]) -> None:
        """Adds a notice; never waits."""
        if self._queue.full():
            self._queue.get_nowait()
        self._queue.put_nowait((job, notice))

    async def hear(self, timeout_s: float) -> list[tuple[str, dict[str, Any]]]:
        """The notices since the last call, waiting for the first one; empty after the timeout."""
        try:
            heard = [await asyncio.wait_for(self._queue.get(), timeout_s)]
        except TimeoutError:
            return []
        while not self._queue.empty():
            heard.append(self._queue.get_nowait())
        return heard


class Feed:
    """Listens on Redis and hands notices to the listeners of this process."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._listeners: set[Listener] = set()
        self.alive = False

    @contextlib.contextmanager
    def listen(self, job: str | None = None) -> Iterator[Listener]:
        """A listener for one job, or for all."""
        listener = Listener(job)
        self._listeners.add(listener)
        try:
            yield listener
        finally:
            self._listeners.discard(listener)

    async def last_preview(self, job: str, step: str) -> dict[str, Any] | None:
        """What a running step's picture looked like last, for a listener who comes late."""
        if not self.alive:
            return None
        try:
            async with redis.asyncio.from_url(
                self._url, socket_timeout=1, socket_connect_timeout=1
            ) as client:
                found = await client.get(preview_key(job, step))
            notice = json.loads(found) if found else None
        except (RedisError, OSError, TimeoutError, ValueError):
            return None
        return notice if isinstance(notice, dict) else None

    async def run(self) -> None:
        """Listens until it is cancelled; connects again after every failure."""
        while True:
            try:
                await self._follow()
            except (RedisError, OSError, TimeoutError) as error:
                if self.alive:
                    logger.warning("feed lost error=%s", error)
            self.alive = False
            await asyncio.sleep(RETRY_S)

    async def _follow(self) -> None:
        async with (
            redis.asyncio.from_url(
                self._url, socket_timeout=None, socket_connect_timeout=2, health_check_interval=10
            ) as client,
            client.pubsub(ignore_subscribe_messages=True) as channel,
        ):
            await channel.psubscribe(CHANNELS)
            self.alive = True
            self._tell_all()  # news may have passed while nobody listened
            async for message in channel.listen():
                self._pass_on(message)

    def _pass_on(self, message: dict[str, Any]) -> None:
        job = message["channel"].decode(errors="replace").rpartition(":")[2]
        try:
            notice = json.loads(message["data"])
        except ValueError:
            notice = {}
        for listener in self._listeners:
            if listener.job in (None, job):
                listener.put(job, notice if isinstance(notice, dict) else {})

    def _tell_all(self) -> None:
        for listener in self._listeners:
            listener.put(listener.job or "", {})

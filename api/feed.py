"""The live feed: one connection to Redis for all open streams of this process, subscribed to the
jobs that somebody follows and to no others.

A notice is only a hint that a job has news; the news is read from Postgres. Previews, progress and
text as it is written are passed on and never stored. While Redis is away, streams look into
Postgres more often.
"""

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator
from typing import Any

import redis.asyncio
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from orchestrator.events import channel, preview_key

logger = logging.getLogger("medley.api")
QUIET = channel("")  # nothing is published there: it keeps the connection subscribed
EVERY = channel("*")
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
        self._listeners: dict[str | None, set[Listener]] = {}
        self._subscribed: PubSub | None = None
        self.alive = False

    @contextlib.asynccontextmanager
    async def listen(self, job: str | None = None) -> AsyncIterator[Listener]:
        """A listener for one job, or for all. Its first notice says that Redis listens, too: what
        was read before may be out of date.
        """
        listener = Listener(job)
        others = self._listeners.setdefault(job, set())
        others.add(listener)
        if len(others) == 1:
            await self._ask(job, follow=True)
        try:
            yield listener
        finally:
            others.discard(listener)
            if not others and self._listeners.get(job) is others:
                del self._listeners[job]
                await self._ask(job, follow=False)

    async def _ask(self, job: str | None, *, follow: bool) -> None:
        if self._subscribed is None or not self.alive:
            return  # `_follow` asks for all of them when Redis is there
        pubsub = self._subscribed
        try:
            if job is None:
                await (pubsub.psubscribe(EVERY) if follow else pubsub.punsubscribe(EVERY))
            elif follow:
                await pubsub.subscribe(channel(job))
            else:
                await pubsub.unsubscribe(channel(job))
        except (RedisError, OSError, TimeoutError) as error:
            logger.warning("feed cannot follow job=%s error=%s", job, error)

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
            client.pubsub() as pubsub,
        ):
            await pubsub.subscribe(QUIET)
            self._subscribed, self.alive = pubsub, True
            for job in list(self._listeners):
                await self._ask(job, follow=True)
            async for message in pubsub.listen():
                self._pass_on(message)

    def _pass_on(self, message: dict[str, Any]) -> None:
        kind, name = message["type"], message["channel"].decode(errors="replace")
        job = name.rpartition(":")[2]
        if kind in ("subscribe", "psubscribe"):  # news may have passed before it
            for listener in self._listeners.get(None if name == EVERY else job, ()):
                listener.put(listener.job or "", {})
        elif kind in ("message", "pmessage"):
            try:
                notice = json.loads(message["data"])
            except ValueError:
                notice = {}
            # One notice may come twice, by name and by pattern: each is for its own listeners.
            for listener in self._listeners.get(job if kind == "message" else None, ()):
                listener.put(job, notice if isinstance(notice, dict) else {})

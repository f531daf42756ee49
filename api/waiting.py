"""Threads that wait for strangers: apart from those that serve requests, and shared out fairly, so
that a caller whose URLs answer slowly keeps nobody else waiting.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TypeVar, TypeVarTuple
from weakref import WeakValueDictionary

from anyio import CapacityLimiter, to_thread

from medley.errors import QueueFull

MOST = 16  #: at one time; further ones wait
MOST_OF_ONE = 8  #: … of one tenant

Given = TypeVarTuple("Given")
Found = TypeVar("Found")


class Strangers:
    """Runs what asks URLs that callers have named."""

    def __init__(self) -> None:
        self._all = CapacityLimiter(MOST)
        self._of: WeakValueDictionary[str, CapacityLimiter] = WeakValueDictionary()
        self._lock = threading.Lock()
        self._here: Counter[str] = Counter()

    async def ask(self, tenant: str, work: Callable[[*Given], Found], *given: *Given) -> Found:
        """What `work` gives, in a thread, as soon as it is this tenant's turn."""
        mine = self._of.setdefault(tenant, CapacityLimiter(MOST_OF_ONE))
        async with mine:
            return await to_thread.run_sync(partial(work, *given), limiter=self._all)

    @contextmanager
    def place(self, tenant: str) -> Iterator[None]:
        """A place for asking in the thread that serves the request; there are few of them.

        Raises `QueueFull` instead of waiting for one.
        """
        with self._lock:
            if self._here[tenant] >= MOST_OF_ONE or self._here.total() >= MOST:
                raise QueueFull("Too many URLs are being fetched; try again in a moment.")
            self._here[tenant] += 1
        try:
            yield
        finally:
            with self._lock:
                self._here[tenant] -= 1
                self._here += Counter()  # forgets who has none

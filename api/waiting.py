"""Threads that wait for strangers: apart from those that serve requests, and shared out fairly, so
that a caller whose URLs answer slowly keeps nobody else waiting.
"""

from collections.abc import Callable
from functools import partial
from typing import TypeVar, TypeVarTuple
from weakref import WeakValueDictionary

from anyio import CapacityLimiter, to_thread

MOST = 16  #: at one time; further ones wait
MOST_OF_ONE = 8  #: … of one tenant

Given = TypeVarTuple("Given")
Found = TypeVar("Found")


class Strangers:
    """Runs what asks URLs that callers have named."""

    def __init__(self) -> None:
        self._all = CapacityLimiter(MOST)
        self._of: WeakValueDictionary[str, CapacityLimiter] = WeakValueDictionary()

    async def ask(self, tenant: str, work: Callable[[*Given], Found], *given: *Given) -> Found:
        """What `work` gives, in a thread, as soon as it is this tenant's turn."""
        mine = self._of.setdefault(tenant, CapacityLimiter(MOST_OF_ONE))
        async with mine:
            return await to_thread.run_sync(partial(work, *given), limiter=self._all)

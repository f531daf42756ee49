"""`subscriptions/listen`: a client hears that lists of its tenant changed, and reads them again.

A stream looks at the newest rows now and then, so it does not matter which replica changed them.
Tools do not change while the service runs, and an asset never does: of those nothing is heard.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

import anyio
from mcp.server.subscriptions import (
    InMemorySubscriptionBus,
    ListenHandler,
    PromptsListChanged,
    ResourcesListChanged,
)
from mcp_types import SubscriptionsListenRequestParams, SubscriptionsListenResult
from starlette.concurrency import run_in_threadpool

from api.agents.caller import Caller
from medley.errors import QuotaExceeded
from orchestrator import asset_rows, workflows

LOOK_S = 2.0
MOST = 16  #: streams of one tenant at one replica


@dataclass(frozen=True, slots=True)
class Newest:
    """What tells that a tenant's lists have changed."""

    asset: str | None
    workflows: tuple[int, datetime | None]

    @classmethod
    def of(cls, caller: Caller) -> "Newest":
        """As it is now. Blocks."""
        with caller.here.db.connect() as conn:
            newest = asset_rows.list_assets(conn, caller.tenant, limit=1)
            return cls(
                asset=newest[0].id if newest else None,
                workflows=workflows.last_change(conn, caller.tenant),
            )


class Listening:
    """The open streams of this process."""

    def __init__(self) -> None:
        self._open: Counter[str] = Counter()

    async def listen(
        self, caller: Caller, params: SubscriptionsListenRequestParams
    ) -> SubscriptionsListenResult:
        """Holds a stream open until its client goes away. Raises `Forbidden`, `QuotaExceeded`."""
        caller.require_reading()
        with self._counted(caller.tenant):
            bus = InMemorySubscriptionBus()
            before = await run_in_threadpool(Newest.of, caller)
            async with anyio.create_task_group() as group:
                group.start_soon(_watch, caller, bus, before)
                ended = await ListenHandler(bus)(caller.context, params)
                group.cancel_scope.cancel()
            return ended

    @contextmanager
    def _counted(self, tenant: str) -> Iterator[None]:
        if self._open[tenant] >= MOST:
            raise QuotaExceeded(f"A tenant may listen {MOST} times at once.", LOOK_S)
        self._open[tenant] += 1
        try:
            yield
        finally:
            self._open[tenant] -= 1


async def _watch(caller: Caller, bus: InMemorySubscriptionBus, before: Newest) -> None:
    while True:
        await anyio.sleep(LOOK_S)
        now = await run_in_threadpool(Newest.of, caller)
        if now.asset != before.asset:
            await bus.publish(ResourcesListChanged())
        if now.workflows != before.workflows:
            await bus.publish(PromptsListChanged())
        before = now

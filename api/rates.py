"""Rates: how often somebody may ask, counted in Valkey over a moving minute.

While Valkey is away nobody is refused: what a request may cost is held by quotas, in Postgres.
"""

import logging
import time

from limits import RateLimitItemPerMinute
from limits.aio.storage import RedisStorage
from limits.aio.strategies import MovingWindowRateLimiter
from redis.asyncio import ConnectionPool
from redis.exceptions import RedisError

from medley.errors import RateLimited
from orchestrator.events import client_url
from orchestrator.keys import Caller

logger = logging.getLogger("medley.api")
ATTEMPTS = 10  #: wrong secrets from one address within a minute
TOLD = 100  #: wrong secrets that the audit log tells of within a minute, from wherever
PATIENCE_S = 0.5
QUIET_S = 1.0  # a Valkey that does not answer is left alone for so long


class Rates:
    """Counts requests."""

    def __init__(self, url: str) -> None:
        self._pool = ConnectionPool.from_url(
            client_url(url), socket_timeout=PATIENCE_S, socket_connect_timeout=PATIENCE_S
        )
        storage = RedisStorage(
            "async+redis://",
            implementation="redispy",
            key_prefix="medley:rate",
            connection_pool=self._pool,  # type: ignore[arg-type]
        )
        self._limiter = MovingWindowRateLimiter(storage)
        self._quiet_until = 0.0

    async def check(self, caller: Caller, tenant_most: int | None) -> None:
        """Counts a request. Raises `RateLimited`."""
        if caller.key is None:
            return
        for most, kind, name in (
            (caller.quota.requests_per_minute, "key", caller.key),
            (tenant_most, "tenant", caller.tenant),
        ):
            if most is not None and (wait := await self._hit(most, kind, name)):
                raise RateLimited(f"This {kind} may make {most} requests a minute.", wait)

    async def check_attempt(self, address: str) -> None:
        """Counts a wrong secret. Raises `RateLimited`."""
        if wait := await self._hit(ATTEMPTS, "attempt", address):
            raise RateLimited("Too many wrong keys from this address.", wait)

    async def tell(self) -> bool:
        """Whether there is room in the audit log for one more wrong secret."""
        return not await self._hit(TOLD, "told", "")

    async def close(self) -> None:
        """Ends the connections."""
        await self._pool.aclose()

    async def _hit(self, most: int, kind: str, name: str) -> float:
        """Seconds to wait; 0 when this request is within the limit."""
        if time.monotonic() < self._quiet_until:
            return 0.0
        item = RateLimitItemPerMinute(most)
        try:
            if await self._limiter.hit(item, kind, name):
                return 0.0
            stats = await self._limiter.get_window_stats(item, kind, name)
        except (RedisError, OSError, TimeoutError) as error:
            logger.warning("rates are not counted error=%s", error)
            self._quiet_until = time.monotonic() + QUIET_S
            return 0.0
        return max(stats.reset_time - time.time(), 0.05)

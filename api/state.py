"""What the routes share: settings, the pool, the store, the declared tools, the live feed. Made by
the lifespan.
"""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Annotated

from fastapi import Depends, FastAPI, Request
from sqlalchemy import Connection, Engine

from api import timing
from api.carried import Carrier, carrier_of
from api.feed import Feed
from api.keyring import KeyRing
from api.metrics import Metrics
from api.rates import Rates
from api.waiting import Strangers
from medley.errors import QueueFull, Unavailable
from medley.media.facts import Limits
from medley.quota import Quota
from medley.settings import Settings
from medley.toolset import installed
from orchestrator import jobs, quotas
from orchestrator.assets import AssetStore, FolderStore, Received
from orchestrator.catalogue import known_models, load_catalogue, withheld
from orchestrator.checking import Rules
from orchestrator.crashes import crash_point
from orchestrator.database import create_engine
from orchestrator.events import Announcer, client_url
from orchestrator.janitor import Janitor
from orchestrator.keys import NOBODY, Caller
from orchestrator.quotas import Grant
from orchestrator.reaper import Reaper
from orchestrator.relay import Relay
from orchestrator.tracing.export import TraceExporter
from orchestrator.webhooks.sender import Sender

POOL_SIZE, MAX_OVERFLOW = 10, 20


@dataclass(kw_only=True)
class Queue:
    """Refuses new jobs while too many wait. The count is at most a second old."""

    db: Engine
    most: int
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _counted: int = 0
    _until: float = 0.0

    def check(self) -> None:
        """Raises `QueueFull`."""
        with self._lock:
            if time.monotonic() >= self._until:
                with self.db.connect() as conn:
                    self._counted = jobs.waiting(conn)
                self._until = time.monotonic() + 1.0
            if self._counted >= self.most:
                raise QueueFull("Too many jobs are waiting already.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """Lets a caller make jobs and keep bytes."""

    queue: Queue
    tenant_quota: Quota
    caller: Caller = NOBODY

    def check(self, conn: Connection | None = None) -> Grant:
        """Leave to make one job. Raises `QueueFull`, `QuotaExceeded`.

        `conn`: the transaction that makes it; only with it the limits are exact.
        """
        self.queue.check()
        if conn is not None:
            return quotas.admit(conn, self.caller, self.tenant_quota)
        with self.queue.db.begin() as own:
            return quotas.admit(own, self.caller, self.tenant_quota)

    def check_bytes(self, conn: Connection) -> None:
        """Leave to keep the assets that this transaction has added. Raises `QuotaExceeded`."""
        quotas.admit_bytes(conn, self.caller, self.tenant_quota)


@dataclass(frozen=True, kw_only=True)
class Service:
    """Everything a route may need; what the routes are handed is for one `caller`."""

    settings: Settings
    db: Engine
    store: AssetStore
    limits: Limits
    rules: Rules
    feed: Feed
    relay: Relay
    announcer: Announcer
    admission: Admission
    carrier: Carrier
    sender: Sender
    keyring: KeyRing
    rates: Rates
    metrics: Metrics | None = None
    strangers: Strangers = field(default_factory=Strangers)
    caller: Caller = NOBODY

    def serving(self, caller: Caller) -> "Service":
        """The same for this caller."""
        return replace(self, caller=caller, admission=replace(self.admission, caller=caller))

    @contextmanager
    def entering(self, files: Iterable[Received]) -> Iterator[Connection]:
        """A transaction that names the kept bytes of these files. Where it is refused they are
        removed at once, unless somebody else keeps equal ones.
        """
        refused = False
        try:
            with self.db.begin() as conn:
                try:
                    yield conn
                except BaseException:
                    refused = True  # of a commit that fails nobody knows whether it was made
                    raise
        finally:
            for received in files if refused else ():
                self.store.discard(received)

    def changed(self, job: str) -> None:
        """To be called after the commit that changed a job: wakes workers, listeners, webhooks."""
        crash_point("api.after_commit_before_publish")
        self.relay.nudge()
        self.sender.nudge()
        self.announcer.stored([job])


def rules_of(settings: Settings) -> Rules:
    """What plans may use in this installation."""
    return Rules(
        tools=installed(settings),
        models=load_catalogue(settings),
        withheld=withheld(settings),
        known=known_models(settings),
        max_steps=settings.max_plan_steps,
        commercial_only=settings.commercial_only,
    )


@asynccontextmanager
async def running(
    app: FastAPI, settings: Settings, rules: Rules, metrics: Metrics | None = None
) -> AsyncIterator[None]:
    """Opens what the routes share, and closes it in the opposite order."""
    if settings.database_url is None or settings.redis_url is None:
        raise Unavailable(
            "The API needs a database and a Redis: set both URLs, or use `medley up`."
        )
    db = create_engine(settings.database_url, pool_size=POOL_SIZE, max_overflow=MAX_OVERFLOW)
    timing.watch(db)
    if metrics is not None:
        metrics.watch(db)
    relay, reaper = Relay(db, settings), Reaper(db, settings)
    store = FolderStore(settings.asset_folder)
    sender = Sender(db, settings)
    janitor = Janitor(db, store, settings.keep_days)
    feed, rates = Feed(client_url(settings.redis_url)), Rates(settings.redis_url)
    app.state.service = Service(
        settings=settings,
        db=db,
        store=store,
        limits=Limits.of(settings),
        rules=rules,
        feed=feed,
        relay=relay,
        announcer=Announcer(settings.redis_url),
        sender=sender,
        admission=Admission(
            queue=Queue(db=db, most=settings.max_queued_jobs), tenant_quota=settings.tenant_quota
        ),
        keyring=KeyRing(db, settings.key_quota),
        rates=rates,
        carrier=carrier_of(settings, db, store, dict(rules.models)),
        metrics=metrics,
    )
    from api.openai.batching import Batcher  # it needs what is defined here

    batcher = Batcher(app.state.service)
    listening = asyncio.create_task(feed.run())
    traces = TraceExporter(db, settings)
    traces.start()
    relay.start()
    reaper.start()
    janitor.start()
    sender.start()
    batcher.start()
    try:
        yield
    finally:
        listening.cancel()
        with suppress(asyncio.CancelledError):
            await listening
        sender.stop()
        batcher.stop()
        janitor.stop()
        reaper.stop()
        relay.stop()
        traces.stop()
        await rates.close()
        db.dispose()


def caller_of(request: Request) -> Caller:
    """Who calls, as `api.auth` has found; nobody where it was not asked."""
    found = request.scope.get("medley.caller", NOBODY)
    assert isinstance(found, Caller)
    return found


def service_of(request: Request) -> Service:
    """What the routes share, for this caller."""
    found = request.app.state.service
    assert isinstance(found, Service)
    return found.serving(caller_of(request))


def _tenant(request: Request) -> str:
    # Every query is filtered by what this returns.
    return caller_of(request).tenant


Here = Annotated[Service, Depends(service_of)]
Tenant = Annotated[str, Depends(_tenant)]
Who = Annotated[Caller, Depends(caller_of)]

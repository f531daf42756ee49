"""The larder: while a batch runs, steps like its own are set aside for this worker and prepared.

Setting aside is no claim. Nothing has begun: no clock runs, no attempt is counted, and who cancels
cancels a step that waits. What is not claimed in time is anybody's again, and what was prepared of
it is thrown away.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import psycopg

from medley.backend import Request
from medley.errors import MedleyError
from orchestrator.database import Raw, connect
from orchestrator.engine import Lease, StoredAsset, asset_ids, load_assets, set_aside

log = logging.getLogger(__name__)

ASIDE_S = 3.0  #: so long steps are kept from others
SHORT_S = 2.0  #: after a batch as short as this one the next one is prepared
LOOK_S = 0.1  #: how often it is looked for more while a batch runs

#: Decodes the inputs of a step and makes them ready for its model.
Prepare = Callable[[Lease, Mapping[str, StoredAsset]], Request]


@dataclass(kw_only=True)
class Larder:
    """What was prepared for steps that this worker has not claimed yet."""

    database_url: str
    worker: str
    batch: Callable[[], Mapping[str, int]]  # tool -> how many at once; default 1
    prepare: Prepare
    _seconds: dict[str | None, float] = field(default_factory=dict, init=False)
    _stock: dict[tuple[str, str], tuple[Lease, Request]] = field(default_factory=dict, init=False)
    _thread: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(1, thread_name_prefix="larder"), init=False
    )
    _conn: Raw | None = field(default=None, init=False)

    def take(self, lease: Lease) -> Request | None:
        """What was prepared for this step, once; None where nothing was, or its inputs are others
        by now.
        """
        found = self._stock.pop((lease.job, lease.step), None)
        if found is None or _inputs(found[0]) != _inputs(lease):
            return None
        return found[1]

    @contextmanager
    def stocking(self, like: Lease) -> Iterator[None]:
        """While the body runs a batch of such steps, the next batch of them is prepared."""
        most = self.batch().get(like.tool, 1)
        if most < 2 or self._seconds.get(like.model, SHORT_S) >= SHORT_S:
            with self._timed(like):
                yield
            return
        self._stock.clear()
        over = threading.Event()
        self._thread.submit(self._fill, like, most, over)
        try:
            with self._timed(like):
                yield
        finally:
            over.set()

    def close(self) -> None:
        """Ends the thread."""
        self._thread.shutdown()
        self._drop()

    @contextmanager
    def _timed(self, like: Lease) -> Iterator[None]:
        began = time.monotonic()
        yield
        self._seconds[like.model] = time.monotonic() - began

    def _fill(self, like: Lease, most: int, over: threading.Event) -> None:
        try:
            while most > 0 and not over.is_set():
                found = self._look(like, most)
                most -= len(found)
                self._prepare(found, over)
                if not found:
                    over.wait(LOOK_S)
        except psycopg.Error as error:
            log.debug("nothing set aside error=%s", type(error).__name__)
            self._drop()

    def _look(self, like: Lease, most: int) -> list[Lease]:
        if self._conn is None or self._conn.closed:
            self._conn = connect(self.database_url)
        return set_aside(self._conn, self.worker, like, most, ASIDE_S)

    def _prepare(self, leases: Sequence[Lease], over: threading.Event) -> None:
        assert self._conn is not None
        for tenant in {lease.tenant for lease in leases}:
            own = [lease for lease in leases if lease.tenant == tenant]
            assets = load_assets(self._conn, tenant, set().union(*map(asset_ids, own)))
            for lease in own:
                if over.is_set():
                    return  # whoever claims it prepares it
                try:
                    self._stock[lease.job, lease.step] = (lease, self.prepare(lease, assets))
                except (MedleyError, ValueError, OSError) as error:
                    log.debug("not prepared step=%s error=%s", lease.step, error)  # again when due

    def _drop(self) -> None:
        if self._conn is not None:
            self._conn.close()
            self._conn = None


def _inputs(lease: Lease) -> tuple[object, ...]:
    return lease.inputs, lease.params, lease.seed, lease.sources, lease.model

"""Metrics in Prometheus' form: what this process counts itself, and what the database knows.

Everything about jobs and steps comes from the database, so every replica tells the same: take `max`
over replicas, not `sum`. What is read is kept for some seconds, however many ask.
"""

import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import psycopg
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError
from starlette.types import Scope

from medley.status import TERMINAL_JOB, JobStatus, Lane
from orchestrator import folding, measures, overview
from orchestrator.database import raw
from orchestrator.measures import MEASURES, Measure, Total
from orchestrator.overview import Overview, Worker

KEPT_S = 5.0
_REQUESTS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Metrics:
    """The registry of one application, and what its requests are counted with."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "medley_http_requests",
            "Answered requests.",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self._duration = Histogram(
            "medley_http_request_duration_seconds",
            "From the request's head to the last byte of the answer; event streams apart.",
            ("method", "route"),
            buckets=_REQUESTS,
            registry=self.registry,
        )
        self._open = Gauge(
            "medley_http_requests_open", "Requests being answered.", registry=self.registry
        )

    def watch(self, db: Engine) -> None:
        """From now on the database is asked, too."""
        self.registry.register(FromDatabase(db))

    def begin(self) -> None:
        """A request has come."""
        self._open.inc()

    def end(self, scope: Scope, status: int, seconds: float, *, stream: bool) -> None:
        """It was answered, or its sender went away."""
        self._open.dec()
        route = getattr(scope.get("route"), "path_format", None) or "other"
        method = scope["method"] if scope["method"] in _METHODS else "other"
        self._requests.labels(method, route, str(status)).inc()
        if not stream:
            self._duration.labels(method, route).observe(seconds)

    def text(self) -> bytes:
        """All of it. Blocks."""
        return generate_latest(self.registry)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Now:
    """What is so at this moment."""

    overview: Overview
    workers: list[Worker]
    totals: dict[str, list[tuple[list[str], Total]]]


class FromDatabase(Collector):
    """Gauges and totals of the whole installation."""

    def __init__(self, db: Engine) -> None:
        self._db = db
        self._lock = threading.Lock()
        self._kept: _Now | None = None
        self._until = 0.0

    def describe(self) -> Iterable[Metric]:
        """Nothing: the database may not be there yet when this is registered."""
        return []

    def collect(self) -> Iterator[Metric]:
        """The families; without a database only that it is away."""
        now = self._now()
        up = GaugeMetricFamily("medley_database_up", "Whether the database answers.")
        up.add_metric([], float(now is not None))
        yield up
        if now is None:
            return
        yield from _gauges(now)
        for name, measure in MEASURES.items():
            yield _family(name, measure, now.totals[name])

    def _now(self) -> _Now | None:
        with self._lock:
            if time.monotonic() >= self._until:
                try:
                    self._kept = self._read()
                except (SQLAlchemyError, psycopg.Error):
                    self._kept = None
                self._until = time.monotonic() + KEPT_S
            return self._kept

    def _read(self) -> _Now:
        with self._db.begin() as conn:
            folding.fold(raw(conn))
        with self._db.connect() as conn:
            return _read(conn)


def _read(conn: Connection) -> _Now:
    return _Now(
        overview=overview.overview(conn, None),
        workers=overview.list_workers(conn),
        totals=measures.totals(raw(conn)),
    )


def _gauges(now: _Now) -> Iterator[Metric]:
    jobs = GaugeMetricFamily("medley_jobs", "Jobs that have not ended.", labels=("status",))
    for status in JobStatus:
        if status not in TERMINAL_JOB:
            jobs.add_metric([status.value], now.overview.jobs.get(status.value, 0))
    yield jobs
    lanes = sorted({*(lane.value for lane in Lane), *now.overview.ready, *now.overview.running})
    depth = GaugeMetricFamily("medley_queue_depth", "Steps that wait.", labels=("queue",))
    running = GaugeMetricFamily("medley_steps_running", "Steps that run.", labels=("queue",))
    workers = GaugeMetricFamily("medley_workers", "Live worker processes.", labels=("queue",))
    live = [worker for worker in now.workers if worker.live]
    for lane in lanes:
        depth.add_metric([lane], now.overview.ready.get(lane, 0))
        running.add_metric([lane], now.overview.running.get(lane, 0))
        workers.add_metric([lane], sum(lane in worker.lanes for worker in live))
    yield from (depth, running, workers)
    yield _memory(live)
    loaded = GaugeMetricFamily(
        "medley_models_loaded", "Worker processes that hold a model.", labels=("model",)
    )
    names = [name for worker in live for name in worker.models]
    for name in sorted(set(names)):
        loaded.add_metric([name], names.count(name))
    yield loaded


def _memory(live: list[Worker]) -> Metric:
    """By host and device: what the processes use together, and what the device has."""
    family = GaugeMetricFamily(
        "medley_device_memory_bytes",
        "Memory of a device: used by workers (on the processor, their resident memory), and total.",
        labels=("host", "device", "kind"),
    )
    found: dict[tuple[str, str, str], float] = {}
    for worker in live:
        memory = worker.facts.get("memory") or {}
        where = str(worker.facts.get("host", "")), str(worker.facts.get("device", ""))
        used, total = (*where, "used"), (*where, "total")
        found[used] = found.get(used, 0.0) + float(memory.get("used", 0))
        found[total] = max(found.get(total, 0.0), float(memory.get("total", 0)))
    for labels, number in sorted(found.items()):
        family.add_metric(list(labels), number)
    return family


def _family(name: str, measure: Measure, totals: list[tuple[list[str], Total]]) -> Metric:
    if not measure.buckets:
        counter = CounterMetricFamily(
            name.removesuffix("_total"), measure.about, labels=measure.labels
        )
        for labels, found in totals:
            counter.add_metric(labels, found.total)
        return counter
    histogram = HistogramMetricFamily(name, measure.about, labels=measure.labels)
    for labels, found in totals:
        below, buckets = 0, []
        for bound, number in zip((*measure.buckets, "+Inf"), found.buckets, strict=False):
            below += number
            buckets.append((str(bound), float(below)))
        histogram.add_metric(labels, buckets, found.total)
    return histogram

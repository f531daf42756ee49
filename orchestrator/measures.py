"""Measures: what is counted, and where it is added up.

Totals live in the database, so that every replica tells the same, a restart takes nothing back, and
processes that never listen on a port are counted too. They only ever grow. Labels are names from
the catalogue or from lists in the code, never ids.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from psycopg.types.json import Jsonb

from orchestrator.database import Raw

_SHORT = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)
_LONG = (0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """A counter, or with `buckets` (upper bounds) a histogram."""

    about: str
    labels: tuple[str, ...]
    buckets: tuple[float, ...] = ()


MEASURES: Mapping[str, Measure] = {
    "medley_step_duration_seconds": Measure(
        about="How long steps ran that ended well, by tool, model and whether the cache answered.",
        labels=("tool", "model", "cached"),
        buckets=_SHORT,
    ),
    "medley_step_attempts_total": Measure(
        about="Attempts that ended: succeeded, cached, retried, failed, lost, dead, released, "
        "canceled.",
        labels=("tool", "outcome"),
    ),
    "medley_queue_wait_seconds": Measure(
        about="From ready to claimed, by lane.", labels=("queue",), buckets=_SHORT
    ),
    "medley_job_duration_seconds": Measure(
        about="From accepted to ended, by how it ended.", labels=("status",), buckets=_LONG
    ),
    "medley_gpu_seconds_total": Measure(
        about="Seconds on an accelerator, by model, however the attempts ended.", labels=("model",)
    ),
    "medley_tokens_total": Measure(
        about="Tokens of language models, input or output.", labels=("model", "kind")
    ),
    "medley_model_load_seconds": Measure(
        about="How long weights took to come into memory.", labels=("model",), buckets=_LONG
    ),
    "medley_model_load_failures_total": Measure(
        about="Models that could not be loaded.", labels=("model",)
    ),
    "medley_wakeups_total": Measure(
        about="Ready rows whose wake-up a relay had to send, by lane.", labels=("queue",)
    ),
    "medley_reaped_total": Measure(
        about="What reapers ended: lost leases, jobs past their deadline.", labels=("what",)
    ),
    "medley_webhook_deliveries_total": Measure(
        about="Attempts to deliver a webhook, by result.", labels=("result",)
    ),
}


@dataclass(slots=True)
class Total:
    """What has come together under one name and its labels."""

    count: int = 0
    total: float = 0.0
    buckets: list[int] = field(default_factory=list)  # as many as bounds, and one for the rest


Key = tuple[str, tuple[tuple[str, str], ...]]


class Sums:
    """Increments that are not in the database yet. Not safe for threads."""

    def __init__(self) -> None:
        self._found: dict[Key, Total] = {}

    def __bool__(self) -> bool:
        return bool(self._found)

    def __iter__(self) -> Iterator[tuple[Key, Total]]:
        return iter(sorted(self._found.items(), key=lambda item: item[0]))  # one order: no deadlock

    def add(self, name: str, amount: float = 1.0, **labels: str) -> None:
        """Counts, or adds to a counter. Raises `KeyError` for what is no measure."""
        found = self._of(name, labels)
        found.count += 1
        found.total += amount

    def observe(self, name: str, seconds: float, **labels: str) -> None:
        """One value of a histogram."""
        bounds = MEASURES[name].buckets
        self.add_bucket(name, sum(seconds > bound for bound in bounds), 1, seconds, **labels)

    def add_bucket(self, name: str, bucket: int, count: int, total: float, **labels: str) -> None:
        """Several values of one bucket; the one after the last bound takes the rest."""
        found = self._of(name, labels)
        found.count += count
        found.total += total
        found.buckets[bucket] += count

    def merge(self, others: "Sums") -> None:
        """Adds all of others."""
        for (name, labels), other in others:
            found = self._of(name, dict(labels))
            found.count += other.count
            found.total += other.total
            found.buckets = [a + b for a, b in zip(found.buckets, other.buckets, strict=True)]

    def _of(self, name: str, labels: Mapping[str, str]) -> Total:
        measure = MEASURES[name]
        assert set(labels) == set(measure.labels), name
        key = (name, tuple((label, labels[label]) for label in measure.labels))
        if key not in self._found:
            bounds = len(measure.buckets)
            self._found[key] = Total(buckets=[0] * (bounds + 1) if bounds else [])
        return self._found[key]


def add(conn: Raw, sums: Iterable[tuple[Key, Total]]) -> None:
    """Adds increments to the totals, in the caller's transaction."""
    rows: Sequence[tuple[Any, ...]] = [
        (name, Jsonb(dict(labels)), found.count, found.total, found.buckets or None)
        for (name, labels), found in sums
    ]
    if rows:
        conn.cursor().executemany(
            "INSERT INTO measures AS m (name, labels, count, total, buckets)"
            " VALUES (%s, %s, %s, %s, %s) ON CONFLICT (name, labels) DO UPDATE"
            " SET count = m.count + excluded.count, total = m.total + excluded.total,"
            " buckets = (SELECT array_agg(coalesce(a, 0) + coalesce(b, 0) ORDER BY place)"
            "   FROM unnest(m.buckets, excluded.buckets) WITH ORDINALITY AS u(a, b, place))",
            rows,
        )


def totals(conn: Raw) -> dict[str, list[tuple[list[str], Total]]]:
    """All totals by measure; labels in the measure's order."""
    rows = conn.execute("SELECT name, labels, count, total, buckets FROM measures").fetchall()
    found: dict[str, list[tuple[list[str], Total]]] = {name: [] for name in MEASURES}
    for name, labels, count, total, buckets in rows:
        if name in MEASURES:  # a later release may count more
            values = [str(labels.get(label, "")) for label in MEASURES[name].labels]
            found[name].append((values, Total(count, total, buckets or [])))
    return found

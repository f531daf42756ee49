"""Invariants: what must be true of the rows at any moment. `medley doctor --invariants` and the
fault tests ask.

I1 every open job has something that can happen next      I5 no lease is older than its length and
five seconds I2 one committed attempt per done step, with its token    I6 every asset has its bytes
I3 no step begins before what it needs is done            I7 a job's usage is the sum of its
attempts I4 a job's state is the fold of its steps                 I8 one final event per
job, numbers without gaps I9 rows of a job belong to its tenant
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Any

from medley.status import TERMINAL_JOB, JobStatus, StepStatus
from orchestrator.advance import Finish, JobView, StepView, settle
from orchestrator.database import Raw


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """Something that must never be."""

    rule: str
    about: str  # a job, a step (`job/step`) or an asset
    detail: str

    def to_data(self) -> dict[str, Any]:
        """Plain JSON."""
        return asdict(self)


_CHECKS: dict[str, tuple[str, str]] = {
    "I1": (
        "open, but nothing of it is ready or running",
        """SELECT j.id FROM jobs j WHERE j.finished_at IS NULL AND NOT j.held
           AND NOT EXISTS (SELECT FROM steps s
             WHERE s.job = j.id AND s.status IN ('ready', 'running'))""",
    ),
    "I2": (
        "its committed attempts are not exactly one with its token",
        """SELECT s.job || '/' || s.id FROM steps s LEFT JOIN step_attempts a
             ON a.job = s.job AND a.step = s.id AND a.outcome IN ('succeeded', 'cached')
           WHERE s.kept_from IS NULL GROUP BY s.job, s.id, s.status, s.token
           HAVING count(a.token) <> (s.status IN ('succeeded', 'cached'))::int
             OR (count(a.token) = 1 AND max(a.token) <> s.token)""",
    ),
    "I3": (
        "began before what it needs was done",
        """SELECT d.job || '/' || d.id FROM edges e
           JOIN steps s ON s.job = e.job AND s.id = e.src
           JOIN steps d ON d.job = e.job AND d.id = e.dst
           WHERE d.status IN ('ready', 'running', 'succeeded', 'failed', 'dead')
             AND (s.status NOT IN ('succeeded', 'cached') OR d.started_at < s.finished_at)""",
    ),
    "I5": (
        "runs without a lease, or with one that is long over",
        """SELECT job || '/' || id FROM steps WHERE status = 'running'
           AND (lease_until IS NULL OR lease_until < clock_timestamp() - interval '5 s')""",
    ),
    "I7": (
        "its gpu_seconds are not the sum of its attempts",
        """SELECT j.id FROM jobs j WHERE abs(j.gpu_seconds - coalesce((
             SELECT sum((a.usage->>'gpu_seconds')::float8) FROM step_attempts a
             WHERE a.job = j.id), 0)) > 1e-6""",
    ),
    "I8": (
        "its events have gaps, or not exactly one final event once it is over",
        """SELECT j.id FROM jobs j LEFT JOIN events e ON e.job = j.id
           GROUP BY j.id, j.event_seq, j.finished_at
           HAVING count(e.seq) <> j.event_seq OR coalesce(max(e.seq), 0) <> j.event_seq
             OR count(*) FILTER (WHERE e.type IN
                 ('job.succeeded', 'job.failed', 'job.canceled', 'job.expired'))
               <> (j.finished_at IS NOT NULL)::int""",
    ),
    "I9": (
        "belongs to another tenant than its job",
        """SELECT s.job || '/' || s.id FROM steps s JOIN jobs j ON j.id = s.job
           WHERE s.tenant <> j.tenant""",
    ),
}


def check(
    conn: Raw, *, has_bytes: Callable[[str], bool] | None = None, settled: bool = False
) -> list[Violation]:
    """Everything that is wrong, or an empty list.

    `has_bytes` tells whether the asset store has the bytes of a hash (I6). `settled` also demands
    that every job is over, as after a test.
    """
    found = [
        Violation(rule=rule, about=row[0], detail=detail)
        for rule, (detail, query) in _CHECKS.items()
        for row in conn.execute(query.encode()).fetchall()
    ]
    found += _folds(conn)
    if has_bytes is not None:
        found += [
            Violation(rule="I6", about=asset, detail="its bytes are not in the store")
            for asset, sha256 in conn.execute("SELECT id, sha256 FROM assets").fetchall()
            if not has_bytes(sha256)
        ]
    if settled:
        found += [
            Violation(rule="I1", about=row[0], detail=f"is still {row[1]}")
            for row in conn.execute(
                "SELECT id, status FROM jobs WHERE finished_at IS NULL"
            ).fetchall()
        ]
    return found


def job_views(conn: Raw) -> Iterator[tuple[str, JobStatus, JobView]]:
    """Every job as `advance` sees it."""
    jobs = conn.execute(
        "SELECT id, status, cancel_reason, held, round, max_rounds FROM jobs ORDER BY id"
    ).fetchall()
    needs: dict[tuple[str, str], set[str]] = {}
    for job, src, dst in conn.execute("SELECT job, src, dst FROM edges").fetchall():
        needs.setdefault((job, dst), set()).add(src)
    rows = conn.execute("SELECT job, id, kind, status, round FROM steps ORDER BY job").fetchall()
    steps = {
        job: {
            row[1]: StepView(
                kind=row[2],
                status=StepStatus(row[3]),
                round=row[4],
                needs=frozenset(needs.get((job, row[1]), ())),
            )
            for row in group
        }
        for job, group in groupby(rows, key=lambda row: str(row[0]))
    }
    for name, status, stop, held, number, most in jobs:
        view = JobView(
            steps=steps.get(name, {}), stop=stop, held=held, round=number, max_rounds=most
        )
        yield name, JobStatus(status), view


def _folds(conn: Raw) -> Iterator[Violation]:
    for name, status, view in job_views(conn):
        settled, end = settle(view)
        moved = [
            step for step, seen in settled.steps.items() if seen.status != view.steps[step].status
        ]
        expected = end.status if isinstance(end, Finish) else None
        actual = status if status in TERMINAL_JOB else None
        if moved or (end is not None and expected is None) or expected != actual:
            yield Violation(
                rule="I4",
                about=name,
                detail=f"is {status}; its steps say {expected or 'open'} and that {moved} move on",
            )

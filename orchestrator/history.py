"""History: how long steps took so far, and what that says about a plan."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg.rows import namedtuple_row

from medley.plan import Plan, PlanStep
from orchestrator.database import Raw

LOOK_BACK = 2000  #: newest steps that are looked at
LEAST = 3  #: runs of a tool below which nothing is said


@dataclass(frozen=True, slots=True)
class Seconds:
    """Typical and long durations of steps that run one after the other."""

    p50: float
    p90: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What a plan would take; None where history does not say. `basis`: how many earlier steps
    say so.
    """

    seconds: Seconds | None = None
    gpu_seconds: Seconds | None = None
    basis: int = 0


def estimate(conn: Raw, tenant: str, plan: Plan, cached: Collection[str] = ()) -> Estimate:
    """From earlier runs of the same tools and models, without the `cached` steps; nothing where one
    of the others ran too rarely.
    """
    wanted = [step for step in plan.steps if step.id not in cached]
    if not wanted:
        return Estimate(seconds=Seconds(0.0, 0.0))
    known = {(row.tool, row.model): row for row in _runs(conn, tenant) if row.runs >= LEAST}
    if any(_name(step) not in known for step in wanted):
        return Estimate()
    rows = [known[_name(step)] for step in wanted]
    return Estimate(
        seconds=_sum(rows, ""),
        gpu_seconds=_sum(rows, "gpu_") if any(row.gpu_p90 for row in rows) else None,
        basis=sum(known[name].runs for name in {_name(step) for step in wanted}),
    )


def _name(step: PlanStep) -> tuple[str, str | None]:
    return step.tool, step.model


def _sum(rows: Sequence[Any], kind: str) -> Seconds:
    p50, p90 = (
        sum(getattr(row, f"{kind}{share}") or 0.0 for row in rows) for share in ("p50", "p90")
    )
    return Seconds(round(p50, 3), round(p90, 3))


def gpu_costs(conn: Raw, tenant: str) -> dict[tuple[str, str | None], float]:
    """Accelerator seconds that nine of ten runs stayed below, by tool and model. What ran too
    rarely, or never on an accelerator, is not named.
    """
    return {
        (row.tool, row.model): row.gpu_p90
        for row in _runs(conn, tenant)
        if row.runs >= LEAST and row.gpu_p90
    }


#: By tool and model: how many runs there were, and what they took.
_RUNS = """
SELECT tool, model, count(*) AS runs,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY took) AS p50,
    percentile_cont(0.9) WITHIN GROUP (ORDER BY took) AS p90,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY gpu) AS gpu_p50,
    percentile_cont(0.9) WITHIN GROUP (ORDER BY gpu) AS gpu_p90
FROM (
    SELECT tool, model, extract(epoch FROM finished_at - started_at)::float8 AS took,
        (usage->>'gpu_seconds')::float8 AS gpu
    FROM steps WHERE tenant = %s AND status = 'succeeded' AND started_at IS NOT NULL
    ORDER BY job DESC LIMIT %s
) recent GROUP BY tool, model
"""


def _runs(conn: Raw, tenant: str) -> Sequence[Any]:
    return conn.cursor(row_factory=namedtuple_row).execute(_RUNS, [tenant, LOOK_BACK]).fetchall()

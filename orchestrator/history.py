"""History: how long steps took so far, and what that says about a plan."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Double, Row, cast, extract, func, select

from medley.plan import Plan, PlanStep
from medley.status import StepStatus
from orchestrator.tables import steps

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


def estimate(conn: Connection, tenant: str, plan: Plan, cached: Collection[str] = ()) -> Estimate:
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


def _sum(rows: Sequence[Row[Any]], kind: str) -> Seconds:
    p50, p90 = (
        sum(getattr(row, f"{kind}{share}") or 0.0 for row in rows) for share in ("p50", "p90")
    )
    return Seconds(round(p50, 3), round(p90, 3))


def _runs(conn: Connection, tenant: str) -> Sequence[Row[Any]]:
    """By tool and model: how many runs there were, and what they took."""
    recent = (
        select(
            steps.c.tool,
            steps.c.model,
            cast(extract("epoch", steps.c.finished_at - steps.c.started_at), Double).label("took"),
            cast(steps.c.usage["gpu_seconds"].astext, Double).label("gpu"),
        )
        .where(
            steps.c.tenant == tenant,
            steps.c.status == StepStatus.SUCCEEDED,
            steps.c.started_at.is_not(None),
        )
        .order_by(steps.c.job.desc())
        .limit(LOOK_BACK)
        .subquery()
    )
    columns = [
        func.percentile_cont(share).within_group(column).label(f"{kind}p{round(100 * share)}")
        for kind, column in (("", recent.c.took), ("gpu_", recent.c.gpu))
        for share in (0.5, 0.9)
    ]
    grouped = select(recent.c.tool, recent.c.model, func.count().label("runs"), *columns)
    return conn.execute(grouped.group_by(recent.c.tool, recent.c.model)).all()

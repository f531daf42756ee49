"""History: how long steps took so far, and what that says about a plan."""

from dataclasses import dataclass

from sqlalchemy import Connection, Double, cast, extract, func, select

from medley.plan import Plan
from medley.status import StepStatus
from orchestrator.tables import steps

LOOK_BACK = 2000  #: newest steps that are looked at
LEAST = 3  #: runs of a tool below which nothing is said


@dataclass(frozen=True, slots=True)
class Estimate:
    """Seconds if the steps ran one after the other, and how many earlier steps say so."""

    p50: float
    p90: float
    basis: int


def estimate(conn: Connection, tenant: str, plan: Plan) -> Estimate | None:
    """From earlier runs of the same tools and models; None where one was run too rarely."""
    wanted = [(step.tool, step.model) for step in plan.steps]
    if not wanted:
        return None
    recent = (
        select(
            steps.c.tool,
            steps.c.model,
            cast(extract("epoch", steps.c.finished_at - steps.c.started_at), Double).label("took"),
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
    rows = conn.execute(
        select(
            recent.c.tool,
            recent.c.model,
            func.count().label("runs"),
            func.percentile_cont(0.5).within_group(recent.c.took).label("p50"),
            func.percentile_cont(0.9).within_group(recent.c.took).label("p90"),
        ).group_by(recent.c.tool, recent.c.model)
    )
    known = {(row.tool, row.model): row for row in rows if row.runs >= LEAST}
    if any(name not in known for name in wanted):
        return None
    return Estimate(
        p50=round(sum(known[name].p50 for name in wanted), 3),
        p90=round(sum(known[name].p90 for name in wanted), 3),
        basis=sum(known[name].runs for name in set(wanted)),
    )

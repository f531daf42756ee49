"""Jobs as they are read: one with its steps, lists, waiting time, and what became of its parts."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, case, delete, func, select
from sqlalchemy.dialects.postgresql import aggregate_order_by

from medley.errors import Conflict, NotFound
from medley.status import DONE_STEP, TERMINAL_JOB, TERMINAL_STEP, JobStatus, StepStatus
from orchestrator import usage
from orchestrator.tables import edges, events, jobs, step_attempts, steps
from orchestrator.webhooks import deliveries

#: Part of the bar that planning fills, where a hub plans.
PLANNING_SHARE = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class StepView:
    """One step as stored. `model` is the one that ran, as soon as one did."""

    id: str
    kind: str
    tool: str
    model: str | None
    lane: str
    status: StepStatus
    needs: list[str]
    inputs: Mapping[str, Any]
    params: Mapping[str, Any]
    outputs: Mapping[str, Any]
    attempt: int
    worker: str | None
    progress: Mapping[str, Any] | None
    error: Mapping[str, Any] | None
    started_at: datetime | None
    finished_at: datetime | None
    usage: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobView:
    """One job as stored, with its steps in the order of the plan."""

    id: str
    kind: str
    status: JobStatus
    phase: str | None
    priority: int
    conversation: str | None
    message: str | None
    request: Mapping[str, Any]
    plan: Mapping[str, Any] | None
    revision: int
    question: str | None
    workflow: str | None
    options: Mapping[str, Any]
    outputs: Any
    error: Mapping[str, Any] | None
    metadata: Mapping[str, str]
    retry_of: str | None
    seq: int
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    queue_position: int | None = None
    steps: Sequence[StepView] = field(default_factory=list)

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen."""
        return self.status in TERMINAL_JOB

    @property
    def usage(self) -> dict[str, float]:
        """What its steps have used, added up."""
        total: dict[str, float] = {}
        for step in self.steps:
            for name, number in step.usage.items():
                total[name] = round(total.get(name, 0.0) + number, 3)
        return total

    @property
    def progress(self) -> float:
        """How far it is, from 0 to 1; running steps count with what they report."""
        if self.status is JobStatus.SUCCEEDED:
            return 1.0
        plan = [step for step in self.steps if step.kind == "plan"]
        rest = [step for step in self.steps if step.kind != "plan"]
        planned = self.plan is not None or all(step.status in TERMINAL_STEP for step in plan)
        share = PLANNING_SHARE if plan else 0.0
        if not planned:
            return round(share * _mean(plan), 4)
        return round(share + (1 - share) * _mean(rest), 4)


def _mean(found: Sequence[StepView]) -> float:
    return sum(_fraction(step) for step in found) / len(found) if found else 0.0


def _fraction(step: StepView) -> float:
    if step.status in TERMINAL_STEP:
        return 1.0
    report = step.progress or {}
    done, total = report.get("done"), report.get("total")
    if step.status is not StepStatus.RUNNING or not done or not total:
        return 0.0
    return min(max(float(done) / float(total), 0.0), 1.0)


def get(conn: Connection, tenant: str, job_id: str) -> JobView:
    """One job with its steps. Raises `NotFound`."""
    earlier = jobs.alias("earlier")
    ahead = (
        select(func.count())
        .where(
            earlier.c.tenant == tenant,  # how much others wait for is not told
            earlier.c.status == JobStatus.QUEUED,
            earlier.c.finished_at.is_(None),
            earlier.c.id < jobs.c.id,
        )
        .scalar_subquery()
    )
    waits = case((jobs.c.status == JobStatus.QUEUED, ahead)).label("queue_position")
    mine = (jobs.c.tenant == tenant, jobs.c.id == job_id)
    row = conn.execute(select(jobs, waits).where(*mine)).first()
    if row is None:
        raise NotFound("job", job_id)
    return _job(row, _steps(conn, [job_id]).get(job_id, []), row.queue_position)


def list_jobs(
    conn: Connection,
    tenant: str,
    *,
    limit: int,
    after: str | None = None,
    newest: bool = True,
    status: Sequence[JobStatus] = (),
    workflow: str | None = None,
    conversation: str | None = None,
    metadata: Mapping[str, str] | None = None,
) -> list[JobView]:
    """At most `limit` jobs beyond `after`, by age, with their steps."""
    query = select(jobs).where(jobs.c.tenant == tenant)
    if after is not None:
        query = query.where(jobs.c.id < after if newest else jobs.c.id > after)
    if status:
        query = query.where(jobs.c.status.in_([item.value for item in status]))
    if workflow is not None:
        query = query.where(jobs.c.workflow == workflow)
    if conversation is not None:
        query = query.where(jobs.c.conversation == conversation)
    if metadata:
        query = query.where(jobs.c.metadata.contains(dict(metadata)))
    order = jobs.c.id.desc() if newest else jobs.c.id.asc()
    rows = conn.execute(query.order_by(order).limit(limit)).all()
    of_job = _steps(conn, [row.id for row in rows])
    return [_job(row, of_job.get(row.id, [])) for row in rows]


def version(conn: Connection, tenant: str, job_id: str) -> tuple[int, JobStatus]:
    """How many events the job has, and its status. Raises `NotFound`."""
    row = conn.execute(
        select(jobs.c.event_seq, jobs.c.status).where(jobs.c.tenant == tenant, jobs.c.id == job_id)
    ).first()
    if row is None:
        raise NotFound("job", job_id)
    return row.event_seq, JobStatus(row.status)


def find_recent(conn: Connection, tenant: str, name: str, value: str, seconds: float) -> str | None:
    """The newest job of the last `seconds` whose metadata say this, unless it was stopped."""
    born = int((time.time() - seconds) * 1000)
    row = conn.execute(
        select(jobs.c.id)
        .where(
            jobs.c.tenant == tenant,
            jobs.c.id >= f"job_{born:012x}",  # ids begin with the milliseconds of their birth
            jobs.c.metadata[name].astext == value,
            jobs.c.cancel_requested_at.is_(None),
            jobs.c.status.not_in([JobStatus.FAILED, JobStatus.CANCELED, JobStatus.EXPIRED]),
        )
        .order_by(jobs.c.id.desc())
        .limit(1)
    ).first()
    return None if row is None else str(row.id)


def recent_versions(conn: Connection, tenant: str, limit: int = 200) -> dict[str, tuple[int, bool]]:
    """Of jobs that have not ended, and of the newest ones: their number of events, and if ended."""
    columns = (jobs.c.id, jobs.c.event_seq, jobs.c.status)
    mine = jobs.c.tenant == tenant
    unfinished = select(*columns).where(mine, jobs.c.finished_at.is_(None))
    newest = select(*columns).where(mine).order_by(jobs.c.id.desc()).limit(limit).subquery()
    rows = conn.execute(unfinished.union(select(newest)))
    return {row.id: (row.event_seq, row.status in TERMINAL_JOB) for row in rows}


def remove(conn: Connection, tenant: str, job_id: str) -> None:
    """Forgets a job that has ended; what it used is remembered. Raises `NotFound`, `Conflict`."""
    version(conn, tenant, job_id)
    usage.remember(conn, [job_id])
    gone = conn.execute(
        delete(jobs)
        .where(
            jobs.c.tenant == tenant,
            jobs.c.id == job_id,
            jobs.c.status.in_(sorted(TERMINAL_JOB)),
        )
        .returning(jobs.c.id)
    ).first()
    if gone is None:
        _, status = version(conn, tenant, job_id)
        raise Conflict(f"The job is {status}; cancel it first.")
    _remove_traces(conn, [job_id])


def forget_old(conn: Connection, older_than: timedelta, most: int = 500) -> int:
    """Forgets some jobs that ended so long ago; how many. What they made stays."""
    ended = (
        select(jobs.c.id)
        .where(
            jobs.c.status.in_(sorted(TERMINAL_JOB)),
            jobs.c.finished_at < func.clock_timestamp() - older_than,
        )
        .order_by(jobs.c.id)
        .limit(most)
        .with_for_update(skip_locked=True)
    )
    gone = list(conn.scalars(ended))
    usage.remember(conn, gone)
    conn.execute(delete(jobs).where(jobs.c.id.in_(gone)))
    _remove_traces(conn, gone)
    return len(gone)


def _remove_traces(conn: Connection, job_ids: Sequence[str]) -> None:
    conn.execute(delete(events).where(events.c.job.in_(job_ids)))
    conn.execute(delete(step_attempts).where(step_attempts.c.job.in_(job_ids)))
    deliveries.forget_jobs(conn, job_ids)


def waiting(conn: Connection) -> int:
    """How many jobs are queued, of all tenants."""
    queued = select(func.count()).where(
        jobs.c.status == JobStatus.QUEUED, jobs.c.finished_at.is_(None)
    )
    return int(conn.execute(queued).scalar_one())


def _steps(conn: Connection, job_ids: Sequence[str]) -> dict[str, list[StepView]]:
    if not job_ids:
        return {}
    needs = (
        select(func.array_agg(aggregate_order_by(edges.c.src, edges.c.src)))
        .where(edges.c.job == steps.c.job, edges.c.dst == steps.c.id)
        .scalar_subquery()
        .label("needs")
    )
    rank = {"plan": 0, "work": 1, "answer": 2}
    found: dict[str, list[StepView]] = {}
    rows = conn.execute(select(steps, needs).where(steps.c.job.in_(job_ids)))
    for row in sorted(rows, key=lambda row: (rank.get(row.kind, 1), row.position, row.id)):
        found.setdefault(row.job, []).append(_step(row, row.needs or []))
    return found


def _step(row: Row[Any], needs: list[str]) -> StepView:
    usage = dict(row.usage or {})
    ran = usage.pop("model", None)
    return StepView(
        id=row.id,
        kind=row.kind,
        tool=row.tool,
        model=ran or row.model,
        lane=row.lane,
        status=StepStatus(row.status),
        needs=needs,
        inputs=row.inputs,
        params={**row.params, **({"seed": row.seed} if row.seed else {})},
        outputs=row.outputs or {},
        attempt=row.attempt,
        worker=row.worker,
        progress=row.progress,
        error=row.error,
        started_at=row.started_at,
        finished_at=row.finished_at,
        usage=usage,
    )


def _job(row: Row[Any], found: Sequence[StepView], position: int | None = None) -> JobView:
    return JobView(
        id=row.id,
        kind=row.kind,
        status=JobStatus(row.status),
        phase=row.phase,
        priority=row.priority,
        conversation=row.conversation,
        message=row.message,
        request=row.request,
        plan=row.plan,
        revision=row.plan_revision,
        question=row.question,
        workflow=row.workflow,
        options=row.options,
        outputs=row.outputs,
        error=row.error,
        metadata=row.metadata,
        retry_of=row.retry_of,
        seq=row.event_seq,
        created_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
        queue_position=position,
        steps=found,
    )


def is_done(step: StepView) -> bool:
    """Whether it has outputs."""
    return step.status in DONE_STEP

"""Spans of a job, made of its rows: the job, planning and answering, every attempt of a step."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, select

from medley.errors import NotFound
from orchestrator import jobs
from orchestrator.jobs import JobView, StepView
from orchestrator.tables import jobs as job_rows
from orchestrator.tables import step_attempts, steps
from orchestrator.tracing import genai
from orchestrator.tracing.identity import Parent, span_of_attempt, span_of_job, trace_of

MAX_ATTEMPTS = 5_000
Attribute = str | int | float | bool

_BAD = frozenset({"failed", "lost", "dead", "retried"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """One operation. Ids are lower-case hexadecimal, as in `traceparent`."""

    trace: str
    id: str
    parent: str | None
    name: str
    began: datetime
    ended: datetime
    error: str | None = None  # what went wrong; "" for an error without words
    attributes: Mapping[str, Attribute] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One attempt of a step, as it ended; `outcome` is `running` for one that has not."""

    step: str
    token: int
    attempt: int
    worker: str | None
    outcome: str
    error: Mapping[str, Any] | None
    began: datetime
    ended: datetime | None
    queued_ms: int | None = None
    usage: Mapping[str, Any] = field(default_factory=dict)


def read_spans(conn: Connection, tenant: str, job_id: str, *, prompts: bool = False) -> list[Span]:
    """The spans of a job as far as it has come. Raises `NotFound`."""
    job = jobs.get(conn, tenant, job_id)
    row = conn.execute(select(job_rows.c.traceparent).where(job_rows.c.id == job_id)).first()
    if row is None:
        raise NotFound("job", job_id)
    return spans_of(job, _attempts(conn, job_id), row.traceparent, prompts=prompts)


def _attempts(conn: Connection, job_id: str) -> list[Attempt]:
    done = conn.execute(
        select(step_attempts, steps.c.ready_at, steps.c.token.label("newest"))
        .join(steps, (steps.c.job == step_attempts.c.job) & (steps.c.id == step_attempts.c.step))
        .where(step_attempts.c.job == job_id)
        .order_by(step_attempts.c.started_at)
        .limit(MAX_ATTEMPTS)
    )
    found = [
        Attempt(
            step=row.step,
            token=row.token,
            attempt=row.attempt,
            worker=row.worker,
            outcome=row.outcome,
            error=row.error,
            began=row.started_at or row.ended_at,
            ended=row.ended_at,
            queued_ms=_queued(row) if row.token == row.newest else None,
            usage=row.usage or {},
        )
        for row in done
    ]
    running = conn.execute(select(steps).where(steps.c.job == job_id, steps.c.status == "running"))
    return found + [
        Attempt(
            step=row.id,
            token=row.token,
            attempt=row.attempt,
            worker=row.worker,
            outcome="running",
            error=None,
            began=row.started_at,
            ended=None,
            queued_ms=_queued(row),
        )
        for row in running
    ]


def _queued(row: Any) -> int | None:
    if row.ready_at is None or row.started_at is None or row.ready_at > row.started_at:
        return None
    return int((row.started_at - row.ready_at).total_seconds() * 1000)


def spans_of(
    job: JobView, attempts: Sequence[Attempt], traceparent: str | None, *, prompts: bool = False
) -> list[Span]:
    """The job's span first, then its attempts in order. `prompts`: with the words of the request.

    What goes on still ends now, and says so.
    """
    parent = Parent.parse(traceparent)
    trace, root, now = trace_of(job.id, traceparent), span_of_job(job.id), datetime.now(UTC)
    name = job.workflow or job.kind
    attributes: dict[str, Attribute] = {
        genai.OPERATION: genai.INVOKE_WORKFLOW,
        genai.WORKFLOW: name,
        genai.JOB: job.id,
        genai.JOB_STATUS: job.status.value,
    }
    if job.conversation:
        attributes[genai.CONVERSATION] = job.conversation
    if job.finished_at is None:
        attributes[genai.UNFINISHED] = True
    if prompts:
        attributes[genai.INPUT_MESSAGES] = _messages(job)
    whole = Span(
        trace=trace,
        id=root,
        parent=parent.span if parent else None,
        name=f"{genai.INVOKE_WORKFLOW} {name}",
        began=job.created_at,
        ended=job.finished_at or now,
        error=str(job.error.get("code", "")) if job.error else None,
        attributes=attributes,
    )
    of_id = {step.id: step for step in job.steps}
    found = [whole]
    for item in attempts:
        if (step := of_id.get(item.step)) is not None:
            found.append(_attempt(job, step, item, trace, root, now, prompts))
    return found


def _attempt(
    job: JobView,
    step: StepView,
    item: Attempt,
    trace: str,
    root: str,
    now: datetime,
    prompts: bool,
) -> Span:
    operation = genai.operation_of(step.tool)
    asks = operation in (genai.CHAT, genai.EMBEDDINGS)  # a model, rather than a tool
    attributes: dict[str, Attribute] = {
        genai.OPERATION: operation,
        genai.PROVIDER: genai.MEDLEY,
        genai.JOB: job.id,
        genai.STEP: step.id,
        genai.ATTEMPT: item.attempt,
        genai.OUTCOME: item.outcome,
        genai.CACHED: item.outcome == "cached",
        genai.LANE: step.lane,
    }
    if step.model:
        attributes[genai.MODEL] = step.model
    if operation == genai.RETRIEVAL:
        attributes |= _sought(step)
    if step.kind not in ("plan", "answer"):
        attributes |= {genai.TOOL: step.tool, genai.TOOL_CALL: f"{job.id}/{step.id}"}
    if "seed" in step.params:
        attributes[genai.SEED] = step.params["seed"]
    if item.worker:
        attributes[genai.WORKER] = item.worker
    if item.queued_ms is not None:
        attributes[genai.QUEUED_MS] = item.queued_ms
    for name, key in (("input_tokens", genai.INPUT_TOKENS), ("output_tokens", genai.OUTPUT_TOKENS)):
        if name in item.usage:
            attributes[key] = int(item.usage[name])
    if item.outcome in ("succeeded", "cached"):
        attributes |= _made(step)
        if operation == genai.RETRIEVAL:
            attributes |= _found(step, documents=prompts)
    if item.ended is None:
        attributes[genai.UNFINISHED] = True
    error = None
    if item.outcome in _BAD:
        error = str((item.error or {}).get("code", ""))
        attributes[genai.ERROR_TYPE] = error or item.outcome
    return Span(
        trace=trace,
        id=span_of_attempt(job.id, step.id, item.token),
        parent=root,
        name=f"{operation} {(asks and step.model) or step.tool}",
        began=item.began,
        ended=item.ended or now,
        error=error,
        attributes=attributes,
    )


def _made(step: StepView) -> dict[str, Attribute]:
    """What it gave: the kind of output."""
    for given in step.outputs.values():
        first = given[0] if isinstance(given, list) and given else given
        kind = first.get("modality", first.get("type")) if isinstance(first, Mapping) else None
        if kind in genai.OUTPUT_TYPES:
            return {genai.OUTPUT_TYPE: genai.OUTPUT_TYPES[kind]}
    return {}


def _sought(step: StepView) -> dict[str, Attribute]:
    """What a search asks for: how many, and where, if not among everything."""
    found: dict[str, Attribute] = {}
    if "limit" in step.params:
        found[genai.LIMIT] = int(step.params["limit"])
    if store := (step.params.get("among") or {}).get("store"):
        found[genai.DATA_SOURCE] = str(store)
    return found


def _found(step: StepView, *, documents: bool) -> dict[str, Attribute]:
    """What a search found: how much, how near, and, if that may be told, which assets."""
    given, scores = step.outputs.get("assets"), step.outputs.get("scores")
    hits = [item["asset"] for item in given] if isinstance(given, list) else []
    near = scores.get("data", []) if isinstance(scores, Mapping) else []
    found: dict[str, Attribute] = {genai.HITS: len(hits)}
    if near:
        found[genai.BEST_SCORE] = max(near)
    if documents:
        pairs = zip(hits, near, strict=False)
        found[genai.DOCUMENTS] = json.dumps([{"id": name, "score": score} for name, score in pairs])
    return found


def _messages(job: JobView) -> str:
    words = [item["text"] for item in job.request.get("input", []) if item.get("type") == "text"]
    parts = [{"type": "text", "content": text} for text in words]
    return json.dumps([{"role": "user", "parts": parts}], ensure_ascii=False)

"""From what is stored to what is shown: jobs, steps and parts with their links."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from api.schemas.jobs import (
    Answer,
    JobOut,
    Metrics,
    Output,
    PartOut,
    PlanView,
    Progress,
    StepOut,
    WaitingFor,
    job_urls,
)
from medley.parts import TextPart
from medley.status import JobStatus, StepStatus
from orchestrator.events import Event
from orchestrator.jobs import JobView, StepView, is_done


def content_url(asset: str) -> str:
    """Where the bytes of an asset are."""
    return f"/v1/assets/{asset}/content"


def part(data: Mapping[str, Any]) -> PartOut:
    """A stored part with its link."""
    found = PartOut.model_validate({**data})
    if found.asset is not None:
        found.url = content_url(found.asset)
    return found


def job(view: JobView) -> JobOut:
    """The job object."""
    reply = _reply(view)
    return JobOut(
        id=view.id,
        kind=view.kind,  # type: ignore[arg-type]
        status=view.status,
        phase=view.phase if not view.ended else None,  # type: ignore[arg-type]
        created_at=view.created_at,
        started_at=view.started_at,
        completed_at=view.finished_at,
        queue_position=view.queue_position,
        waiting_for=_waiting_for(view),
        progress=_progress(view),
        input=[part(item) for item in _said(view)],
        plan=_plan(view),
        answer=_answer(view, reply),
        outputs=_outputs(view, reply),
        error=dict(view.error) if view.error else None,
        metrics=_metrics(view),
        usage=view.usage,
        conversation=view.conversation,
        message=view.message,
        workflow=view.workflow,
        retry_of=view.retry_of,
        options=dict(view.options),
        priority=view.priority,
        metadata=dict(view.metadata),
        urls=job_urls(view.id),
    )


def step(view: StepView) -> StepOut:
    """The step object."""
    return StepOut(
        id=view.id,
        tool=view.tool,
        model=view.model,
        status=view.status,
        needs=view.needs,
        inputs=dict(view.inputs),
        params=dict(view.params),
        outputs={name: _parts(given) for name, given in view.outputs.items()},
        attempt=view.attempt,
        progress=dict(view.progress) if view.progress else None,
        error=dict(view.error) if view.error else None,
        lane=view.lane,
        worker=view.worker,
        started_at=view.started_at,
        completed_at=view.finished_at,
        usage=dict(view.usage),
    )


def event(stored: Event) -> dict[str, Any]:
    """A stored event as it goes over the stream."""
    return {
        "type": stored.type,
        "seq": stored.seq,
        "job": stored.job,
        "step": stored.step,
        "at": stored.at.isoformat(),
        "data": stored.data,
    }


def mermaid(view: JobView) -> str:
    """The plan as a Mermaid flow chart."""
    lines = ["flowchart LR"]
    for item in view.steps:
        lines.append(f'  {item.id}["{item.id}: {item.tool}<br/>{item.status}"]')
    for item in view.steps:
        lines += [f"  {needed} --> {item.id}" for needed in item.needs]
    return "\n".join(lines) + "\n"


def _said(view: JobView) -> list[Mapping[str, Any]]:
    """The request, and what its caller answered to questions."""
    turns = [turn for turn in view.request.get("dialogue", []) if turn["role"] == "user"]
    return [*view.request.get("input", []), *(item for turn in turns for item in turn["parts"])]


def _waiting_for(view: JobView) -> WaitingFor | None:
    if view.status is not JobStatus.WAITING:
        return None
    return WaitingFor(what="input" if view.question else "approval", question=view.question)


def _parts(given: Any) -> PartOut | list[PartOut]:
    return [part(item) for item in given] if isinstance(given, list) else part(given)


def _listed(given: Any) -> list[Mapping[str, Any]]:
    return list(given) if isinstance(given, list) else [given]


def _plan(view: JobView) -> PlanView | None:
    if not view.steps:
        return None
    reply = (view.plan or {}).get("reply", {})
    return PlanView(
        revision=view.revision, steps=[step(item) for item in view.steps], reply=dict(reply)
    )


def _progress(view: JobView) -> Progress:
    work = [item for item in view.steps if item.kind == "work"] or view.steps
    current = [
        {"step": item.id, "tool": item.tool, **(item.progress or {})}
        for item in view.steps
        if item.status is StepStatus.RUNNING
    ]
    return Progress(
        value=view.progress,
        steps_done=sum(is_done(item) for item in work),
        steps_total=len(work),
        current=current,
    )


def _reply(view: JobView) -> list[Mapping[str, Any]] | None:
    """The parts that the hub answered with; None where no hub answers."""
    found = view.outputs.get("reply") if isinstance(view.outputs, Mapping) else None
    return _listed(found) if found is not None else None


def _answer(view: JobView, reply: Sequence[Mapping[str, Any]] | None) -> Answer | None:
    if reply is None:
        words = (view.plan or {}).get("reply", {}).get("text", "")
        nothing_to_do = not view.steps and view.status is JobStatus.SUCCEEDED
        if not words or not (view.outputs or nothing_to_do):
            return None
        return Answer(text=words, parts=[part(TextPart(text=words).model_dump())])
    text = "\n".join(str(item["text"]) for item in reply if item["type"] == "text")
    return Answer(text=text, parts=[part(item) for item in reply])


def _outputs(view: JobView, reply: Sequence[Mapping[str, Any]] | None) -> list[Output]:
    makers = _makers(view.steps)
    if reply is not None:
        shown = [item for item in reply if item["type"] == "asset"]
        return [_output(*makers.get(item["asset"], (None, item))) for item in shown]
    if not isinstance(view.outputs, Mapping):
        return []
    return [_output(name, item) for name, given in view.outputs.items() for item in _listed(given)]


def _output(name: str | None, item: Mapping[str, Any]) -> Output:
    asset = item.get("asset")
    return Output(
        type=item.get("modality", item["type"]),
        step=name.partition(".")[0] if name else None,
        name=name,
        asset=asset,
        content_type=item.get("media_type") or None,
        url=f"{content_url(asset)}?recipe=true" if asset else None,
        text=item.get("text"),
        data=item.get("data"),
    )


def _makers(steps: Iterable[StepView]) -> dict[str, tuple[str, Mapping[str, Any]]]:
    """Which output of the plan made an asset, and the part as its step gave it."""
    return {
        item["asset"]: (f"{made.id}.{name}", item)
        for made in steps
        if made.kind == "work"
        for name, given in made.outputs.items()
        for item in _listed(given)
        if item.get("type") == "asset"
    }


def _metrics(view: JobView) -> Metrics:
    plan = [item for item in view.steps if item.kind == "plan"]
    return Metrics(
        queue_ms=_between(view.created_at, view.started_at),
        plan_ms=_between(plan[0].started_at, plan[0].finished_at) if plan else None,
        execution_ms=_between(view.started_at, view.finished_at),
    )


def _between(start: datetime | None, end: datetime | None) -> int | None:
    if start is None or end is None:
        return None
    return max(0, round((end - start).total_seconds() * 1000))

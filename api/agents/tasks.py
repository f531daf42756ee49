"""The extension `io.modelcontextprotocol/tasks`: a job is a task, and outlives its connection.

A client that declares the extension gets a handle at once instead of a connection held open. There
is nothing to store: the id of a task is the id of its job.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from mcp.server.mcpserver import require_client_extension
from mcp_types import ElicitResult, RequestParams
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import Field
from starlette.concurrency import run_in_threadpool

from api.agents import runs
from api.agents.caller import Caller
from api.agents.results import result_of
from api.agents.toolbox import respond
from medley.status import JobStatus
from orchestrator.jobs import JobView

EXTENSION = "io.modelcontextprotocol/tasks"
POLL_MS = 1000
#: A job that failed is a call that was answered with an error: `failed` is for broken protocol.
_STATUS = {
    JobStatus.WAITING: "input_required",
    JobStatus.SUCCEEDED: "completed",
    JobStatus.FAILED: "completed",
    JobStatus.EXPIRED: "completed",
    JobStatus.CANCELED: "cancelled",
}


class TaskParams(RequestParams):
    """Which task."""

    task_id: str = Field(max_length=64)


class UpdateParams(TaskParams):
    """What the client answers, by the keys of the requests."""

    input_responses: dict[str, ElicitResult] = Field(max_length=16)


def wanted(caller: Caller) -> bool:
    """Whether this message may be answered with a task."""
    found = caller.context.session.client_capabilities
    modern = caller.context.protocol_version in MODERN_PROTOCOL_VERSIONS
    return modern and found is not None and EXTENSION in (found.extensions or {})


def asks(caller: Caller) -> bool:
    """Whether somebody is there who can answer a question in the middle of the work."""
    found = caller.context.session.client_capabilities
    return wanted(caller) and found is not None and found.elicitation is not None


def created(caller: Caller, view: JobView) -> dict[str, Any]:
    """The handle of a new job, in place of the result of the call."""
    return {"resultType": "task", **_task(caller, view)}


async def get(caller: Caller, params: TaskParams) -> dict[str, Any]:
    """The task as it is: with what it asks, or with its result."""
    require_client_extension(caller.context, EXTENSION)
    caller.require_reading()
    view = await run_in_threadpool(runs.load, caller, params.task_id)
    found = {"resultType": "complete", **_task(caller, view)}
    if found["status"] == "input_required":
        found["inputRequests"] = _requests(view)
    if found["status"] == "completed":
        result = await run_in_threadpool(result_of, caller, view)
        found["result"] = result.model_dump(mode="json", by_alias=True, exclude_none=True)
    return found


async def update(caller: Caller, params: UpdateParams) -> dict[str, Any]:
    """Takes the answers to what is asked now; those to other keys are ignored."""
    require_client_extension(caller.context, EXTENSION)
    view = await run_in_threadpool(runs.load, caller, params.task_id)
    for key in _requests(view) if view.status is JobStatus.WAITING else ():
        given = params.input_responses.get(key)
        if given is not None:
            await run_in_threadpool(_take, caller, view, given)
    return {"resultType": "complete"}


async def cancel(caller: Caller, params: TaskParams) -> dict[str, Any]:
    """Asks the job to stop."""
    require_client_extension(caller.context, EXTENSION)
    await run_in_threadpool(runs.cancel, caller, params.task_id)
    return {"resultType": "complete"}


def _take(caller: Caller, view: JobView, given: ElicitResult) -> None:
    content = given.content or {}
    if given.action != "accept":  # nobody wants to say: there is nothing to go on with
        respond(caller, view.id, False, None)
    elif view.question is None:
        respond(caller, view.id, content.get("approve") is True, None)
    else:
        respond(caller, view.id, None, str(content.get("answer", "")))


def _requests(view: JobView) -> dict[str, Any]:
    """What the job waits for, as a form. A key is never used again for something else."""
    if view.question is None:
        consent = {"approve": {"type": "boolean", "title": "Run this plan?"}}
        steps = ", ".join(f"{step.id}: {step.tool}" for step in view.steps if step.kind == "work")
        return {
            f"approval-{view.revision}": _form(f"The plan waits for approval: {steps}.", consent)
        }
    turns = len(view.request.get("dialogue") or ())
    form = {"answer": {"type": "string", "title": "Your answer", "minLength": 1}}
    return {f"question-{turns}": _form(view.question, form)}


def _form(message: str, properties: Mapping[str, Any]) -> dict[str, Any]:
    schema = {"type": "object", "properties": properties, "required": list(properties)}
    params = {"mode": "form", "message": message, "requestedSchema": schema}
    return {"method": "elicitation/create", "params": params}


def _task(caller: Caller, view: JobView) -> dict[str, Any]:
    moments = [view.created_at, view.started_at, view.finished_at]
    moments += [moment for step in view.steps for moment in (step.started_at, step.finished_at)]
    return {
        "taskId": view.id,
        "status": _STATUS.get(view.status, "working"),
        "statusMessage": runs.doing(view) if not view.ended else str(view.status),
        "createdAt": _time(view.created_at),
        "lastUpdatedAt": _time(max(moment for moment in moments if moment is not None)),
        "ttlMs": _kept_ms(view, caller.here.settings.keep_days),
        "pollIntervalMs": POLL_MS,
    }


def _kept_ms(view: JobView, days: float | None) -> int | None:
    """How long from its creation the job is kept; null: until somebody deletes it."""
    if days is None or view.finished_at is None:  # what has not ended is not forgotten
        return None
    lasted = view.finished_at - view.created_at
    return round((lasted.total_seconds() + days * 86_400) * 1000)


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

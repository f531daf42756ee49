"""The rooms of a job: its plan, its steps, and the workflow it can become."""

from importlib.metadata import version
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from api import orders, views
from api.downloads import matches
from api.ids import JobId
from api.problems import ApiError
from api.schemas.common import documented
from api.schemas.jobs import StepOut
from api.schemas.rooms import JobWorkflow, RevisionList, RevisionOut, StepList, TraceOut
from api.state import Here, Service, Tenant
from medley.errors import Conflict, NotFound
from medley.gate import parse_plan
from medley.plan import Plan
from orchestrator import engine, jobs, revisions, waiting
from orchestrator.tracing.export import service_name
from orchestrator.tracing.otlp import to_otlp
from orchestrator.tracing.spans import read_spans

router = APIRouter(prefix="/v1/jobs/{job_id}", tags=["jobs"])
MERMAID = "text/vnd.mermaid"
MERGE = "application/merge-patch+json"
_PLAN = {"$ref": "#/components/schemas/Plan"}
_DIAGRAM: dict[str, Any] = {MERMAID: {"schema": {"type": "string"}}}


@router.get(
    "/plan",
    response_model=Plan,
    responses={200: {"description": "The plan", "content": _DIAGRAM}, **documented(404, 409)},
)
def get_job_plan(
    job_id: JobId,
    request: Request,
    here: Here,
    tenant: Tenant,
    revision: Annotated[int | None, Query(ge=1, lt=2**31)] = None,
) -> Response:
    """The plan as a document, or as a Mermaid diagram with `Accept: text/vnd.mermaid`."""
    view = _get(here, tenant, job_id)
    if MERMAID in request.headers.get("accept", ""):
        return Response(views.mermaid(view), media_type=MERMAID, headers={"Vary": "Accept"})
    if revision is None:
        return _document(_plan(view), view.revision)
    with here.db.connect() as conn:
        found = revisions.revision(conn, tenant, job_id, revision)
    return _document(Plan.model_validate(found.plan), found.number)


@router.patch(
    "/plan",
    response_model=Plan,
    responses=documented(400, 404, 409, 412, 413, 415, 422),
    openapi_extra={"requestBody": {"required": True, "content": {MERGE: {"schema": _PLAN}}}},
)
async def change_job_plan(
    job_id: JobId,
    request: Request,
    here: Here,
    tenant: Tenant,
    if_match: Annotated[
        str | None, Header(description="ETag of the plan that this changes; 412 if it has moved.")
    ] = None,
) -> Response:
    """Changes the plan that a job waits with: a JSON merge patch (RFC 7396), or a whole plan.

    It passes the gate again and becomes a new revision; the job goes on waiting.
    """
    change = await orders.read_json(request)
    view = await run_in_threadpool(_revise, here, tenant, job_id, change, if_match)
    return _document(_plan(view), view.revision)


@router.get("/plan/revisions", response_model_exclude_none=True, responses=documented(404))
def list_revisions(job_id: JobId, here: Here, tenant: Tenant) -> RevisionList:
    """All plans that the job had, oldest first."""
    with here.db.connect() as conn:
        found = revisions.revisions(conn, tenant, job_id)
    return RevisionList(
        data=[
            RevisionOut(
                revision=item.number, created_at=item.at, plan=Plan.model_validate(item.plan)
            )
            for item in found
        ]
    )


@router.get("/steps", responses=documented(404))
def list_steps(job_id: JobId, here: Here, tenant: Tenant) -> StepList:
    """All steps with their inputs, outputs, timing and worker."""
    return StepList(data=[views.step(item) for item in _get(here, tenant, job_id).steps])


@router.get("/steps/{step_id}", responses=documented(404))
def get_step(job_id: JobId, step_id: str, here: Here, tenant: Tenant) -> StepOut:
    """One step."""
    for item in _get(here, tenant, job_id).steps:
        if item.id == step_id:
            return views.step(item)
    raise NotFound("step", step_id)


@router.get("/trace", responses=documented(404))
def get_job_trace(job_id: str, here: Here, tenant: Tenant) -> TraceOut:
    """The job's trace in OpenTelemetry's JSON (OTLP), as far as the job has come: what a collector
    takes at `/v1/traces`. It is made of rows and needs no collector.
    """
    with here.db.connect() as conn:
        found = read_spans(conn, tenant, job_id, prompts=here.settings.trace_prompts)
    data = to_otlp(found, service_name(), version("medley-orchestrator"))
    return TraceOut.model_validate(data)


@router.get("/workflow", response_model_exclude_none=True, responses=documented(404, 409))
def get_job_workflow(job_id: JobId, here: Here, tenant: Tenant) -> JobWorkflow:
    """The job's plan as a workflow document, ready to be saved and edited."""
    view = _get(here, tenant, job_id)
    words = [part["text"] for part in view.request.get("input", []) if part.get("type") == "text"]
    name = " ".join(" ".join(words).split())[:80] or view.id
    return JobWorkflow(name=name, about=f"Made of {view.id}.", plan=_plan(view))


def _get(here: Service, tenant: str, job_id: str) -> jobs.JobView:
    with here.db.connect() as conn:
        return jobs.get(conn, tenant, job_id)


def _revise(
    here: Service, tenant: str, job_id: str, change: Any, if_match: str | None
) -> jobs.JobView:
    view = _get(here, tenant, job_id)
    plan = _plan(view)
    if if_match is not None and not matches(if_match, _etag(view.revision)):
        raise engine.RevisionMoved("The plan has been revised since; look at it again.")
    wanted = parse_plan(revisions.merged(plan.to_json(), change))
    with here.db.begin() as conn:
        waiting.revise(conn, tenant, job_id, wanted, view.revision, here.rules)
    here.changed(job_id)
    return _get(here, tenant, job_id)


def _document(plan: Plan, revision: int) -> Response:
    return Response(
        plan.model_dump_json(by_alias=True, exclude_none=True),
        media_type="application/json",
        headers={"ETag": _etag(revision), "Vary": "Accept"},
    )


def _etag(revision: int) -> str:
    return f'"{revision}"'


def _plan(view: jobs.JobView) -> Plan:
    if view.plan is None:
        if view.ended:
            raise ApiError(404, "no_plan", "The job ended before it had a plan.")
        raise Conflict("The plan is not written yet.")
    return Plan.model_validate(view.plan)

"""The rooms of a job: its plan, its steps, and the workflow it can become."""

from typing import Any

from fastapi import APIRouter, Request, Response

from api import views
from api.problems import ApiError
from api.schemas.common import documented
from api.schemas.jobs import StepOut
from api.schemas.rooms import JobWorkflow, StepList
from api.state import Here, Service, Tenant
from medley.errors import Conflict, NotFound
from medley.plan import Plan
from orchestrator import jobs

router = APIRouter(prefix="/v1/jobs/{job_id}", tags=["jobs"])
MERMAID = "text/vnd.mermaid"
_DIAGRAM: dict[str, Any] = {MERMAID: {"schema": {"type": "string"}}}


@router.get(
    "/plan",
    response_model=Plan,
    responses={200: {"description": "The plan", "content": _DIAGRAM}, **documented(404, 409)},
)
def get_job_plan(job_id: str, request: Request, here: Here, tenant: Tenant) -> Response:
    """The plan as a document, or as a Mermaid diagram with `Accept: text/vnd.mermaid`."""
    view = _get(here, tenant, job_id)
    if MERMAID in request.headers.get("accept", ""):
        return Response(views.mermaid(view), media_type=MERMAID, headers={"Vary": "Accept"})
    return Response(
        _plan(view).model_dump_json(by_alias=True, exclude_none=True),
        media_type="application/json",
        headers={"Vary": "Accept"},
    )


@router.get("/steps", responses=documented(404))
def list_steps(job_id: str, here: Here, tenant: Tenant) -> StepList:
    """All steps with their inputs, outputs, timing and worker."""
    return StepList(data=[views.step(item) for item in _get(here, tenant, job_id).steps])


@router.get("/steps/{step_id}", responses=documented(404))
def get_step(job_id: str, step_id: str, here: Here, tenant: Tenant) -> StepOut:
    """One step."""
    for item in _get(here, tenant, job_id).steps:
        if item.id == step_id:
            return views.step(item)
    raise NotFound("step", step_id)


@router.get("/workflow", response_model_exclude_none=True, responses=documented(404, 409))
def get_job_workflow(job_id: str, here: Here, tenant: Tenant) -> JobWorkflow:
    """The job's plan as a workflow document, ready to be saved and edited."""
    view = _get(here, tenant, job_id)
    words = [part["text"] for part in view.request.get("input", []) if part.get("type") == "text"]
    name = " ".join(" ".join(words).split())[:80] or view.id
    return JobWorkflow(name=name, about=f"Made of {view.id}.", plan=_plan(view))


def _get(here: Service, tenant: str, job_id: str) -> jobs.JobView:
    with here.db.connect() as conn:
        return jobs.get(conn, tenant, job_id)


def _plan(view: jobs.JobView) -> Plan:
    if view.plan is None:
        if view.ended:
            raise ApiError(404, "no_plan", "The job ended before it had a plan.")
        raise Conflict("The plan is not written yet.")
    return Plan.model_validate(view.plan)

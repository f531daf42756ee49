"""Workflows: saved plans with typed inputs, in versions that never change."""

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from api import orders
from api.downloads import matches
from api.problems import ApiError
from api.routes.jobs import SUBMITTED, IdempotencyKey, Prefer, body_of, submitted
from api.schemas.common import Page, documented, id_after, page
from api.schemas.jobs import JobOut
from api.schemas.requests import RunIn
from api.schemas.rooms import PublishIn, Verdict, WorkflowOut, workflow_urls
from api.state import Here, Tenant
from api.strict_json import StrictRoute
from medley.plan import Workflow
from orchestrator import checking, workflows
from orchestrator.paging import Order
from orchestrator.workflows import Saved, VersionMoved

router = APIRouter(prefix="/v1/workflows", tags=["workflows"], route_class=StrictRoute)
NotModified: dict[int | str, dict[str, Any]] = {304: {"description": "Not modified"}}


@router.post("", status_code=201, response_model=WorkflowOut, responses=documented(400, 413, 422))
def create_workflow(body: Workflow, here: Here, tenant: Tenant) -> Response:
    """Saves a workflow, if it can be run."""
    with here.db.begin() as conn:
        checking.check_workflow(conn, tenant, body, here.rules)
        saved = workflows.create(conn, tenant, body)
    return _answer(saved, 201, {"Location": f"/v1/workflows/{saved.id}"})


@router.get("", response_model_exclude_none=True, responses=documented(422))
def list_workflows(
    here: Here,
    tenant: Tenant,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    after: Annotated[str | None, id_after("wf")] = None,
    order: Order = Order.DESC,
) -> Page[WorkflowOut]:
    """The newest version of each workflow, by age."""
    with here.db.connect() as conn:
        newest = order is Order.DESC
        found = workflows.list_workflows(conn, tenant, limit=limit + 1, after=after, newest=newest)
    return page([_out(item) for item in found], limit)


@router.post("/validate", response_model_exclude_none=True, responses=documented(400, 413, 422))
def validate_document(body: Workflow, here: Here, tenant: Tenant) -> Verdict:
    """Checks a document without saving it; 422 names each fault."""
    with here.db.connect() as conn:
        return Verdict(plan=checking.check_workflow(conn, tenant, body, here.rules))


@router.get(
    "/{workflow_id}",
    response_model=WorkflowOut,
    responses={**NotModified, **documented(404, 422)},
)
def get_workflow(
    workflow_id: str,
    here: Here,
    tenant: Tenant,
    version: Annotated[int | None, Query(ge=1, lt=2**31)] = None,
    if_none_match: Annotated[str | None, Header()] = None,
) -> Response:
    """One version, by default the newest."""
    with here.db.connect() as conn:
        saved = workflows.get(conn, tenant, workflow_id, version)
    if matches(if_none_match, _etag(saved)):
        return Response(status_code=304, headers={"ETag": _etag(saved)})
    return _answer(saved, 200, {})


@router.put(
    "/{workflow_id}",
    response_model=WorkflowOut,
    responses=documented(400, 404, 412, 413, 422, 428),
)
def change_workflow(
    workflow_id: str,
    body: Workflow,
    here: Here,
    tenant: Tenant,
    if_match: Annotated[
        str | None, Header(description="ETag of the version that this one replaces; required.")
    ] = None,
) -> Response:
    """Saves a new version."""
    if if_match is None:
        raise ApiError(428, "if_match_required", "Say in If-Match which version this replaces.")
    with here.db.begin() as conn:
        last = workflows.get(conn, tenant, workflow_id)
        if not matches(if_match, _etag(last)):
            raise VersionMoved(f"Version {last.version} is the newest one.")
        if last.tool is None:
            checking.check_workflow(conn, tenant, body, here.rules)
        else:
            checking.check_publication(conn, tenant, last.tool, body, here.rules)
        saved = workflows.add_version(conn, tenant, workflow_id, body, last.version)
    return _answer(saved, 200, {})


@router.delete("/{workflow_id}", status_code=204, responses=documented(404))
def delete_workflow(workflow_id: str, here: Here, tenant: Tenant) -> None:
    """Deletes all versions; jobs keep the plans they ran."""
    with here.db.begin() as conn:
        workflows.remove(conn, tenant, workflow_id)


@router.put(
    "/{workflow_id}/tool",
    response_model=WorkflowOut,
    responses=documented(400, 404, 409, 413, 422),
)
def publish_workflow(workflow_id: str, body: PublishIn, here: Here, tenant: Tenant) -> Response:
    """Publishes the workflow as a tool: plans may use it, also those that the hub writes.

    It is the newest version from then on; what it shows (`plan.reply.show`) are its outputs.
    """
    with here.db.begin() as conn:
        document = workflows.get(conn, tenant, workflow_id).document
        checking.check_publication(conn, tenant, body.name, document, here.rules)
        saved = workflows.publish(conn, tenant, workflow_id, body.name)
    return _answer(saved, 200, {})


@router.delete("/{workflow_id}/tool", status_code=204, responses=documented(404))
def withdraw_workflow(workflow_id: str, here: Here, tenant: Tenant) -> None:
    """Ends the publication; plans that used it keep the steps that it became."""
    with here.db.begin() as conn:
        workflows.publish(conn, tenant, workflow_id, None)


@router.get("/{workflow_id}/versions", response_model_exclude_none=True, responses=documented(404))
def list_versions(workflow_id: str, here: Here, tenant: Tenant) -> Page[WorkflowOut]:
    """All versions, newest first."""
    with here.db.connect() as conn:
        found = workflows.list_versions(conn, tenant, workflow_id)
    return page([_out(item) for item in found], len(found))


@router.post(
    "/{workflow_id}/validate", response_model_exclude_none=True, responses=documented(404, 422)
)
def validate_workflow(workflow_id: str, here: Here, tenant: Tenant) -> Verdict:
    """Checks a saved workflow against what can run today."""
    with here.db.connect() as conn:
        saved = workflows.get(conn, tenant, workflow_id)
        return Verdict(plan=checking.check_workflow(conn, tenant, saved.document, here.rules))


@router.post(
    "/{workflow_id}/runs",
    status_code=202,
    response_model=JobOut,
    responses=SUBMITTED,
    openapi_extra=body_of("RunIn"),
)
async def run_workflow(
    workflow_id: str,
    request: Request,
    here: Here,
    tenant: Tenant,
    prefer: Prefer = None,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Runs a workflow (`wf_…`, or `wf_…@2` for a version) as a job."""
    key = orders.idempotency_key(idempotency_key)
    run, files = await orders.read_order(request, here, tenant, RunIn, key)
    body = orders.job_of_run(workflow_id, run)
    accepted = await run_in_threadpool(orders.accept, here, tenant, body, files, key)
    return await submitted(request, here, tenant, accepted, prefer)


def _etag(saved: Saved) -> str:
    return f'"{saved.id}@{saved.version}"'


def _answer(saved: Saved, status: int, headers: dict[str, str]) -> Response:
    return Response(
        _out(saved).model_dump_json(by_alias=True, exclude_none=True),
        status,
        headers={"ETag": _etag(saved), **headers},
        media_type="application/json",
    )


def _out(saved: Saved) -> WorkflowOut:
    document = saved.document
    return WorkflowOut(
        name=document.name,
        about=document.about,
        inputs=document.inputs,
        plan=document.plan,
        id=saved.id,
        tool=saved.tool,
        version=saved.version,
        newest=saved.newest,
        created_at=saved.created_at,
        updated_at=saved.updated_at,
        urls=workflow_urls(saved.id),
    )

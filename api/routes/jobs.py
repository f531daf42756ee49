"""Jobs: ask for something, look at it, stop it, run it again."""

import hashlib
import re
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from api import orders, stream, tracing, views
from api.downloads import matches
from api.ids import JobId
from api.schemas.common import Page, documented, id_after, page
from api.schemas.jobs import JobOut
from api.schemas.requests import ApproveIn, InputIn, JobIn, RetryIn
from api.state import Here, Service, Tenant
from api.strict_json import StrictRoute
from medley.status import JobStatus
from orchestrator import engine, jobs, retrying, waiting
from orchestrator.database import raw
from orchestrator.paging import Order

router = APIRouter(prefix="/v1/jobs", tags=["jobs"], route_class=StrictRoute)
MAX_WAIT_S = 60
_WAIT = re.compile(r"(?:^|[,;\s])wait=(\d{1,6})(?=$|[,;\s])")

Prefer = Annotated[
    str | None,
    Header(max_length=200, description="`wait=N`: answer when it has ended, after N s at most."),
]
IdempotencyKey = Annotated[
    str | None,
    Header(
        description="1 to 255 signs. The same key with the same request gives the first answer "
        "again for 24 hours; with another one 422."
    ),
]
SUBMITTED: dict[int | str, dict[str, Any]] = {
    200: {
        "model": JobOut,
        "description": "Ended in time, or a stream",
        "content": {**stream.DOCUMENTED},
    },
    **documented(400, 404, 413, 415, 422, 429, 503, 507),
}


def body_of(model: str) -> dict[str, Any]:
    """`openapi_extra` of a route that takes JSON, or a form with files."""
    reference = {"$ref": f"#/components/schemas/{model}"}
    form = {
        "type": "object",
        "properties": {
            "request": {"type": "string", "description": f"{model} as JSON."},
            "input": {"type": "string", "description": "Words, instead of `request`."},
            "file": {"type": "array", "items": {"type": "string", "format": "binary"}},
        },
    }
    content = {
        "application/json": {"schema": reference},
        "multipart/form-data": {"schema": form},
    }
    return {"requestBody": {"required": True, "content": content}}


@router.post(
    "",
    status_code=202,
    response_model=JobOut,
    responses=SUBMITTED,
    openapi_extra=body_of("JobIn"),
)
async def create_job(
    request: Request,
    here: Here,
    tenant: Tenant,
    prefer: Prefer = None,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Asks for something: words and files, a workflow with its inputs, or a plan.

    Answers at once with the job; with `Prefer: wait=N` when it has ended; with
    `Accept: text/event-stream` as a stream of its events.
    """
    key = orders.idempotency_key(idempotency_key)
    body, files = await orders.read_order(request, here, tenant, JobIn, key)
    accepted = await run_in_threadpool(orders.accept, here, tenant, body, files, key)
    return await submitted(request, here, tenant, accepted, prefer)


async def submitted(
    request: Request, here: Service, tenant: str, accepted: orders.Accepted, prefer: str | None
) -> Response:
    """The answer to a request that made a job."""
    headers = {"Location": f"/v1/jobs/{accepted.job.id}", "Medley-Job-Id": accepted.job.id}
    if accepted.replayed:
        headers["Idempotency-Replayed"] = "true"
    if wants_stream(request):
        return stream.respond(stream.follow_job(here, tenant, accepted.job.id, None), headers)
    seconds = wait_of(prefer)
    if seconds is None:
        return answer(accepted.job, 202, headers)
    headers["Preference-Applied"] = f"wait={seconds}"
    await stream.wait_for_end(here, tenant, accepted.job.id, seconds)
    view = await run_in_threadpool(_get, here, tenant, accepted.job.id)
    return answer(views.job(view), 200 if view.ended else 202, headers)


@router.get("", responses=documented(422))
def list_jobs(
    here: Here,
    tenant: Tenant,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    after: Annotated[str | None, id_after("job")] = None,
    order: Order = Order.DESC,
    status: Annotated[list[JobStatus] | None, Query(max_length=8)] = None,
    workflow: Annotated[str | None, Query(max_length=64)] = None,
    conversation: Annotated[str | None, Query(max_length=64)] = None,
) -> Page[JobOut]:
    """Jobs by age, newest first."""
    with here.db.connect() as conn:
        found = jobs.list_jobs(
            conn,
            tenant,
            limit=limit + 1,
            after=after,
            newest=order is Order.DESC,
            status=status or (),
            workflow=workflow,
            conversation=conversation,
        )
    return page([views.job(item) for item in found], limit)


@router.get(
    "/{job_id}",
    response_model=JobOut,
    responses={304: {"description": "Not modified"}, **documented(404)},
)
def get_job(
    job_id: JobId,
    here: Here,
    tenant: Tenant,
    if_none_match: Annotated[str | None, Header()] = None,
) -> Response:
    """One job. `If-None-Match` makes polling cheap."""
    return answer(views.job(_get(here, tenant, job_id)), 200, {}, if_none_match)


@router.delete("/{job_id}", status_code=204, responses=documented(404, 409))
def delete_job(job_id: JobId, here: Here, tenant: Tenant) -> None:
    """Forgets a job that has ended."""
    with here.db.begin() as conn:
        jobs.remove(conn, tenant, job_id)


@router.post("/{job_id}/cancel", responses=documented(404))
def cancel_job(job_id: JobId, here: Here, tenant: Tenant) -> JobOut:
    """Asks a job to stop. Asking again, or asking a job that has ended, changes nothing."""
    with here.db.begin() as conn:
        engine.cancel_job(raw(conn), tenant, job_id)
    here.changed(job_id)
    return views.job(_get(here, tenant, job_id))


@router.post(
    "/{job_id}/retry",
    status_code=202,
    response_model=JobOut,
    responses=documented(400, 404, 409, 413, 422, 429),
)
def retry_job(job_id: JobId, here: Here, tenant: Tenant, body: RetryIn | None = None) -> Response:
    """Runs a job again from its failed steps, or from a step; what succeeded before is kept."""
    asked = body or RetryIn()
    with here.db.begin() as conn:
        grant = here.admission.check(conn)
        new = retrying.retry(conn, tenant, job_id, asked.from_, asked.overrides, here.rules, grant)
        tracing.belongs_to(conn, new)
    here.changed(new)
    headers = {"Location": f"/v1/jobs/{new}", "Medley-Job-Id": new}
    return answer(views.job(_get(here, tenant, new)), 202, headers)


@router.post("/{job_id}/approve", responses=documented(400, 404, 409, 412, 413, 422))
def approve_job(job_id: JobId, here: Here, tenant: Tenant, body: ApproveIn | None = None) -> JobOut:
    """Lets a waiting job go on with its plan, or with an edited one; exactly that one runs."""
    asked = body or ApproveIn()
    with here.db.begin() as conn:
        waiting.approve(conn, tenant, job_id, asked.plan, asked.revision, here.rules)
    here.changed(job_id)
    return views.job(_get(here, tenant, job_id))


@router.post(
    "/{job_id}/input",
    responses=documented(400, 404, 409, 413, 415, 422),
    openapi_extra=body_of("InputIn"),
)
async def give_input(job_id: JobId, request: Request, here: Here, tenant: Tenant) -> JobOut:
    """Answers the question that a job waits with (`waiting_for`), in words, with files, or both.

    The hub then plans again.
    """
    body, files = await orders.read_order(request, here, tenant, InputIn)
    return await run_in_threadpool(orders.give_input, here, tenant, job_id, body, files)


def answer(
    job: JobOut, status: int, headers: dict[str, str], if_none_match: str | None = None
) -> Response:
    """The job object with its validator, or 304."""
    raw_body = job.model_dump_json(by_alias=True).encode()
    etag = f'W/"{hashlib.sha256(raw_body).hexdigest()[:32]}"'
    every = {"ETag": etag, "Cache-Control": "no-cache", "Medley-Job-Id": job.id, **headers}
    if spent := timing_of(job):
        every["Server-Timing"] = spent
    if matches(if_none_match, etag):
        return Response(status_code=304, headers=every)
    return Response(raw_body, status, headers=every, media_type="application/json")


def timing_of(job: JobOut) -> str:
    """`Server-Timing` of a job, as far as it has come."""
    total = None
    if job.completed_at is not None:
        total = (job.completed_at - job.created_at).total_seconds() * 1000
    gpu = job.usage.get("gpu_seconds")
    spent = {
        "queue": job.metrics.queue_ms,
        "plan": job.metrics.plan_ms,
        "gpu": gpu * 1000 if gpu is not None else None,
        "total": total,
    }
    return ", ".join(f"{name};dur={ms:.0f}" for name, ms in spent.items() if ms is not None)


def wants_stream(request: Request) -> bool:
    """Whether the caller asked for events instead of an object."""
    accepted = request.headers.get("accept", "")
    return "text/event-stream" in accepted and "application/json" not in accepted


def wait_of(prefer: str | None) -> int | None:
    """Seconds of `Prefer: wait=N`, at most 60."""
    found = _WAIT.search(prefer or "")
    return min(int(found[1]), MAX_WAIT_S) if found else None


def _get(here: Service, tenant: str, job_id: str) -> jobs.JobView:
    with here.db.connect() as conn:
        return jobs.get(conn, tenant, job_id)

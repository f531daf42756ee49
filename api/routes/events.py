"""Events as they happen, over server-sent events."""

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Response
from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

from api import stream
from api.ids import JobId
from api.schemas.common import documented
from api.state import Here, Service, Tenant
from orchestrator import jobs

router = APIRouter(prefix="/v1", tags=["events"])
_LATEST = 1 << 52  # microseconds; the year 2112
_STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Events; the first one is a `snapshot`",
        "content": stream.DOCUMENTED,
    }
}


@router.get(
    "/jobs/{job_id}/events",
    response_class=StreamingResponse,
    responses={
        **_STREAM,
        204: {"description": "The job has ended, and its last event was seen"},
        **documented(404, 422),
    },
)
async def job_events(
    job_id: JobId,
    here: Here,
    tenant: Tenant,
    after: Annotated[int | None, Query(ge=0, lt=2**31)] = None,
    last_event_id: Annotated[str | None, Header(max_length=20)] = None,
) -> Response:
    """What happens to a job. `Last-Event-ID` or `after` goes on behind an event that was seen."""
    seen = after
    if last_event_id is not None and last_event_id.isascii() and last_event_id.isdigit():
        seen = min(int(last_event_id), 2**31 - 1)
    seq, ended = await run_in_threadpool(_version, here, tenant, job_id)
    headers = {"Medley-Job-Id": job_id}
    if seen is not None and ended and seen >= seq:
        # Tells a browser's EventSource to stop asking.
        return Response(status_code=204, headers=headers)
    return stream.respond(stream.follow_job(here, tenant, job_id, seen), headers)


@router.get("/events", response_class=StreamingResponse, responses={**_STREAM, **documented(422)})
async def all_events(
    here: Here,
    tenant: Tenant,
    after: Annotated[int | None, Query(ge=0, lt=_LATEST)] = None,
    last_event_id: Annotated[str | None, Header(max_length=20)] = None,
) -> Response:
    """What happens to all jobs, after a snapshot of the newest ones.

    `Last-Event-ID` or `after` goes on where a connection broke off, without a snapshot. The last
    seconds before it may be told again: `job` and `seq` name an event.
    """
    seen = after
    if last_event_id is not None and last_event_id.isascii() and last_event_id.isdigit():
        seen = min(int(last_event_id), _LATEST)
    return stream.respond(stream.follow_all(here, tenant, seen))


def _version(here: Service, tenant: str, job_id: str) -> tuple[int, bool]:
    with here.db.connect() as conn:
        seq, status = jobs.version(conn, tenant, job_id)
    return seq, f"job.{status}" in stream.LAST

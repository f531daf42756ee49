"""`/v1/responses`: a response is a view of a job, under the same id with another prefix."""

from collections.abc import AsyncIterator, Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, StreamingResponse

from api import stream
from api.ids import RESPONSE, job_id, uuid_of
from api.openai import items, telling
from api.openai.asked import Asked, asked_of, status_of
from api.openai.output import Told
from api.openai.reading import PLAIN, STREAMED, body_schema, page_of, read_body
from api.openai.response_body import body_of
from api.openai.response_request import Counted, ResponseIn, counted_draft, draft_of
from api.openai.submit import Draft, submit, with_media
from api.problems import ApiError
from api.schemas.common import documented
from api.state import Here, Service, Tenant
from medley.errors import NotFound
from medley.ids import new_id
from orchestrator import jobs
from orchestrator.jobs import JobView
from orchestrator.paging import Order

router = APIRouter(prefix="/v1/responses", tags=["openai"])
CANCEL_S = 10.0  #: that a call to cancel waits for the job to stop
Name = Annotated[str, Path(max_length=64, description="`resp_…`, or the id of the job.")]
FAULTS = documented(400, 404, 413, 415, 422, 429, 503, 504, 507)


@router.post("", responses={**STREAMED, **FAULTS}, openapi_extra=body_schema("ResponseIn"))
async def create_response(request: Request, here: Here, tenant: Tenant) -> Response:
    """Asks for a response: at once, in the background, or as a stream."""
    body = await read_body(request, ResponseIn)
    draft = await with_media(here, draft_of(body, here.rules))
    job = new_id("job")
    headers = {"Medley-Job-Id": job}
    cancel = not draft.asked.stored and not body.background
    if body.stream:
        events = await begun(here, tenant, draft, job)
        told = telling.as_sse(events, None)
        if cancel:
            told = telling.with_stop(told, here, tenant, job)
        return stream.respond(told, headers)
    view = await run_in_threadpool(submit, here, tenant, draft, job)
    if body.background:
        return JSONResponse(_begun(view, draft.asked), headers=headers)
    await telling.ended(request, here, tenant, job, cancel=cancel)
    return JSONResponse(await run_in_threadpool(whole, here, tenant, job), headers=headers)


async def begun(here: Service, tenant: str, draft: Draft, job: str) -> AsyncIterator[Told | None]:
    """The events of a new job, from the first word on: its stream listens before it is there.
    Raises what `submit` raises.
    """
    listening = here.feed.listen(job)
    listener = await listening.__aenter__()
    try:
        view = await run_in_threadpool(submit, here, tenant, draft, job)
    except BaseException:
        await listening.__aexit__(None, None, None)
        raise

    async def events() -> AsyncIterator[Told | None]:
        try:
            asked = asked_of(view)
            async for told in telling.tell(here, tenant, view, asked, listener):
                yield told
        finally:
            await listening.__aexit__(None, None, None)

    return events()


@router.post(
    "/input_tokens",
    responses={200: PLAIN, **FAULTS},
    openapi_extra=body_schema("Counted"),
)
async def count_input_tokens(request: Request, here: Here, tenant: Tenant) -> Response:
    """How many tokens the hub reads of this. A worker with the hub's tokenizer counts them."""
    body = await read_body(request, Counted)
    draft = await with_media(here, counted_draft(body, here.rules))
    job = new_id("job")
    await run_in_threadpool(submit, here, tenant, draft, job)
    view = await telling.ended(request, here, tenant, job, cancel=True)
    if not view.steps or view.status != "succeeded":
        raise failed(view)
    read = sum(step.usage.get("input_tokens", 0) for step in view.steps if step.tool == "chat")
    return JSONResponse(
        {"object": "response.input_tokens", "input_tokens": int(read)},
        headers={"Medley-Job-Id": job},
    )


def failed(view: JobView) -> ApiError:
    """The error of a call whose job gave no answer; the client is not to repeat it by itself."""
    error = view.error or {}
    code = str(error.get("code") or view.status.value)
    status = {"bad_input": 400, "unavailable": 503}.get(code, 500)
    detail = str(error.get("message") or f"The job is {view.status}.")
    headers = {**telling.NOT_AGAIN, "Medley-Job-Id": view.id}
    return ApiError(status, code, detail, headers)


@router.get("/{response_id}", responses={**STREAMED, **FAULTS})
async def get_response(
    response_id: Name,
    here: Here,
    tenant: Tenant,
    streamed: Annotated[bool, Query(alias="stream")] = False,
    starting_after: Annotated[int | None, Query(ge=0, lt=2**31)] = None,
    include: Annotated[list[str] | None, Query(max_length=32)] = None,
    include_obfuscation: Annotated[bool | None, Query(description="Ignored.")] = None,
) -> Response:
    """A response as it stands, or with `stream=true` its events behind `starting_after`."""
    del include, include_obfuscation
    view = await run_in_threadpool(_stored, here, tenant, response_id)
    headers = {"Medley-Job-Id": view.id}
    if streamed:
        return _resumed(here, tenant, view, starting_after, headers)
    return JSONResponse(await run_in_threadpool(whole, here, tenant, view.id), headers=headers)


def _resumed(
    here: Service, tenant: str, view: JobView, after: int | None, headers: Mapping[str, str]
) -> StreamingResponse:
    async def events() -> AsyncIterator[Told | None]:
        async with here.feed.listen(view.id) as listener:
            async for told in telling.tell(here, tenant, view, asked_of(view), listener):
                yield told

    return stream.respond(telling.as_sse(events(), after), dict(headers))


@router.delete("/{response_id}", responses={200: PLAIN, **documented(404, 409)})
async def delete_response(response_id: Name, here: Here, tenant: Tenant) -> Response:
    """Forgets a response, and the job behind it; one that still runs is stopped first."""
    view = await run_in_threadpool(_stored, here, tenant, response_id)
    if not view.ended:
        await _stopped(here, tenant, view)
    await run_in_threadpool(_remove, here, tenant, view.id)
    name = RESPONSE + uuid_of(view.id)
    return JSONResponse({"id": name, "object": "response", "deleted": True})


@router.post("/{response_id}/cancel", responses={200: PLAIN, **documented(404)})
async def cancel_response(response_id: Name, here: Here, tenant: Tenant) -> Response:
    """Stops a response. One that has ended stays as it is."""
    view = await run_in_threadpool(_stored, here, tenant, response_id)
    await _stopped(here, tenant, view)
    return JSONResponse(await run_in_threadpool(whole, here, tenant, view.id))


@router.get("/{response_id}/input_items", responses={200: PLAIN, **documented(400, 404)})
def list_input_items(
    response_id: Name,
    here: Here,
    tenant: Tenant,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    after: Annotated[str | None, Query(max_length=96)] = None,
    order: Order = Order.DESC,
    include: Annotated[list[str] | None, Query(max_length=32)] = None,
) -> Response:
    """What was said to get this response, newest first."""
    del include
    view = _stored(here, tenant, response_id)
    asked = asked_of(view)
    found = items.shown([*asked.before, *asked.said], uuid_of(view.id))
    return JSONResponse(page_of(found, limit, after, newest=order is Order.DESC))


def _stored(here: Service, tenant: str, name: str) -> JobView:
    try:
        view = telling.load(here, tenant, job_id(name))
    except NotFound:
        raise NotFound("response", name) from None
    if not asked_of(view).stored:
        raise NotFound("response", name)
    return view


def _begun(view: JobView, asked: Asked) -> dict[str, Any]:
    return body_of(view, asked, [], status=status_of(view, cut=False))


def whole(here: Service, tenant: str, job: str) -> dict[str, Any]:
    """The response of a job as it stands. Raises `NotFound`."""
    view = telling.load(here, tenant, job)
    told = telling.story(here, tenant, job, asked_of(view))
    return told.shown()


async def _stopped(here: Service, tenant: str, view: JobView) -> None:
    await run_in_threadpool(telling.stop, here, tenant, view.id)
    await stream.wait_for_end(here, tenant, view.id, CANCEL_S)


def _remove(here: Service, tenant: str, job: str) -> None:
    with here.db.begin() as conn:
        jobs.remove(conn, tenant, job)

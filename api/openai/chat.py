"""`/v1/chat/completions`: the same jobs as responses, told in the older form."""

import json
from collections.abc import AsyncIterator

from fastapi import APIRouter, Request, Response
from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse

from api import stream
from api.openai import telling
from api.openai.asked import asked_of
from api.openai.calls import headers_of
from api.openai.chat_body import chunks, completion_of
from api.openai.chat_request import ChatIn, draft_of
from api.openai.files_out import reader
from api.openai.reading import STREAMED, body_schema, read_body
from api.openai.responses import FAULTS, begun, failed
from api.openai.submit import submit, with_media
from api.state import Here, Service, Tenant
from medley.ids import new_id

router = APIRouter(prefix="/v1/chat", tags=["openai"])


@router.post("/completions", responses={**STREAMED, **FAULTS}, openapi_extra=body_schema("ChatIn"))
async def create_chat_completion(request: Request, here: Here, tenant: Tenant) -> Response:
    """Goes on with a chat: words, pictures, sound, or the call of a function."""
    body = await read_body(request, ChatIn)
    draft = await with_media(here, draft_of(body, here.rules))
    job = new_id("job")
    headers = {"Medley-Job-Id": job}
    if body.stream:
        usage = bool(body.stream_options and body.stream_options.include_usage)
        told = await begun(here, tenant, draft, job)
        view = await run_in_threadpool(telling.load, here, tenant, job)
        events = _as_sse(chunks(told, view, asked_of(view), usage=usage))
        return stream.respond(telling.with_stop(events, here, tenant, job), headers)
    await run_in_threadpool(submit, here, tenant, draft, job)
    view = await telling.ended(request, here, tenant, job, cancel=True)
    if view.status != "succeeded":
        raise failed(view)
    found = await run_in_threadpool(whole, here, tenant, job)
    return JSONResponse(found, headers=headers_of(view))


async def _as_sse(found: AsyncIterator[dict[str, object] | None]) -> AsyncIterator[bytes]:
    """Chunks as server-sent events without a name."""
    async for chunk in found:
        if chunk is None:
            yield KEEPALIVE_COMMENT
        else:
            text = json.dumps(chunk, ensure_ascii=False, separators=(",", ":"))
            yield format_sse_event(data_str=text)
    yield telling.DONE


def whole(here: Service, tenant: str, job: str) -> dict[str, object]:
    """The completion of a job that has succeeded. Raises `NotFound`."""
    view = telling.load(here, tenant, job)
    told = telling.story(here, tenant, job, asked_of(view))
    sounds = [
        part["asset"]
        for step in view.steps
        if step.tool == "speak" and step.id == "speech"
        for part in [step.outputs.get("audio") or {}]
        if part.get("type") == "asset"
    ]
    read = reader(here, tenant)
    sound = read(sounds[0], told.asked.audio_format) if sounds else None
    return completion_of(told, sound)

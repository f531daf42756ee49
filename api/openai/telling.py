"""Waiting for a job in OpenAI's manner: as a stream of events, or until it has ended."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Iterable
from typing import Any

from fastapi import Request
from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event
from starlette.concurrency import run_in_threadpool

from api import stream
from api.feed import Listener
from api.openai.asked import Asked
from api.openai.files_out import reader
from api.openai.narration import Narration, told_whole
from api.openai.output import Told
from api.problems import ApiError
from api.state import Service
from medley.errors import NotFound
from orchestrator import engine, jobs
from orchestrator.database import raw
from orchestrator.events import Event, read_events
from orchestrator.jobs import JobView

PATIENCE_S = 540.0  #: of a call that waits for its answer; clients give up at 600
STREAM_S = 6 * 3600.0  #: of one stream
ALL = 1_000_000
DONE = b"data: [DONE]\n\n"
#: A failed call of ours is not to be repeated by the client: its job is there.
NOT_AGAIN = {"x-should-retry": "false"}


async def tell(
    here: Service, tenant: str, job: JobView, asked: Asked, listener: Listener
) -> AsyncIterator[Told | None]:
    """The events of a response until it has ended; None where a moment passes without one."""
    narration = Narration(job, asked, reader(here, tenant))
    for told in narration.begin():
        yield told
    seen, until = 0, time.monotonic() + STREAM_S
    while not narration.ended and time.monotonic() < until:
        try:
            found, told_now = await run_in_threadpool(_hear, here, tenant, narration, seen)
        except NotFound:  # forgotten meanwhile
            return
        seen = found
        for told in told_now:
            yield told
        if told_now or narration.ended:
            continue
        pause = stream.LOOK_S if here.feed.alive else stream.LOOK_WITHOUT_REDIS_S
        heard = await listener.hear(min(pause, max(until - time.monotonic(), 0.01)))
        for _, notice in heard:
            for told in _live(narration, notice):
                yield told
        if not heard:
            yield None


def _hear(here: Service, tenant: str, narration: Narration, seen: int) -> tuple[int, list[Told]]:
    job, events = _load(here, tenant, narration.job.id, seen)
    told: list[Told] = []
    for event in events:
        told += narration.hear(event, job)
        seen = event.seq
    if job.ended and seen >= job.seq:
        narration.ended = True
    return seen, told


def _live(narration: Narration, notice: dict[str, Any]) -> Iterable[Told]:
    step = str(notice.get("step"))
    if notice.get("type") == "delta":
        yield from narration.write(step, str(notice.get("text", "")), int(notice.get("at", 0)))
    elif notice.get("type") == "preview":
        yield from narration.preview(step, str(notice.get("data", "")))


def _load(here: Service, tenant: str, job_id: str, seen: int) -> tuple[JobView, list[Event]]:
    # Events first: what they say is then true of the job that is read after them.
    with here.db.connect() as conn:
        events = read_events(raw(conn), tenant, job_id, after=seen, limit=ALL)
        return jobs.get(conn, tenant, job_id), events


def load(here: Service, tenant: str, job_id: str) -> JobView:
    """Raises `NotFound`."""
    with here.db.connect() as conn:
        return jobs.get(conn, tenant, job_id)


def story(here: Service, tenant: str, job_id: str, asked: Asked) -> Narration:
    """All that can be told by now. Raises `NotFound`."""
    job, events = _load(here, tenant, job_id, 0)
    return told_whole(job, asked, events, reader(here, tenant))


async def as_sse(
    told: AsyncIterator[Told | None], after: int | None, *, named: bool = True
) -> AsyncIterator[bytes]:
    """Events behind a number as server-sent events, without ids; `named`: with their type."""
    last = time.monotonic()
    async for event in told:
        if event is not None and (after is None or event["sequence_number"] > after):
            last = time.monotonic()
            yield format_sse_event(
                data_str=json.dumps(event, ensure_ascii=False, separators=(",", ":")),
                event=event["type"] if named else None,
            )
        elif time.monotonic() - last > stream.HEARTBEAT_S:
            last = time.monotonic()
            yield KEEPALIVE_COMMENT
    yield DONE


async def ended(
    request: Request, here: Service, tenant: str, job_id: str, *, cancel: bool
) -> JobView:
    """The job, once nothing more happens. With `cancel` a caller who goes away takes it along.
    Raises `ApiError` 504 when it takes too long; the job goes on.
    """
    waiting = asyncio.ensure_future(stream.wait_for_end(here, tenant, job_id, PATIENCE_S))
    leaving = asyncio.ensure_future(_left(request))
    try:
        await asyncio.wait({waiting, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not waiting.done() and cancel:
            await run_in_threadpool(stop, here, tenant, job_id)
    finally:
        for task in (waiting, leaving):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
    job = await run_in_threadpool(load, here, tenant, job_id)
    if not job.ended and job.status != "waiting":
        detail = f"The answer is not there after {PATIENCE_S:g} s. Its job goes on: {job_id}."
        headers = {**NOT_AGAIN, "Medley-Job-Id": job_id}
        raise ApiError(504, "timeout", detail, headers)
    return job


async def _left(request: Request) -> None:
    while not await request.is_disconnected():
        await asyncio.sleep(0.5)


def stop(here: Service, tenant: str, job_id: str) -> None:
    """Asks a job to stop."""
    with here.db.begin() as conn:
        engine.cancel_job(raw(conn), tenant, job_id)
    here.changed(job_id)


async def with_stop(
    events: AsyncIterator[bytes], here: Service, tenant: str, job_id: str
) -> AsyncIterator[bytes]:
    """The same stream; a reader who goes away before its end takes the job along."""
    over = False
    try:
        async for event in events:
            over = over or event == DONE
            yield event
    finally:
        if not over:
            # Nothing may be awaited here: the reader is gone.
            asyncio.get_running_loop().run_in_executor(None, stop, here, tenant, job_id)

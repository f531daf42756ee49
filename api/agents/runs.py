"""Jobs on behalf of a caller: made, followed with progress, and canceled when the caller leaves."""

import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import anyio
from starlette.concurrency import run_in_threadpool

from api import orders, views
from api.agents.caller import Caller
from api.attached import Judged
from api.schemas.jobs import JobOut
from api.schemas.requests import JobIn
from api.stream import LOOK_S, LOOK_WITHOUT_REDIS_S, PASSED_ON
from medley.status import JobStatus
from orchestrator import engine, jobs
from orchestrator.database import raw
from orchestrator.jobs import JobView


@dataclass(frozen=True, kw_only=True)
class Ordered:
    """What is asked for, with the files that came with it."""

    body: JobIn
    files: Sequence[Judged] = ()


async def submit(caller: Caller, order: Ordered) -> str:
    """Makes a job of an order; its id. Raises what refuses orders."""
    accepted = await run_in_threadpool(
        orders.accept, caller.here, caller.tenant, order.body, order.files, None
    )
    return accepted.job.id


async def run(caller: Caller, order: Ordered) -> JobView:
    """Makes a job and stays with it until it has ended or waits.

    A client that goes away in between takes its job with it; when only the service is stopped, the
    job goes on.
    """
    job_id = await submit(caller, order)
    try:
        return await stay(caller, job_id)
    except anyio.get_cancelled_exc_class():
        if caller.left:
            with anyio.CancelScope(shield=True):
                await run_in_threadpool(cancel, caller, job_id)
        raise


async def stay(caller: Caller, job_id: str, seconds: float | None = None) -> JobView:
    """The job when it has ended, waits, or the time is over; progress is told meanwhile."""
    told = 0.0
    async for view in _news(caller, job_id, seconds):
        if view.progress > told:  # only ever rises, as the protocol wants it
            told = view.progress
            await caller.progress(told, doing(view))
    return view


async def _news(caller: Caller, job_id: str, seconds: float | None) -> AsyncIterator[JobView]:
    """The job as it is, and again after each stored event."""
    feed = caller.here.feed
    until = None if seconds is None else time.monotonic() + seconds
    async with feed.listen(job_id) as listener:
        while True:
            view = await run_in_threadpool(load, caller, job_id)
            yield view
            if view.ended or view.status is JobStatus.WAITING:
                return
            heard = False
            while not heard:
                left = LOOK_S if until is None else until - time.monotonic()
                if left <= 0:
                    return
                notices = await listener.hear(
                    min(left, LOOK_S if feed.alive else LOOK_WITHOUT_REDIS_S)
                )
                heard = not notices or any(n.get("type") not in PASSED_ON for _, n in notices)


def load(caller: Caller, job_id: str) -> JobView:
    """The job. Raises `NotFound`."""
    with caller.here.db.connect() as conn:
        return jobs.get(conn, caller.tenant, job_id)


def cancel(caller: Caller, job_id: str) -> JobView:
    """Asks the job to stop. Raises `NotFound`."""
    with caller.here.db.begin() as conn:
        engine.cancel_job(raw(conn), caller.tenant, job_id)
    caller.here.changed(job_id)
    return load(caller, job_id)


def doing(view: JobView) -> str:
    """What is being done, in a few words."""
    shown: JobOut = views.job(view)
    parts = []
    for item in shown.progress.current:
        done, total = item.get("done", item.get("step_n")), item.get("total", item.get("steps"))
        parts.append(f"{item['tool']} {done}/{total}" if done and total else str(item["tool"]))
    return ", ".join(parts) or str(view.phase or view.status)

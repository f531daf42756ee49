"""Event streams: a snapshot, then everything that happens, in order, with nothing lost between the
two.

Stored events are read from Postgres by their number, so a stream that broke off goes on where it
was. Redis only says when to look; previews and text as it is written come from there and are not
stored.
"""

import json
import time
from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event
from sqlalchemy import func, select
from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

from api import views
from api.feed import Listener
from api.state import Service
from medley.errors import NotFound
from medley.status import TERMINAL_JOB, JobStatus, StepStatus
from orchestrator import jobs
from orchestrator.database import raw
from orchestrator.events import Event, read_events, read_since

HEARTBEAT_S = 15.0
RETRY_MS = 3000
LOOK_S = 5.0  # without any notice
LOOK_WITHOUT_REDIS_S = 0.5
BATCH = 500
MOST_MISSED = 2000  #: events that are told again to who was away
OVERLAP = timedelta(seconds=10)  #: how far a replay over all jobs goes back before its id
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LAST = frozenset(f"job.{status}" for status in TERMINAL_JOB)
#: How a stream looks in the OpenAPI document.
DOCUMENTED: dict[str, Any] = {
    "text/event-stream": {
        "itemSchema": {
            "type": "object",
            "properties": {
                "event": {"type": "string", "description": "`snapshot`, or what happened."},
                "id": {
                    "type": "string",
                    "description": "Number of a stored event of the job; over all jobs, its time "
                    "in microseconds.",
                },
                "data": {"type": "string", "contentMediaType": "application/json"},
                "retry": {"type": "integer", "minimum": 0},
            },
        }
    }
}
PASSED_ON = {"preview": "step.preview", "delta": "text.delta"}


def respond(
    events: AsyncIterator[bytes], headers: dict[str, str] | None = None
) -> StreamingResponse:
    """The stream as an answer that no proxy holds back."""
    every = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no", **(headers or {})}
    return StreamingResponse(events, media_type="text/event-stream", headers=every)


async def follow_job(
    here: Service, tenant: str, job_id: str, after: int | None
) -> AsyncIterator[bytes]:
    """The events of one job: after number `after`, or a snapshot and what follows it.

    Ends with the job's terminal event, also when that was before the snapshot.
    """
    async with here.feed.listen(job_id) as listener:
        yield format_sse_event(retry=RETRY_MS)
        seen = after or 0
        if after is None:
            job = await run_in_threadpool(_load, here, tenant, job_id)
            # The terminal event is told again after a snapshot of a job that has ended.
            seen = job.seq - 1 if job.ended else job.seq
            data = views.job(job).model_dump(mode="json")
            yield _message("snapshot", data, seen)
            for step in job.steps:
                if step.status is StepStatus.RUNNING:
                    notice = await here.feed.last_preview(job_id, step.id)
                    passed = _pass_on(job_id, notice) if notice else None
                    if passed is not None:
                        yield passed
        async for event in _news(here, tenant, job_id, seen, listener):
            yield event


async def _news(
    here: Service, tenant: str, job_id: str, seen: int, listener: Listener
) -> AsyncIterator[bytes]:
    pulse = _Pulse()
    while True:
        try:
            ended, events = await run_in_threadpool(_read, here, tenant, job_id, seen)
        except NotFound:  # forgotten meanwhile
            return
        for event in events:
            yield _message(event.type, views.event(event), event.seq)
            seen = event.seq
            if event.type in LAST:
                return
        if events:
            pulse.beat()
            continue
        if ended:
            return
        stored, looked = False, time.monotonic()
        while not stored:
            heard = await listener.hear(pulse.wait(here))
            for _, notice in heard:
                passed = _pass_on(job_id, notice)
                stored = stored or passed is None
                if passed is not None:
                    pulse.beat()
                    yield passed
            if pulse.due():
                pulse.beat()
                yield KEEPALIVE_COMMENT
            stored = stored or not heard or time.monotonic() - looked > LOOK_S


async def follow_all(here: Service, tenant: str, after: int | None = None) -> AsyncIterator[bytes]:
    """The events of every job of the tenant: a snapshot of the newest jobs, then what happens.

    There is no number across jobs. An event's id is its time in microseconds; `after` such a time
    there is a replay instead of the snapshot, which begins a little earlier, because what happens
    at the same time is told in any order. Who was away for too long gets a snapshot again.
    """
    async with here.feed.listen() as listener:
        yield format_sse_event(retry=RETRY_MS)
        missed = None
        if after is not None:
            missed = await run_in_threadpool(_missed, here, tenant, after)
        if missed is not None:
            seen, events = missed
            for event in events:
                yield _message(event.type, views.event(event), _moment(event.at))
        else:
            now = await run_in_threadpool(_now, here)
            found = await run_in_threadpool(_load_newest, here, tenant)
            shown = [views.job(item).model_dump(mode="json") for item in found]
            versions = await run_in_threadpool(_versions, here, tenant)
            seen = {name: seq for name, (seq, _) in versions.items()}
            seen |= {item.id: item.seq for item in found}
            yield _message("snapshot", {"object": "list", "data": shown}, _moment(now))
        pulse = _Pulse()
        while True:
            heard = await listener.hear(pulse.wait(here))
            named = {job for job, notice in heard if job and notice.get("type") not in PASSED_ON}
            if not heard or "" in {job for job, _ in heard}:
                named |= await run_in_threadpool(_moved, here, tenant, seen)
            for job_id in sorted(named):
                for event in await run_in_threadpool(
                    _tail, here, tenant, job_id, seen.get(job_id, 0)
                ):
                    seen[job_id] = event.seq
                    pulse.beat()
                    yield _message(event.type, views.event(event), _moment(event.at))
            if pulse.due():
                pulse.beat()
                yield KEEPALIVE_COMMENT


async def wait_for_end(here: Service, tenant: str, job_id: str, seconds: float) -> None:
    """Returns when the job has ended, waits for its caller, or the time is over."""
    until = time.monotonic() + seconds
    async with here.feed.listen(job_id) as listener:
        while True:
            _, status = await run_in_threadpool(_version, here, tenant, job_id)
            left = until - time.monotonic()
            if status in TERMINAL_JOB or status is JobStatus.WAITING or left <= 0:
                return
            pause = LOOK_S if here.feed.alive else LOOK_WITHOUT_REDIS_S
            heard = await listener.hear(min(left, pause))
            while heard and all(notice.get("type") in PASSED_ON for _, notice in heard):
                left = until - time.monotonic()
                if left <= 0:
                    return
                heard = await listener.hear(min(left, pause))


class _Pulse:
    """When something was sent last, and how long to wait for more."""

    def __init__(self) -> None:
        self.last = time.monotonic()

    def beat(self) -> None:
        self.last = time.monotonic()

    def due(self) -> bool:
        return time.monotonic() - self.last >= HEARTBEAT_S

    def wait(self, here: Service) -> float:
        look = LOOK_S if here.feed.alive else LOOK_WITHOUT_REDIS_S
        return max(0.05, min(look, HEARTBEAT_S - (time.monotonic() - self.last)))


def _message(name: str, data: Any, seq: int | None = None) -> bytes:
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return format_sse_event(data_str=text, event=name, id=None if seq is None else str(seq))


def _pass_on(job_id: str, notice: dict[str, Any]) -> bytes | None:
    """What is not stored, as an event without a number; None for a hint to look at the rows."""
    kind = PASSED_ON.get(str(notice.get("type")))
    if kind is None:
        return None
    step = notice.get("step")
    data = {name: value for name, value in notice.items() if name not in ("type", "step", "job")}
    if kind == "step.preview" and "data" in data:
        data["image"] = data.pop("data")
    if kind == "text.delta" and step == "plan":
        kind = "plan.delta"
    return _message(kind, {"type": kind, "job": job_id, "step": step, "data": data})


def _load(here: Service, tenant: str, job_id: str) -> jobs.JobView:
    with here.db.connect() as conn:
        return jobs.get(conn, tenant, job_id)


def _load_newest(here: Service, tenant: str) -> list[jobs.JobView]:
    with here.db.connect() as conn:
        return jobs.list_jobs(conn, tenant, limit=20)


def _versions(here: Service, tenant: str) -> dict[str, tuple[int, bool]]:
    with here.db.connect() as conn:
        return jobs.recent_versions(conn, tenant)


def _version(here: Service, tenant: str, job_id: str) -> tuple[int, JobStatus]:
    with here.db.connect() as conn:
        return jobs.version(conn, tenant, job_id)


def _now(here: Service) -> datetime:
    with here.db.connect() as conn:
        found = conn.execute(select(func.clock_timestamp())).scalar_one()
        assert isinstance(found, datetime)
        return found


def _moment(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(microseconds=1)


def _missed(here: Service, tenant: str, after: int) -> tuple[dict[str, int], list[Event]] | None:
    """What happened since, and up to which event of each job that goes; None if it is too much."""
    since = _EPOCH + timedelta(microseconds=after) - OVERLAP
    versions = _versions(here, tenant)
    with here.db.connect() as conn:
        found = read_since(raw(conn), versions, since, limit=MOST_MISSED + 1)
    if len(found) > MOST_MISSED:
        return None
    seen = {name: seq for name, (seq, _) in versions.items()}
    for event in found:
        seen[event.job] = max(seen[event.job], event.seq)
    return seen, found


def _moved(here: Service, tenant: str, seen: dict[str, int]) -> set[str]:
    now = _versions(here, tenant)
    for name in [name for name in seen if name not in now]:
        del seen[name]
    return {name for name, (seq, _) in now.items() if seq > seen.get(name, 0)}


def _read(here: Service, tenant: str, job_id: str, after: int) -> tuple[bool, list[Event]]:
    # The status is read first: a job that has ended by then has all its events.
    with here.db.connect() as conn:
        _, status = jobs.version(conn, tenant, job_id)
        return status in TERMINAL_JOB, read_events(
            raw(conn), tenant, job_id, after=after, limit=BATCH
        )


def _tail(here: Service, tenant: str, job_id: str, after: int) -> Iterable[Event]:
    with here.db.connect() as conn:
        return read_events(raw(conn), tenant, job_id, after=after, limit=BATCH)

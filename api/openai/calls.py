"""A call of OpenAI's as a job: a small plan made without the hub, waited for while the caller does.

The job is in the list of jobs like any other. A caller who hangs up cancels it; one who has waited
for 540 s, before the SDK's own patience ends at 600, is told where to find it.
"""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from api import stream, tracing
from api.openai.aliases import ModelNotFound
from api.orders import own_key
from api.problems import ApiError
from api.state import Service, caller_of
from medley.errors import CallerError, InvalidPlan
from medley.parts import Part
from medley.plan import Plan
from medley.status import JobStatus
from orchestrator import engine, idempotency, intake, jobs
from orchestrator.database import raw
from orchestrator.jobs import JobView
from orchestrator.order import InvalidRequest, Order

PATIENCE_S = 540.0
RETRIED_S = 600.0  #: how long a repeated request finds the job of the first one
#: The name in a job's metadata that says which call it is a view of.
CALL = "openai"
_FINGERPRINT = "request"
_DO_NOT_RETRY = {"x-should-retry": "false"}
_THEIR_FAULT = frozenset({"bad_input", "broken_media", "unsupported_media", "too_large"})


class Refused(CallerError):
    """A value cannot be used; `errors` names its parameter."""

    code, status = "invalid_request", 400

    def __init__(self, param: str, reason: str, suggestion: str = "") -> None:
        fault = {"pointer": f"/{param}", "reason": reason}
        if suggestion:
            fault["suggestion"] = suggestion
        super().__init__(f"{param}: {reason} {suggestion}".strip(), errors=[fault])


@dataclass(frozen=True, kw_only=True)
class Call:
    """What a call becomes. `places`: which parameter of the call a place in the plan comes from,
    such as `/steps/0/params/steps` from `num_inference_steps`.
    """

    name: str
    plan: Plan
    parts: Sequence[Part] = ()
    places: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    priority: int = 0


@dataclass(frozen=True, kw_only=True)
class Sender:
    """Whose request it is, and whether it may have come before."""

    tenant: str
    fingerprint: str = ""
    retried: bool = False
    key: str | None = None

    @classmethod
    def of(cls, request: Request, tenant: str, asked: Any, files: Sequence[str] = ()) -> "Sender":
        """From the request's headers and its body. `files`: hashes of its files."""
        said = [caller_of(request).key, request.url.path, asked, list(files)]
        text = json.dumps(said, sort_keys=True, default=str)
        key = request.headers.get("idempotency-key")
        if key is not None and not (1 <= len(key) <= idempotency.MAX_KEY and key.isprintable()):
            reason = f"An Idempotency-Key has 1 to {idempotency.MAX_KEY} signs."
            raise ApiError(400, "bad_idempotency_key", reason)
        return cls(
            tenant=tenant,
            fingerprint=hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32],
            retried=request.headers.get("x-stainless-retry-count", "0") not in ("", "0"),
            key=key,
        )


def submit(here: Service, sender: Sender, call: Call) -> str:
    """Makes the job of a call, or finds the one that the same request made before; its id.

    Raises `Refused`, `ModelNotFound`, `QueueFull`, `QuotaExceeded`, `IdempotencyMismatch`.
    """
    key = own_key(here, sender.key)
    with here.db.begin() as conn:
        if key is not None:
            kept = idempotency.claim(conn, sender.tenant, key, sender.fingerprint)
            if kept is not None:
                return str(kept.response)
        elif sender.retried:
            earlier = jobs.find_recent(
                conn, sender.tenant, _FINGERPRINT, sender.fingerprint, RETRIED_S
            )
            if earlier is not None:
                return earlier
        job = write(conn, here, sender, call)
        if key is not None:
            idempotency.keep(conn, sender.tenant, key, 202, job)
    here.changed(job)
    return job


def write(conn: Any, here: Service, sender: Sender, call: Call) -> str:
    """Writes the job of a call in the caller's transaction.

    Raises `Refused`, `ModelNotFound`, `QueueFull`, `QuotaExceeded`.
    """
    order = Order(
        grant=here.admission.check(conn),
        tenant=sender.tenant,
        parts=call.parts,
        plan=call.plan,
        priority=call.priority,
        metadata={CALL: call.name, **call.metadata}
        | ({_FINGERPRINT: sender.fingerprint} if sender.fingerprint else {}),
    )
    try:
        job = intake.submit(conn, order, here.rules)
        tracing.belongs_to(conn, job)
        return job
    except (InvalidPlan, InvalidRequest) as error:
        raise _refused(error, call) from None


async def run(request: Request, here: Service, sender: Sender, call: Call) -> JobView:
    """Makes the job of a call and waits for it. Raises what `submit` and `finished` raise."""
    job = await run_in_threadpool(submit, here, sender, call)
    return await finished(request, here, sender.tenant, job)


async def finished(request: Request, here: Service, tenant: str, job: str) -> JobView:
    """The job when it has succeeded.

    Raises `ApiError`: 504 when that takes too long, and what became of a job that did not succeed.
    """
    async with hung_up(request) as gone:
        waiting = asyncio.create_task(stream.wait_for_end(here, tenant, job, PATIENCE_S))
        try:
            await asyncio.wait({waiting, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not waiting.done():
                await run_in_threadpool(cancel, here, tenant, job)
                raise ApiError(499, "client_closed_request", "The caller hung up.")
            await waiting
        finally:
            waiting.cancel()
    view = await run_in_threadpool(load, here, tenant, job)
    if not view.ended:
        detail = (
            f"{job} is still {view.status} after {PATIENCE_S:g} s and goes on. "
            f"Ask for it at /v1/jobs/{job}."
        )
        raise ApiError(504, "still_running", detail, {**_DO_NOT_RETRY, "Medley-Job-Id": job})
    check(view)
    return view


def check(view: JobView) -> None:
    """Raises `ApiError` for a job that ended otherwise than well."""
    if view.status is JobStatus.SUCCEEDED:
        return
    status, code, message = failure(view)
    raise ApiError(status, code, message, {**_DO_NOT_RETRY, "Medley-Job-Id": view.id})


def failure(view: JobView) -> tuple[int, str, str]:
    """HTTP status, code and message of a job that did not succeed."""
    if view.status is not JobStatus.FAILED:
        return 409, str(view.status), f"{view.id} was {view.status}."
    error = view.error or {}
    code = str(error.get("code", "internal_error"))
    status = 400 if code in _THEIR_FAULT else 503 if code == "unavailable" else 500
    return status, code, str(error.get("message", "The job failed."))


def fault(view: JobView) -> dict[str, Any]:
    """The same as the member `error` of a stream's last event."""
    status, code, message = failure(view)
    kind = "server_error" if status >= 500 else "invalid_request_error"
    return {"message": message, "type": kind, "param": None, "code": code}


@asynccontextmanager
async def hung_up(request: Request) -> AsyncIterator[asyncio.Task[None]]:
    """A task that ends when the caller closes the connection. The body has been read by then."""

    async def listen() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    task = asyncio.create_task(listen())
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def cancel(here: Service, tenant: str, job: str) -> None:
    """Asks the job to stop."""
    with here.db.begin() as conn:
        engine.cancel_job(raw(conn), tenant, job)
    here.changed(job)


def load(here: Service, tenant: str, job: str) -> JobView:
    """The job as it is stored. Raises `NotFound`."""
    with here.db.connect() as conn:
        return jobs.get(conn, tenant, job)


def headers_of(view: JobView) -> dict[str, str]:
    """What every answer says of its job: its id, and how long it waited and worked."""
    found = {"Medley-Job-Id": view.id}
    if view.started_at and view.finished_at:
        waited = (view.started_at - view.created_at).total_seconds() * 1000
        worked = (view.finished_at - view.started_at).total_seconds() * 1000
        found["Server-Timing"] = f"queue;dur={max(0.0, waited):.0f}, work;dur={worked:.0f}"
    return found


def add_headers(reply: Response, view: JobView) -> None:
    """Puts `headers_of` onto an answer that the framework writes."""
    for name, value in headers_of(view).items():
        reply.headers[name] = value


def output(view: JobView, name: str) -> Any:
    """What the step output `s1.image` holds; None where there is nothing."""
    step, _, port = name.partition(".")
    return next((item.outputs.get(port) for item in view.steps if item.id == step), None)


def _refused(error: InvalidPlan | InvalidRequest, call: Call) -> CallerError:
    """The same fault in the words of the call."""
    first = dict(error.errors[0]) if error.errors else {"pointer": "", "reason": error.message}
    place = str(first["pointer"]).removeprefix("/plan")
    reason, remedy = str(first["reason"]), str(first.get("suggestion") or "")
    if place.endswith(("/tool", "/model")):
        return ModelNotFound(reason, remedy)
    for start, param in call.places.items():
        if place == start or place.startswith(start + "/"):
            return Refused(param, reason, remedy)
    return Refused(place.rpartition("/")[2] or "request", reason, remedy)

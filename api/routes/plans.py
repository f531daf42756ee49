"""Plans: what would be done, without doing it."""

from collections.abc import Sequence
from dataclasses import replace

import anyio
from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool

from api import orders, stream
from api.attached import Judged
from api.routes.jobs import body_of
from api.schemas.common import documented
from api.schemas.requests import JobIn
from api.schemas.rooms import Estimate, PlanOut, Seconds
from api.state import Here, Service, Tenant
from api.strict_json import StrictRoute
from medley.errors import MedleyError, Unavailable
from medley.plan import Plan
from medley.status import JobStatus
from orchestrator import cache, engine, history, intake, jobs
from orchestrator.database import raw
from orchestrator.order import dry

router = APIRouter(prefix="/v1/plans", tags=["plans"], route_class=StrictRoute)
PATIENCE_S = 60.0


@router.post(
    "",
    response_model_exclude_none=True,
    responses=documented(400, 404, 413, 415, 422, 429, 500, 503, 507),
    openapi_extra=body_of("JobIn"),
)
async def create_plan(request: Request, here: Here, tenant: Tenant) -> PlanOut:
    """A dry run: the checked plan of this request. A free request is planned by the hub; nothing
    else runs.
    """
    body, files = await orders.read_order(request, here, tenant, JobIn)
    return await planned(here, tenant, body, files)


async def planned(here: Service, tenant: str, body: JobIn, files: Sequence[Judged]) -> PlanOut:
    """The checked plan of an order, and what it would cost. Raises what refuses orders, and
    `Unavailable` when no worker plans in time.
    """
    if body.input is None:
        plan = await run_in_threadpool(_check, here, tenant, body, files)
    else:
        plan = await _ask_hub(here, tenant, body, files)
    return PlanOut(plan=plan, estimate=await run_in_threadpool(_estimate, here, tenant, plan))


def _check(here: Service, tenant: str, body: JobIn, files: Sequence[Judged]) -> Plan:
    with here.entering(orders.bytes_of(files)) as conn:
        assets = orders.register(conn, tenant, files, here.caller.key)
        here.admission.check_bytes(conn)
        order = orders.order(conn, tenant, body, files, assets)
        return intake.plan_of(conn, order, here.rules, now=True)


async def _ask_hub(here: Service, tenant: str, body: JobIn, files: Sequence[Judged]) -> Plan:
    """Makes a job that stops at its plan, and forgets it again."""
    job_id = await run_in_threadpool(_submit, here, tenant, body, files)
    try:
        await stream.wait_for_end(here, tenant, job_id, PATIENCE_S)
    finally:
        with anyio.CancelScope(shield=True):  # also when the caller has gone
            view = await run_in_threadpool(_forget, here, tenant, job_id)
    if view.plan is not None:
        return Plan.model_validate(view.plan)
    if view.error is not None:
        raise _PlanningFailed(
            str(view.error.get("message", "")), errors=view.error.get("errors", ())
        )
    raise Unavailable("No worker has written a plan in time.")


class _PlanningFailed(MedleyError):
    """The hub wrote no plan that passes."""

    code, status = "hub_error", 500


def _submit(here: Service, tenant: str, body: JobIn, files: Sequence[Judged]) -> str:
    with here.entering(orders.bytes_of(files)) as conn:
        grant = here.admission.check(conn)
        assets = orders.register(conn, tenant, files, here.caller.key)
        here.admission.check_bytes(conn)
        order = replace(orders.order(conn, tenant, body, files, assets), grant=grant)
        job_id = intake.submit(conn, dry(order), here.rules)
    here.changed(job_id)
    return job_id


def _forget(here: Service, tenant: str, job_id: str) -> jobs.JobView:
    with here.db.begin() as conn:
        view = jobs.get(conn, tenant, job_id)
        status = engine.cancel_job(raw(conn), tenant, job_id)
        if status is not JobStatus.CANCELING:
            jobs.remove(conn, tenant, job_id)
    here.changed(job_id)
    return view


def _estimate(here: Service, tenant: str, plan: Plan) -> Estimate:
    tools, models = here.rules.tools, here.rules.models
    with here.db.connect() as conn:
        cached = cache.foresee(raw(conn), tenant, plan, tools, models)
        found = history.estimate(raw(conn), tenant, plan, cached)
    used = {step.model for step in plan.steps}
    sizes = [spec.memory_bytes for name, spec in models.items() if name in used]
    return Estimate(
        seconds=_seconds(found.seconds),
        gpu_seconds=_seconds(found.gpu_seconds),
        peak_memory_bytes=max(sizes, default=0) or None,
        cached=cached,
        basis=found.basis,
    )


def _seconds(found: history.Seconds | None) -> Seconds | None:
    return Seconds(p50=found.p50, p90=found.p90) if found else None

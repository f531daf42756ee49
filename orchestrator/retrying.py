"""Retrying: a job that has ended is run again, from what failed or from a step, perhaps with other
parameters.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Connection

from medley.advice import advice
from medley.errors import Conflict
from medley.gate import Fault
from orchestrator import engine, jobs
from orchestrator.checking import Rules
from orchestrator.database import raw
from orchestrator.fitting import out_of_range
from orchestrator.order import InvalidRequest
from orchestrator.quotas import Grant
from orchestrator.webhooks import endpoints


def retry(
    conn: Connection,
    tenant: str,
    job_id: str,
    start: str,
    overrides: Mapping[str, Mapping[str, Any]],
    rules: Rules,
    grant: Grant,
) -> str:
    """A new job that runs again from `failed` or a step; the id of it.

    Raises `NotFound`, `Conflict` (has not ended), `InvalidRequest` (steps, parameters).
    """
    job = jobs.get(conn, tenant, job_id)
    if not job.ended:
        raise Conflict(f"The job is {job.status}; only a job that has ended can be retried.")
    of_id = {step.id: step for step in job.steps}
    faults = []
    if start != "failed" and start not in of_id:
        faults.append(Fault("/from", f"There is no step {start!r}.", _names(of_id)))
    for step_id, params in overrides.items():
        at = f"/overrides/{step_id}"
        if step_id not in of_id or of_id[step_id].kind != "work":
            faults.append(Fault(at, f"There is no step {step_id!r} to change.", _names(of_id)))
            continue
        faults += _param_faults(at, of_id[step_id], params, rules)
    if faults:
        raise InvalidRequest(
            f"{faults[0].pointer}: {faults[0].reason}", errors=[item.to_data() for item in faults]
        )
    plain = {step: dict(params) for step, params in overrides.items()}
    again = engine.retry_job(
        raw(conn),
        tenant,
        job_id,
        start=start,
        overrides=plain,
        key=grant.key,
        max_gpu_seconds=grant.budget(job.options.get("max_gpu_seconds")),
    )
    endpoints.copy_for_job(conn, tenant, job_id, again)
    return again


def _names(of_id: Mapping[str, Any]) -> str:
    return f"Steps: {', '.join(of_id)}." if of_id else ""


def _param_faults(
    at: str, step: jobs.StepView, params: Mapping[str, Any], rules: Rules
) -> list[Fault]:
    tool = rules.tools.get(step.tool)
    if tool is None:
        return [Fault(at, f"There is no tool {step.tool!r} any more.", "Leave it as it was.")]
    merged = {**step.params, **params}
    seed = merged.pop("seed", 0)
    faults = []
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**63:
        reason = "A seed is an integer from 0 to 2^63 - 1."
        faults.append(Fault(f"{at}/seed", reason, "Choose one in the range."))
    try:
        tool.params.model_validate(merged)
    except ValidationError as error:
        for found in error.errors(include_url=False, include_input=False):
            place = "".join(f"/{part}" for part in found["loc"])
            faults.append(Fault(at + place, found["msg"], advice(found)))
    model = rules.models.get(step.model or "")
    return faults if model is None else [*faults, *out_of_range(params, tool, model, at)]

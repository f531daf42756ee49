"""Intake: what a caller asks for becomes a job, checked as far as it can be before any model runs.

A free request gets two steps, `plan` and `answer`; the hub writes the rest. A workflow or a plan
passes the gate here, and its steps are written at once.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection

from medley.errors import Unavailable
from medley.gate import Fault, refuse
from medley.ids import new_id
from medley.plan import AssetBinding, Plan
from orchestrator import conversations, engine
from orchestrator.binding import bind, declared
from orchestrator.checking import Rules, checked, find_assets, seeded
from orchestrator.database import raw
from orchestrator.engine import Kind, NewJob, NewStep
from orchestrator.live import load_served
from orchestrator.order import InvalidRequest, Order, require_assets
from orchestrator.routing import pick, serving, unserved, why_not
from orchestrator.settling import bounded
from orchestrator.webhooks import endpoints


def submit(conn: Connection, order: Order, rules: Rules) -> str:
    """Writes message, job and first steps in the caller's transaction; the id of the job.

    Raises `InvalidRequest`, `InvalidPlan`, `NotFound` (conversation, parent).
    """
    if order.workflow is None and order.plan is None:
        job = _free(conn, order, rules)
    else:
        job = _fixed(conn, order, rules)
    if order.conversation is not None:
        job = _say(conn, order, job)
    if order.webhook is not None:
        endpoints.add_for_job(conn, order.tenant, job.id, order.webhook)
    return engine.submit(raw(conn), job)


def plan_of(conn: Connection, order: Order, rules: Rules, *, now: bool = False) -> Plan:
    """The checked, lowered plan of a workflow or plan order. Raises `InvalidPlan`.

    `now`: live workers must serve it.
    """
    plan = order.plan
    if order.workflow is not None:
        _, faults = declared(order.workflow)
        if not faults:
            given = find_assets(conn, order.tenant, _named(order))
            plan, faults = bind(order.workflow, order.values, given)
        if faults:
            raise refuse(faults)
    if plan is None:
        raise InvalidRequest("There is neither a workflow nor a plan.")
    prefix = "/workflow/plan" if order.workflow is not None else "/plan"
    return checked(conn, order.tenant, plan, rules, order.options, prefix=prefix, now=now)


def _free(conn: Connection, order: Order, rules: Rules) -> NewJob:
    if not order.parts:
        fault = Fault("/input", "There are neither words nor files.", "Give either.")
        raise InvalidRequest(f"/input: {fault.reason}", errors=[fault.to_data()])
    require_assets(conn, order.tenant, order.parts)
    kinds = (Kind.PLAN,) if order.options.get("dry_run") else (Kind.PLAN, Kind.ANSWER)
    policy = rules.policy(order.options)
    served = load_served(raw(conn)).later()
    ready = serving(rules.models, served)
    steps = []
    for kind in kinds:
        choice = pick(kind.value, rules.models, ready, policy)
        if choice is None:
            reason = why_not(kind.value, rules.models, policy, rules.withheld)
            raise Unavailable(reason or " ".join(unserved(kind, rules.models, policy, served)))
        steps.append(NewStep.whole_job(rules.tools[kind.value], kind, model=choice.model.id))
    return _job(order, rules, "request", steps, None)


def _fixed(conn: Connection, order: Order, rules: Rules) -> NewJob:
    plan = recipe(plan_of(conn, order, rules), rules, order.options)
    if not plan.steps:
        raise refuse([Fault("/plan/steps", "There is nothing to do.", "Add a step.")])
    kind = "workflow" if order.workflow is not None else "plan"
    return _job(order, rules, kind, new_steps(plan, rules), plan)


def recipe(plan: Plan, rules: Rules, options: Mapping[str, Any]) -> Plan:
    """The plan as it will run: every seed drawn, every budget set."""
    plan = seeded(plan, rules, options)
    return bounded(plan, rules.tools, options.get("max_output_tokens"))


def _job(order: Order, rules: Rules, kind: str, steps: list[NewStep], plan: Plan | None) -> NewJob:
    request: dict[str, Any] = {"input": [part.model_dump(mode="json") for part in order.parts]}
    if order.instructions:
        request["instructions"] = order.instructions
    if order.outputs:
        request["outputs"] = [item.value for item in order.outputs]
    if order.values:
        request["inputs"] = {name: _plain(value) for name, value in order.values.items()}
    if order.history:
        request["history"] = [
            item.model_dump(mode="json", include={"role", "parts"}) for item in order.history
        ]
    if order.asked:
        request["asked"] = dict(order.asked)
    return NewJob(
        id=order.id or new_id("job"),
        tenant=order.tenant,
        steps=steps,
        kind=kind,
        priority=order.priority,
        request=request,
        plan=plan.to_json() if plan is not None else None,
        workflow=order.workflow_id,
        workflow_version=order.workflow_version,
        approve=order.approve,
        options=dict(order.options),
        metadata=dict(order.metadata),
        max_steps=rules.limits(order.options).max_steps,
        max_rounds=1 + int(order.options.get("max_revisions", 0)) if kind == "request" else 1,
        max_gpu_seconds=order.grant.budget(order.options.get("max_gpu_seconds")),
        key=order.grant.key,
    )


def new_steps(plan: Plan, rules: Rules) -> list[NewStep]:
    """The steps of a checked plan, as rows to write."""
    return [
        NewStep.of(step, rules.tools[step.tool], seed=int(step.params.get("seed", 0)))
        for step in plan.steps
    ]


def _say(conn: Connection, order: Order, job: NewJob) -> NewJob:
    """Puts the request into its conversation, after its parent or the newest message."""
    assert order.conversation is not None
    conversations.get(conn, order.tenant, order.conversation)
    parent = order.parent
    if parent is None:
        newest = conversations.newest_message(conn, order.tenant, order.conversation)
        parent = newest.id if newest is not None else None
    said = conversations.add_message(
        conn,
        order.tenant,
        order.conversation,
        "user",
        order.parts,
        parent=parent,
        job=job.id,
    )
    return replace(job, conversation=order.conversation, message=said.id)


def _named(order: Order) -> set[str]:
    values = (item for value in order.values.values() for item in _listed(value))
    return {item.asset for item in values if isinstance(item, AssetBinding)}


def _listed(value: Any) -> Iterable[Any]:
    return value if isinstance(value, list | tuple) else [value]


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value.model_dump(mode="json", by_alias=True)

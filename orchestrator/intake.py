"""Intake: what a caller asks for becomes a job, checked as far as it can be before any model runs.

A free request gets two steps, `plan` and `answer`; the hub writes the rest. A workflow or a plan
passes the gate here, and its steps are written at once.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from pydantic import ValidationError
from sqlalchemy import Connection

from medley.advice import UPLOAD, advice
from medley.errors import CallerError, Conflict, Unavailable
from medley.gate import Fault, refuse
from medley.ids import new_id
from medley.modality import Modality
from medley.parts import AssetPart, Part, TextPart
from medley.plan import AssetBinding, Plan, Workflow
from medley.status import JobStatus
from medley.tasks import ChatMessage
from orchestrator import conversations, engine, jobs
from orchestrator.binding import Values, bind, declared
from orchestrator.checking import Rules, checked, find_assets, seeded
from orchestrator.database import raw
from orchestrator.engine import Kind, NewJob, NewStep
from orchestrator.fitting import not_taken, out_of_range
from orchestrator.live import load_served
from orchestrator.quotas import Grant
from orchestrator.routing import pick, serving, unserved, why_not
from orchestrator.settling import bounded
from orchestrator.webhooks import endpoints
from orchestrator.webhooks.endpoints import Hook


class InvalidRequest(CallerError):
    """The request is well formed, but names things that do not fit; `errors` says where."""

    code: ClassVar[str] = "invalid_request"
    status: ClassVar[int] = 422


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a caller asks for. Exactly one of `parts`, `workflow` and `plan` is given; with a plan,
    `parts` may say what it was made of.
    """

    tenant: str
    parts: Sequence[Part] = ()
    instructions: str = ""
    outputs: Sequence[Modality] = ()
    workflow: Workflow | None = None
    workflow_id: str | None = None
    workflow_version: int | None = None
    values: Values = field(default_factory=dict)
    plan: Plan | None = None
    conversation: str | None = None
    parent: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    priority: int = 0
    metadata: Mapping[str, str] = field(default_factory=dict)
    id: str | None = None  # of the job, where the caller listens to it before it is there
    history: Sequence[ChatMessage] = ()  # what was said before, where no conversation holds it
    asked: Mapping[str, Any] = field(default_factory=dict)  # in the form of another interface
    grant: Grant = field(default_factory=Grant)
    webhook: Hook | None = None

    @property
    def approve(self) -> str:
        """`auto`, or `plan` to stop at the checked plan."""
        return str(self.options.get("approve", "auto"))


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


def revise(
    conn: Connection, tenant: str, job_id: str, plan: Plan, expected: int | None, rules: Rules
) -> None:
    """Gives a waiting job this plan, once it has passed the gate; it goes on waiting.

    Raises `NotFound`, `Conflict` (not waiting), `RevisionMoved`, `InvalidPlan`.
    """
    job = jobs.get(conn, tenant, job_id)
    if job.status is not JobStatus.WAITING:
        raise Conflict(f"The job is {job.status}; only a waiting job can be given another plan.")
    taken = {step.id for step in job.steps if step.kind != "work"}
    lowered = checked(conn, tenant, plan, rules, job.options, prefix="/plan", taken=taken)
    lowered = _recipe(lowered, rules, job.options)
    steps = _steps(lowered, rules)
    engine.revise(raw(conn), tenant, job_id, lowered.to_json(), steps, expected=expected)


def approve(
    conn: Connection,
    tenant: str,
    job_id: str,
    plan: Plan | None,
    expected: int | None,
    rules: Rules,
) -> None:
    """Lets a waiting job run exactly the plan it has, or this one if it passes the gate.

    Raises `NotFound`, `Conflict` (not waiting), `RevisionMoved`, `InvalidPlan`.
    """
    if plan is not None:
        revise(conn, tenant, job_id, plan, expected, rules)
        expected = None
    engine.approve(raw(conn), tenant, job_id, expected=expected)


def give_input(conn: Connection, tenant: str, job_id: str, parts: Sequence[Part]) -> None:
    """Answers the question of a job that waits for input; the hub plans with it.

    Raises `NotFound`, `Conflict` (does not wait for input), `InvalidRequest`.
    """
    if not parts:
        fault = {"pointer": "/input", "reason": "There are neither words nor files."}
        raise InvalidRequest(f"/input: {fault['reason']}", errors=[fault])
    _require_assets(conn, tenant, parts)
    job = jobs.get(conn, tenant, job_id)
    if job.question is None:
        raise Conflict(f"The job is {job.status}; it has asked nothing.")
    question = [TextPart(text=job.question)]
    asked = said = None
    if job.conversation is not None:
        asked = conversations.last_of_job(conn, tenant, job.conversation, job_id)
        said = conversations.add_message(
            conn, tenant, job.conversation, "user", parts, parent=asked, job=job_id
        ).id
    turns = [_turn("assistant", question, asked), _turn("user", parts, said)]
    engine.give_input(raw(conn), tenant, job_id, turns)


def _turn(role: str, parts: Sequence[Part], message: str | None) -> dict[str, Any]:
    data = [part.model_dump(mode="json") for part in parts]
    return {"role": role, "parts": data, "message": message}


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


def _free(conn: Connection, order: Order, rules: Rules) -> NewJob:
    if not order.parts:
        fault = Fault("/input", "There are neither words nor files.", "Give either.")
        raise InvalidRequest(f"/input: {fault.reason}", errors=[fault.to_data()])
    _require_assets(conn, order.tenant, order.parts)
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
    plan = _recipe(plan_of(conn, order, rules), rules, order.options)
    if not plan.steps:
        raise refuse([Fault("/plan/steps", "There is nothing to do.", "Add a step.")])
    kind = "workflow" if order.workflow is not None else "plan"
    return _job(order, rules, kind, _steps(plan, rules), plan)


def _recipe(plan: Plan, rules: Rules, options: Mapping[str, Any]) -> Plan:
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


def _steps(plan: Plan, rules: Rules) -> list[NewStep]:
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


def _require_assets(conn: Connection, tenant: str, parts: Sequence[Part]) -> None:
    named = {part.asset for part in parts if isinstance(part, AssetPart)}
    known = find_assets(conn, tenant, named)
    faults = [
        Fault(f"/input/{place}/asset", f"There is no asset {part.asset!r}.", UPLOAD).to_data()
        for place, part in enumerate(parts)
        if isinstance(part, AssetPart) and part.asset not in known
    ]
    if faults:
        raise InvalidRequest(f"{faults[0]['pointer']}: {faults[0]['reason']}", errors=faults)


def _named(order: Order) -> set[str]:
    values = (item for value in order.values.values() for item in _listed(value))
    return {item.asset for item in values if isinstance(item, AssetBinding)}


def _listed(value: Any) -> Iterable[Any]:
    return value if isinstance(value, list | tuple) else [value]


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value.model_dump(mode="json", by_alias=True)


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
    if model is not None:
        faults += out_of_range(params, tool, model, at)
        faults += not_taken(params, tool, model, rules.models.values(), at)
    return faults


def dry(order: Order) -> Order:
    """The same order, stopped at its plan and without an answer."""
    return replace(
        order, webhook=None, options={**order.options, "approve": "plan", "dry_run": True}
    )

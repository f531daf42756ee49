"""Checking: plans and workflows against what can run here, with their models chosen.

Nothing is written. The gate looks at the plan itself, lowering at the models that would serve it.
"""

import secrets
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from sqlalchemy import Connection, select

from medley.backend import ModelSpec
from medley.errors import CallerError
from medley.gate import Fault, Limits, refuse
from medley.modality import Modality
from medley.plan import AssetBinding, Plan, Workflow
from medley.tools import Toolbox
from orchestrator import history
from orchestrator.binding import declared
from orchestrator.candidates import Candidates
from orchestrator.database import raw
from orchestrator.live import load_served
from orchestrator.lowering import unlowered
from orchestrator.routing import Policy
from orchestrator.settling import Means, settle
from orchestrator.subplans import inline, uses_flows
from orchestrator.tables import assets
from orchestrator.workflows import load_flows


class ServerNotAllowed(CallerError):
    """The job names an attached server that is not there, or not for this caller."""

    code: ClassVar[str] = "server_not_allowed"
    status: ClassVar[int] = 422

    def __init__(self, name: str, servers: Collection[str]) -> None:
        known = f"There are: {', '.join(sorted(servers))}." if servers else "None is attached."
        fault = Fault("/options/tools_from", f"There is no attached server {name!r}.", known)
        super().__init__(f"{fault.pointer}: {fault.reason} {known}", errors=[fault.to_data()])


class ModelNotServing(CallerError):
    """The job names a model for a tool that does not serve it here."""

    code: ClassVar[str] = "model_not_serving"
    status: ClassVar[int] = 422

    def __init__(self, tool: str, model: str, able: Collection[str]) -> None:
        known = f"It is served by: {', '.join(sorted(able)) or 'none'}."
        fault = Fault(f"/options/models/{tool}", f"{model!r} does not serve {tool!r}.", known)
        super().__init__(f"{fault.pointer}: {fault.reason} {known}", errors=[fault.to_data()])


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What plans may use here: declared tools and the models of the catalogue.

    `withheld`: models that are left out for their licence, so that a refusal can name them.
    `known`: all that the catalogue describes, whether they serve or not.
    """

    tools: Toolbox
    models: Mapping[str, ModelSpec]
    withheld: Collection[ModelSpec] = ()
    known: Mapping[str, ModelSpec] = field(default_factory=dict)
    max_steps: int = 64
    commercial_only: bool = False

    @property
    def servers(self) -> frozenset[str]:
        """The attached servers."""
        return frozenset(spec.outside for spec in self.models.values() if spec.outside)

    def policy(self, options: Mapping[str, Any]) -> Policy:
        """What this caller allows, never more than the installation does. What a caller's key
        permits belongs here, too. Raises `ServerNotAllowed`, `ModelNotServing`.
        """
        asked = Policy.asked(options)
        unknown = sorted(asked.tools_from - self.servers)
        if unknown:
            raise ServerNotAllowed(unknown[0], self.servers)
        for tool, model in asked.models.items():
            able = [spec.id for spec in self.models.values() if tool in spec.tools]
            if model not in able:
                raise ModelNotServing(tool, model, able)
        return replace(asked, commercial_only=self.commercial_only or asked.commercial_only)

    def limits(self, options: Mapping[str, Any]) -> Limits:
        """The limits of one plan."""
        return Limits(
            max_steps=min(options.get("max_steps") or self.max_steps, self.max_steps),
            max_gpu_seconds=options.get("max_gpu_seconds"),
        )

    def means(
        self, conn: Connection, tenant: str, options: Mapping[str, Any], *, now: bool = False
    ) -> Means:
        """What a plan of this caller may be run with: now, or as soon as there are workers for it.
        Without any live worker it may always wait.
        """
        served = load_served(raw(conn))
        limited = options.get("max_gpu_seconds") is not None
        return Means(
            tools=self.tools,
            models=self.models,
            policy=self.policy(options),
            served=served if now and served.tools else served.later(),
            withheld=self.withheld,
            costs=history.gpu_costs(raw(conn), tenant) if limited else {},
        )


def checked(
    conn: Connection,
    tenant: str,
    plan: Plan,
    rules: Rules,
    options: Mapping[str, Any],
    *,
    inputs: Mapping[str, frozenset[Modality]] | None = None,
    prefix: str = "",
    now: bool = False,
    taken: Collection[str] = (),
) -> Plan:
    """The plan with its models chosen. Raises `InvalidPlan`, its pointers led by `prefix`.

    `now`: live workers must serve it; otherwise it may wait for them, but not for a model that they
    cannot load. `taken`: ids that its steps may not have.
    """
    plan = unlowered(plan)
    means = replace(
        rules.means(conn, tenant, options, now=now),
        flows=load_flows(raw(conn), tenant) if uses_flows(plan) else {},
        best_of=Candidates.of(options),
    )
    if faults := list(_not_named(plan, rules, means.policy)):
        raise refuse(replace(item, pointer=prefix + item.pointer) for item in faults)
    found = find_assets(conn, tenant, _assets_of(plan))
    known = means.known(found, rules.limits(options), inputs=inputs, taken=taken)
    settled, faults = settle(plan, known, means)
    if faults:
        raise refuse(replace(item, pointer=prefix + item.pointer) for item in faults)
    return settled


def check_workflow(conn: Connection, tenant: str, workflow: Workflow, rules: Rules) -> Plan:
    """The plan of a workflow with its models chosen. Raises `InvalidPlan`."""
    inputs, faults = declared(workflow)
    if faults:
        raise refuse(faults)
    # Whether it may use tools from outside is said by each run of it.
    options = {"tools_from": sorted(rules.servers)}
    return checked(conn, tenant, workflow.plan, rules, options, inputs=inputs, prefix="/plan")


def check_publication(
    conn: Connection, tenant: str, name: str, workflow: Workflow, rules: Rules
) -> None:
    """Raises `InvalidPlan` for a workflow that cannot be a tool of this name."""
    check_workflow(conn, tenant, workflow, rules)
    if not workflow.plan.reply.show:
        remedy = "Name the outputs that the tool gives, such as s2.image."
        raise refuse([Fault("/plan/reply/show", "It shows nothing.", remedy)])
    flows = {**load_flows(raw(conn), tenant), name: workflow}
    _, faults = inline(workflow.plan, flows)
    if faults:
        raise refuse(faults)


def _not_named(plan: Plan, rules: Rules, policy: Policy) -> Iterator[Fault]:
    """Steps that use an attached server which the job does not name."""
    for place, step in enumerate(plan.steps):
        server = rules.tools[step.tool].server if step.tool in rules.tools else ""
        if server and server not in policy.tools_from:
            yield Fault(
                f"/steps/{place}/tool",
                f"{step.tool!r} is a tool from outside, which this job does not allow.",
                f'Name its server: "options": {{"tools_from": ["{server}"]}}.',
            )


def seeded(plan: Plan, rules: Rules, options: Mapping[str, Any]) -> Plan:
    """The plan with a seed in every step that takes one, so that the recipe is complete."""
    given = options.get("seed")
    seed = secrets.randbelow(1 << 31) if given is None else int(given)
    steps = [
        step.model_copy(update={"params": {"seed": seed, **step.params}})
        if rules.tools[step.tool].seeded
        else step
        for step in plan.steps
    ]
    return plan.model_copy(update={"steps": steps})


def find_assets(conn: Connection, tenant: str, named: Collection[str]) -> dict[str, Modality]:
    """Modality of the tenant's assets among these ids."""
    if not named:
        return {}
    query = select(assets.c.id, assets.c.modality).where(
        assets.c.tenant == tenant, assets.c.id.in_(named)
    )
    return {row.id: Modality(row.modality) for row in conn.execute(query)}


def _assets_of(plan: Plan) -> set[str]:
    bindings = (item for step in plan.steps for _, _, item in step.bindings())
    return {item.asset for item in bindings if isinstance(item, AssetBinding)}

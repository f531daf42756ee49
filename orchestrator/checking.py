"""Checking: plans and workflows against what can run here, with their models chosen.

Nothing is written. The gate looks at the plan itself, lowering at the models that would serve it.
"""

import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, select

from medley.backend import ModelSpec
from medley.gate import Limits, refuse
from medley.modality import Modality
from medley.plan import AssetBinding, Plan, Workflow
from medley.tools import Toolbox
from orchestrator import history
from orchestrator.binding import declared
from orchestrator.database import raw
from orchestrator.lowering import unlowered
from orchestrator.routing import Policy
from orchestrator.settling import Means, settle
from orchestrator.tables import assets


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What plans may use here: declared tools and the models of the catalogue.

    `withheld`: models that are left out for their licence, so that a refusal can name them.
    """

    tools: Toolbox
    models: Mapping[str, ModelSpec]
    withheld: Collection[ModelSpec] = ()
    max_steps: int = 64
    commercial_only: bool = False

    def policy(self, options: Mapping[str, Any]) -> Policy:
        """What this caller allows, never more than the installation does."""
        asked = bool(options.get("commercial_only"))
        return Policy(commercial_only=self.commercial_only or asked)

    def limits(self, options: Mapping[str, Any]) -> Limits:
        """The limits of one plan."""
        return Limits(
            max_steps=min(options.get("max_steps") or self.max_steps, self.max_steps),
            max_gpu_seconds=options.get("max_gpu_seconds"),
        )

    def means(
        self, conn: Connection, tenant: str, options: Mapping[str, Any], served: Collection[str]
    ) -> Means:
        """What a plan of this caller may be run with. `served`: nothing stands for not asked."""
        limited = options.get("max_gpu_seconds") is not None
        return Means(
            tools=self.tools,
            models=self.models,
            policy=self.policy(options),
            served=served or None,
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
    served: Collection[str] = (),
    taken: Collection[str] = (),
) -> Plan:
    """The plan with its models chosen. Raises `InvalidPlan`, its pointers led by `prefix`.

    `served`: tools of live workers, where the plan must be able to run now; without them it may
    wait for its workers. `taken`: ids that its steps may not have.
    """
    plan = unlowered(plan)
    means = rules.means(conn, tenant, options, served)
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
    return checked(conn, tenant, workflow.plan, rules, {}, inputs=inputs, prefix="/plan")


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

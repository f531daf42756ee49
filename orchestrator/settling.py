"""Settling: from a plan as it was written to the one that would run, or to all that is wrong with
it. Pure.

The gate looks at what was written. Workflows among its steps are written out, candidates of its
drawings added, lowering chooses models and adds embeddings, and the budget is held against what
came of it.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from medley.backend import ModelSpec
from medley.gate import Fault, Known, Limits, check, overspent
from medley.modality import Modality
from medley.plan import Plan, PlanStep
from medley.status import Lane
from medley.tools import Toolbox
from orchestrator.candidates import Candidates
from orchestrator.lowering import lower
from orchestrator.routing import (
    Policy,
    Served,
    candidates,
    pick,
    serving,
    unserved,
    usable,
    why_not,
)
from orchestrator.subplans import Flows, inline, with_flows


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What plans may be run with: declared tools, models, and what history says they cost.

    `served`: what live workers serve; None: not asked. `withheld`: models that the installation
    leaves out for their licence. `costs`: accelerator seconds by tool and model.
    """

    tools: Toolbox
    models: Mapping[str, ModelSpec]
    policy: Policy = field(default_factory=Policy)
    served: Served | None = None
    withheld: Collection[ModelSpec] = ()
    costs: Mapping[tuple[str, str | None], float] = field(default_factory=dict)
    flows: Flows = field(default_factory=dict)  # published workflows, by tool
    best_of: Candidates = field(default_factory=Candidates)

    def known(
        self,
        assets: Mapping[str, Modality],
        limits: Limits,
        *,
        inputs: Mapping[str, frozenset[Modality]] | None = None,
        taken: Collection[str] = (),
    ) -> Known:
        """What a plan may refer to."""
        tools, barred = usable(self.tools, self.models, self.policy, self.served, self.withheld)
        return Known(
            tools=with_flows(tools, self.flows),
            barred=barred,
            assets=assets,
            inputs=inputs or {},
            limits=limits,
            taken=taken,
        )


def settle(plan: Plan, known: Known, means: Means) -> tuple[Plan, list[Fault]]:
    """The plan with models chosen and embeddings made where they are read, and its faults; with
    faults, the plan as it was.
    """
    faults = check(plan, known)
    if faults:
        return plan, faults
    written, faults = inline(plan, means.flows)
    if faults:
        return plan, [fault if fault.suggestion else _advised(fault) for fault in faults]
    whole = means.best_of.apply(written, known.tools)
    faults = check(whole, known) if whole is not plan else []
    if faults:
        return plan, faults
    plan = whole
    models = serving(means.models, means.served)
    faults = [*_pins(plan, models, means)]
    if faults:
        return plan, faults
    lowered, faults = lower(plan, known, models, means.policy, best=means.models)
    faults = [fault if fault.suggestion else _advised(fault) for fault in faults]
    faults = faults or list(overspent(lowered, known.limits, means.costs))
    return (plan, faults) if faults else (lowered, [])


def bounded(plan: Plan, tools: Toolbox, max_output_tokens: int | None) -> Plan:
    """The plan in which each step whose tool knows `max_tokens` writes at most so many."""
    if max_output_tokens is None:
        return plan
    steps = []
    for step in plan.steps:
        tool = tools.get(step.tool)  # lowering may have added a step
        if tool is not None and "max_tokens" in tool.params.model_fields:
            most = min(step.params.get("max_tokens") or max_output_tokens, max_output_tokens)
            step = step.model_copy(update={"params": {**step.params, "max_tokens": most}})
        steps.append(step)
    return plan.model_copy(update={"steps": steps})


def drawn(plan: Plan, tools: Toolbox, wanted: Mapping[str, Any]) -> Plan:
    """The plan in which each step that draws has the parameters that the caller wants."""
    steps = []
    for step in plan.steps:
        tool = tools.get(step.tool)
        if tool is not None and tool.lane is Lane.GENERATE:
            known = tool.params.model_fields
            fitting = {name: value for name, value in wanted.items() if name in known}
            step = step.model_copy(update={"params": {**step.params, **fitting}})
        steps.append(step)
    return plan.model_copy(update={"steps": steps})


def _pins(plan: Plan, models: Mapping[str, ModelSpec], means: Means) -> Iterable[Fault]:
    """Models that a step names and may not have, each with the reason."""
    for place, step in enumerate(plan.steps):
        if step.model is None:
            continue
        policy = replace(means.policy, models={}) if step.instead_of else means.policy
        if pick(step.tool, means.models, models, policy, step.model) is not None:
            continue
        fitting = [spec.id for spec in candidates(step.tool, models.values(), means.policy)]
        served = f"{step.tool!r} is served by: {', '.join(fitting) or 'none'}."
        reason, remedy = _unfit(step, models, means)
        yield Fault(f"/steps/{place}/model", reason, f"{served} {remedy}".strip())


def _unfit(step: PlanStep, models: Mapping[str, ModelSpec], means: Means) -> tuple[str, str]:
    everything = {spec.id: spec for spec in (*means.withheld, *means.models.values())}
    found = everything.get(step.model or "")
    if found is None or step.tool not in found.tools:
        return f"The model {step.model!r} does not serve {step.tool!r}.", ""
    if step.model in models and step.tool not in models[found.id].tools:
        if means.served is not None and found.id in means.served.missing:
            return unserved(step.tool, means.models, means.policy, means.served, found.id)
        return f"No live worker serves {step.tool!r} by {step.model!r} now.", ""
    allowed = replace(means.policy, commercial_only=False)
    if why_not(step.tool, {found.id: found}, allowed):
        return f"The model {step.model!r} belongs to another embedding space.", ""
    licence = found.licence or "none named"
    return (
        f"Only models whose licence permits commercial use are allowed; that of {step.model!r} "
        f"({licence}) does not."
    ), ""


def _advised(fault: Fault) -> Fault:
    return replace(fault, suggestion="Pin no model, or leave this step out.")

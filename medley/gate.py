"""The gate: every plan, whoever wrote it, is checked here before any model runs. Pure.

Each fault has a JSON pointer, a reason and a suggestion. No fault means: every tool may be used
now, every input is there and of a fitting type, each step reads earlier ones only, parameters are
in range, limits are kept.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from graphlib import CycleError
from typing import Any

from pydantic import ValidationError

from medley.errors import InvalidPlan
from medley.gate_bindings import EMBEDDABLE, dangling, gives_list, output_modalities
from medley.gate_shape import malformed
from medley.gate_steps import step_faults, unknown_tools
from medley.known import Barred, Fault, Known, Limits
from medley.plan import OutputBinding, Plan
from medley.storable import unstorable
from medley.tools import Toolbox

__all__ = [
    "EMBEDDABLE",
    "Barred",
    "Fault",
    "Known",
    "Limits",
    "check",
    "gives_list",
    "output_modalities",
    "overspent",
    "parse_plan",
    "refuse",
    "unknown_tools",
]


def parse_plan(data: Any) -> Plan:
    """Reads a plan from JSON. Raises `InvalidPlan` with one entry per malformed place."""
    unfit = [Fault(at, reason, "Leave it out.") for at, reason in unstorable(data)]
    if unfit:
        raise refuse(unfit)
    try:
        return Plan.model_validate(data)
    except ValidationError as error:
        raise refuse(malformed(error)) from None


def refuse(faults: Iterable[Fault]) -> InvalidPlan:
    """The error that carries these faults."""
    listed = [fault.to_data() for fault in faults]
    first = listed[0] if listed else {"pointer": "", "reason": "The plan cannot be run."}
    return InvalidPlan(f"{first['pointer']}: {first['reason']}", errors=listed)


def check(plan: Plan, known: Known) -> list[Fault]:
    """All faults of a plan, in the order of its steps; an empty list lets it through."""
    faults = [*_sizes(plan, known.limits), *_ids(plan, known.taken), *_order(plan, known.limits)]
    for place, step in enumerate(plan.steps):
        faults += step_faults(place, step, plan, known)
    return [*faults, *_reply(plan, known.tools)]


def overspent(
    plan: Plan, limits: Limits, costs: Mapping[tuple[str, str | None], float]
) -> Iterator[Fault]:
    """What a plan with its models chosen would use too much of.

    `costs`: accelerator seconds of one run, by tool and model. A step that they do not name counts
    as nothing: what is not known is not invented.
    """
    if len(plan.steps) > limits.max_steps:
        yield Fault(
            "/steps",
            f"{len(plan.steps)} steps with the embeddings that they read; "
            f"at most {limits.max_steps} are allowed.",
            "Use fewer steps, or embed once what several steps read.",
        )
    if limits.max_gpu_seconds is None or not plan.steps:
        return
    spent = {step.id: costs.get((step.tool, step.model), 0.0) for step in plan.steps}
    total = sum(spent.values())
    if total > limits.max_gpu_seconds:
        dearest = max(plan.steps, key=lambda step: spent[step.id])
        yield Fault(
            "/steps",
            f"About {total:.1f} GPU seconds, as earlier runs tell; "
            f"at most {limits.max_gpu_seconds:g} are allowed.",
            f"{dearest.id} ({dearest.tool}) takes about {spent[dearest.id]:.1f} of them; "
            "do without it.",
        )


def _sizes(plan: Plan, limits: Limits) -> Iterator[Fault]:
    if len(plan.steps) > limits.max_steps:
        reason = f"{len(plan.steps)} steps; at most {limits.max_steps} are allowed."
        yield Fault("/steps", reason, "Use fewer steps.")
    readers: dict[str, int] = {}
    for step in plan.steps:
        for needed in step.needs():
            readers[needed] = readers.get(needed, 0) + 1
    for place, step in enumerate(plan.steps):
        if readers.get(step.id, 0) > limits.max_fan_out:
            reason = f"{readers[step.id]} steps read this one; at most {limits.max_fan_out} may."
            yield Fault(f"/steps/{place}", reason, "Let fewer steps read it.")


def _ids(plan: Plan, taken: Collection[str]) -> Iterator[Fault]:
    seen: set[str] = set()
    for place, step in enumerate(plan.steps):
        at = f"/steps/{place}/id"
        if step.id in seen:
            yield Fault(at, f"The id {step.id!r} is used twice.", "Give each step its own id.")
        elif step.id in taken:
            yield Fault(at, f"The id {step.id!r} is taken by the job.", "Choose another, as s1.")
        seen.add(step.id)


def _order(plan: Plan, limits: Limits) -> Iterator[Fault]:
    try:
        order = plan.order()
    except CycleError as error:
        circle = " -> ".join(reversed(error.args[1]))
        reason = f"The steps wait for each other in a circle: {circle}."
        yield Fault("/steps", reason, "Let each step read earlier ones only.")
        return
    needs = {step.id: step.needs() for step in plan.steps}
    depth: dict[str, int] = {}
    for step_id in order:
        depth[step_id] = 1 + max((depth[needed] for needed in needs.get(step_id, ())), default=0)
    if max(depth.values(), default=0) > limits.max_depth:
        reason = f"{max(depth.values())} steps in a row; at most {limits.max_depth} are allowed."
        yield Fault("/steps", reason, "Let steps run side by side, or use fewer.")
    yield from _forward(plan)


def _forward(plan: Plan) -> Iterator[Fault]:
    """References to steps that come later, in a plan without circles."""
    places = {step.id: place for place, step in enumerate(plan.steps)}
    for place, step in enumerate(plan.steps):
        read = [
            (f"/inputs/{port}" if item is None else f"/inputs/{port}/{item}", binding.step)
            for port, item, binding in step.bindings()
            if isinstance(binding, OutputBinding)
        ]
        read += [(f"/after/{number}", name) for number, name in enumerate(step.after)]
        for at, name in read:
            if places.get(name, -1) > place:
                reason = f"Step {name!r} comes later."
                yield Fault(f"/steps/{place}{at}", reason, f"Put {name!r} before {step.id!r}.")


def _reply(plan: Plan, tools: Toolbox) -> Iterator[Fault]:
    for place, shown in enumerate(plan.reply.show):
        binding = OutputBinding.of(shown)
        try:
            output_modalities(binding, plan, tools)
        except KeyError:
            yield dangling(f"/reply/show/{place}", binding, plan, tools)

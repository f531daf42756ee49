"""The gate: every plan, whoever wrote it, is checked here before any model runs. Pure.

Each fault has a JSON pointer, a reason and a suggestion. No fault means: every tool may be used
now, every input is there and of a fitting type, each step reads earlier ones only, parameters are
in range, limits are kept.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from graphlib import CycleError
from typing import Any

from pydantic import ValidationError

from medley.advice import BINDING, advice
from medley.errors import InvalidPlan
from medley.modality import Modality
from medley.nearest import nearest_name, nearest_tool
from medley.plan import (
    AssetBinding,
    Binding,
    InputBinding,
    OutputBinding,
    Plan,
    PlanStep,
    TextBinding,
)
from medley.storable import unstorable
from medley.tools import Port, Tool, Toolbox

EMBEDDABLE = frozenset({Modality.TEXT, Modality.IMAGE, Modality.AUDIO, Modality.VIDEO})


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a plan."""

    pointer: str  # JSON pointer into the plan, such as /steps/1/inputs/image
    reason: str
    suggestion: str = ""

    def to_data(self) -> dict[str, str]:
        """Plain JSON."""
        return {"pointer": self.pointer, "reason": self.reason, "suggestion": self.suggestion}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How large a plan may be, and what it may cost."""

    max_steps: int = 64
    max_depth: int = 16
    max_fan_out: int = 32
    max_gpu_seconds: float | None = None  # None: any


@dataclass(frozen=True, slots=True)
class Barred:
    """A declared tool that may not be used now, why, and what would help, where that is known."""

    tool: Tool
    reason: str
    remedy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What a plan may refer to: usable tools, assets by id, and a workflow's inputs by name.

    `barred`: declared tools that may not be used now. `taken`: ids that steps may not have.
    """

    tools: Toolbox
    barred: Mapping[str, Barred] = field(default_factory=dict)
    taken: Collection[str] = ()
    assets: Mapping[str, Modality] = field(default_factory=dict)
    inputs: Mapping[str, frozenset[Modality]] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)


def parse_plan(data: Any) -> Plan:
    """Reads a plan from JSON. Raises `InvalidPlan` with one entry per malformed place."""
    unfit = [Fault(at, reason, "Leave it out.") for at, reason in unstorable(data)]
    if unfit:
        raise refuse(unfit)
    try:
        return Plan.model_validate(data)
    except ValidationError as error:
        raise refuse(_malformed(error)) from None


def refuse(faults: Iterable[Fault]) -> InvalidPlan:
    """The error that carries these faults."""
    listed = [fault.to_data() for fault in faults]
    first = listed[0] if listed else {"pointer": "", "reason": "The plan cannot be run."}
    return InvalidPlan(f"{first['pointer']}: {first['reason']}", errors=listed)


def check(plan: Plan, known: Known) -> list[Fault]:
    """All faults of a plan, in the order of its steps; an empty list lets it through."""
    faults = [*_sizes(plan, known.limits), *_ids(plan, known.taken), *_order(plan, known.limits)]
    for place, step in enumerate(plan.steps):
        faults += _step(place, step, plan, known)
    return [*faults, *_reply(plan, known.tools)]


def output_modalities(binding: OutputBinding, plan: Plan, tools: Toolbox) -> frozenset[Modality]:
    """What an output may be. Raises `KeyError` when the step, its tool or the port is unknown."""
    return tools[plan.step(binding.step).tool].outputs[binding.port].accepts


def gives_list(binding: OutputBinding, plan: Plan, tools: Toolbox) -> bool:
    """Whether an output is a list as a whole. False for what does not exist."""
    try:
        step = plan.step(binding.step)
        port = tools[step.tool].outputs[binding.port]
    except KeyError:
        return False
    return binding.item is None and (port.many or step.map is not None)


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


def _malformed(error: ValidationError) -> Iterator[Fault]:
    """One fault for each place; of a binding, only that it is none."""
    found = error.errors(include_url=False, include_input=False)
    bound = {_pointer(item["loc"]) for item in found if _in_binding(item["loc"])}
    for place in sorted(bound):
        if not any(other.startswith(f"{place}/") for other in bound):
            yield Fault(place, "This is no binding.", BINDING)
    for item in found:
        if not _in_binding(item["loc"]):
            yield Fault(_pointer(item["loc"]), item["msg"], advice(item))


def _in_binding(loc: tuple[int | str, ...]) -> bool:
    return len(loc) > 3 and loc[2] == "inputs"


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


def _step(place: int, step: PlanStep, plan: Plan, known: Known) -> Iterator[Fault]:
    at = f"/steps/{place}"
    tool = known.tools.get(step.tool)
    if tool is None or not tool.planned:
        yield _no_tool(f"{at}/tool", step, plan, known)
        return
    for name, item in tool.inputs.items():
        if item.required and name not in step.inputs:
            yield Fault(
                f"{at}/inputs",
                f"The input {name!r} is missing.",
                f"{item.about} Takes {_words(item)}.",
            )
    for name, bound in step.inputs.items():
        if name not in tool.inputs:
            yield Fault(
                f"{at}/inputs/{name}",
                f"{tool.name} has no input {name!r}.",
                nearest_name(name, tool.inputs),
            )
            continue
        port, each = tool.inputs[name], step.map == name
        yield from _port(f"{at}/inputs/{name}", port, bound, plan, known, each=each)
    if step.map is not None and step.map not in step.inputs:
        yield Fault(
            f"{at}/map", f"There is no input {step.map!r}.", nearest_name(step.map, step.inputs)
        )
    ids = [other.id for other in plan.steps]
    for number, name in enumerate(step.after):
        if name not in ids:
            reason = f"There is no step {name!r}."
            yield Fault(f"{at}/after/{number}", reason, nearest_name(name, ids))
    yield from _params(at, step, tool)


def _no_tool(at: str, step: PlanStep, plan: Plan, known: Known) -> Fault:
    """Why this tool cannot be used, and which one comes nearest."""
    usable = known.tools.planned()
    barred = known.barred.get(step.tool)
    if barred is not None and barred.tool.planned:
        near = nearest_tool(step.tool, usable, like=barred.tool)
        others = f"{near.name!r} can be used: {near.about}" if near else "Do without it for now."
        return Fault(at, barred.reason, barred.remedy or others)
    if barred is not None or step.tool in known.tools:
        return Fault(at, f"The tool {step.tool!r} may not stand in a plan.", "Leave this step out.")
    given = [_found(item, plan, known) for _, _, item in step.bindings()]
    near = nearest_tool(step.tool, usable, given=given)
    suggestion = f"Did you mean {near.name!r}?" if near else nearest_name(step.tool, usable)
    return Fault(at, f"There is no tool {step.tool!r}.", suggestion)


def _found(binding: Binding, plan: Plan, known: Known) -> frozenset[Modality]:
    """What a binding may be; nothing where that cannot be told."""
    match binding:
        case TextBinding():
            return frozenset({Modality.TEXT})
        case AssetBinding(asset=name):
            return frozenset({known.assets[name]}) if name in known.assets else frozenset()
        case InputBinding(input=name):
            return known.inputs.get(name, frozenset())
    try:
        return output_modalities(binding, plan, known.tools)
    except KeyError:
        return frozenset()


def _port(
    at: str,
    item: Port,
    bound: Binding | list[Binding],
    plan: Plan,
    known: Known,
    *,
    each: bool = False,
) -> Iterator[Fault]:
    if not isinstance(bound, list):
        if each and not (isinstance(bound, OutputBinding) and gives_list(bound, plan, known.tools)):
            reason = "There is no list here to run the step for each of."
            yield Fault(at, reason, 'Leave "map" out, or give a list.')
        yield from _binding(at, item, bound, plan, known, each=each)
        return
    if each:
        most = known.limits.max_fan_out
        if not 1 <= len(bound) <= most:
            reason = f"A step is run for 1 to {most} items, got {len(bound)}."
            yield Fault(at, reason, "Use a shorter list." if bound else "Give at least one.")
    elif not item.many:
        yield Fault(at, "Takes one value, got a list.", "Use one step for each.")
    elif not 1 <= len(bound) <= item.max_items:
        reason = f"Takes 1 to {item.max_items} values, got {len(bound)}."
        yield Fault(at, reason, "Use a shorter list." if bound else "Give at least one.")
    for place, single in enumerate(bound):
        yield from _binding(f"{at}/{place}", item, single, plan, known, each=each)


def _binding(
    at: str, item: Port, binding: Binding, plan: Plan, known: Known, *, each: bool = False
) -> Iterator[Fault]:
    match binding:
        case AssetBinding(asset=name) if name not in known.assets:
            here = nearest_name(name, known.assets)
            yield Fault(at, f"There is no asset {name!r} here.", here)
            return
        case InputBinding(input=name) if name not in known.inputs:
            yield Fault(at, f"There is no input {name!r}.", nearest_name(name, known.inputs))
            return
        case OutputBinding():
            try:
                output_modalities(binding, plan, known.tools)
            except KeyError:
                yield _dangling(at, binding, plan, known.tools)
                return
    found = _found(binding, plan, known)
    embedded = not found & item.accepts and _coercible(found, item, known.tools)
    if isinstance(binding, OutputBinding):
        yield from _list_output(at, item, binding, plan, known, embedded=embedded, each=each)
    if not found & item.accepts and not embedded:
        reason = f"Got {_list(found)}; takes {_words(item)}."
        unembedded = Modality.EMBEDDING in item.accepts and found & EMBEDDABLE
        if unembedded and (barred := known.barred.get("embed")):
            reason += f" It cannot be embedded: {barred.reason}"
        yield Fault(at, reason, _converter(found, item, known.tools))


def _list_output(
    at: str,
    item: Port,
    binding: OutputBinding,
    plan: Plan,
    known: Known,
    *,
    embedded: bool,
    each: bool,
) -> Iterator[Fault]:
    """A list where one value is taken, or an item beyond the longest list."""
    given = known.tools[plan.step(binding.step).tool].outputs[binding.port]
    whole = gives_list(binding, plan, known.tools)
    if whole and not each and (embedded or not item.many):
        remedy = 'Pick one with "item", or run the step for each with "map".'
        yield Fault(at, f"{binding.source} is a list.", remedy)
    if given.many and (binding.item or 0) >= given.max_items:
        reason = f"{binding.source} has at most {given.max_items} items."
        yield Fault(at, reason, f'Pick an "item" from 0 to {given.max_items - 1}.')


def _coercible(found: frozenset[Modality], item: Port, tools: Toolbox) -> bool:
    """Where an embedding is wanted, media and words will do: an `embed` step is put in between."""
    return Modality.EMBEDDING in item.accepts and bool(found & EMBEDDABLE) and "embed" in tools


def _dangling(at: str, binding: OutputBinding, plan: Plan, tools: Toolbox) -> Fault:
    ids = [step.id for step in plan.steps]
    if binding.step not in ids:
        return Fault(at, f"There is no step {binding.step!r}.", nearest_name(binding.step, ids))
    tool = tools.get(plan.step(binding.step).tool)
    if tool is None:
        reason = f"Reads step {binding.step!r}, whose tool cannot be used."
        return Fault(at, reason, f"Give step {binding.step!r} a tool that can be used.")
    return Fault(
        at, f"{tool.name} gives no {binding.port!r}.", f"It gives: {', '.join(tool.outputs)}."
    )


def _params(at: str, step: PlanStep, tool: Tool) -> Iterator[Fault]:
    given = dict(step.params)
    if tool.seeded:
        seed = given.pop("seed", 0)
        if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed < 2**63:
            reason = "A seed is an integer from 0 to 2^63 - 1."
            yield Fault(f"{at}/params/seed", reason, "Leave it out, or choose one in the range.")
    try:
        tool.params.model_validate(given)
    except ValidationError as error:
        for found in error.errors(include_url=False, include_input=False):
            unknown = found["type"] == "extra_forbidden"
            names = ", ".join(tool.params.model_fields) or "none"
            yield Fault(
                f"{at}/params{_pointer(found['loc'])}",
                "There is no such parameter." if unknown else f"{found['msg']}.",
                f"Parameters: {names}." if unknown else advice(found),
            )


def _reply(plan: Plan, tools: Toolbox) -> Iterator[Fault]:
    for place, shown in enumerate(plan.reply.show):
        binding = OutputBinding.of(shown)
        try:
            output_modalities(binding, plan, tools)
        except KeyError:
            yield _dangling(f"/reply/show/{place}", binding, plan, tools)


def _converter(found: frozenset[Modality], item: Port, tools: Toolbox) -> str:
    for tool in tools.values():
        takes = any(found & given.accepts for given in tool.inputs.values() if given.required)
        if (
            takes
            and len(tool.inputs) == 1
            and any(out.accepts & item.accepts for out in tool.outputs.values())
        ):
            return f"The tool {tool.name!r} makes {_words(item)} of {_list(found)}."
    return f"Give {_words(item)}."


def _words(item: Port) -> str:
    return _list(item.accepts)


def _list(modalities: Iterable[Modality]) -> str:
    return " or ".join(sorted(modality.value for modality in modalities))


def _pointer(loc: tuple[int | str, ...]) -> str:
    # Of a binding, pydantic also names what it tried (`list[…]`, `AssetBinding`, its fields).
    inside = [item for item in loc[4:] if isinstance(item, int)] if _in_binding(loc) else loc[4:]
    places = [str(item) for item in (*loc[:4], *inside)]
    return "".join("/" + item.replace("~", "~0").replace("/", "~1") for item in places)

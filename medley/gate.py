"""The gate: every plan, whoever wrote it, is checked here before any model runs. Pure.

Each fault has a JSON pointer, a reason and, where one can be made, a suggestion. No fault means:
every tool is live, every input is there and of a fitting type, nothing is circular, parameters
are in range, limits are kept.
"""

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from graphlib import CycleError
from typing import Any

from pydantic import ValidationError

from medley.errors import InvalidPlan
from medley.modality import Modality
from medley.plan import (
    AssetBinding,
    Binding,
    InputBinding,
    OutputBinding,
    Plan,
    PlanStep,
    TextBinding,
)
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
        data = {"pointer": self.pointer, "reason": self.reason}
        return {**data, "suggestion": self.suggestion} if self.suggestion else data


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How large a plan may be."""

    max_steps: int = 64
    max_depth: int = 16
    max_fan_out: int = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What a plan may refer to: live tools, assets by id, and a workflow's inputs by name."""

    tools: Toolbox
    assets: Mapping[str, Modality] = field(default_factory=dict)
    inputs: Mapping[str, frozenset[Modality]] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)


def parse_plan(data: Any) -> Plan:
    """Reads a plan from JSON. Raises `InvalidPlan` with one entry per malformed place."""
    try:
        return Plan.model_validate(data)
    except ValidationError as error:
        faults = [
            Fault(_pointer(found["loc"]), found["msg"])
            for found in error.errors(include_url=False, include_input=False)
        ]
        raise refuse(faults) from None


def refuse(faults: Iterable[Fault]) -> InvalidPlan:
    """The error that carries these faults."""
    listed = [fault.to_data() for fault in faults]
    first = listed[0] if listed else {"pointer": "", "reason": "The plan cannot be run."}
    return InvalidPlan(f"{first['pointer']}: {first['reason']}", errors=listed)


def check(plan: Plan, known: Known) -> list[Fault]:
    """All faults of a plan, in the order of its steps; an empty list lets it through."""
    faults = [*_sizes(plan, known.limits), *_ids(plan), *_order(plan, known.limits)]
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


def _sizes(plan: Plan, limits: Limits) -> Iterator[Fault]:
    if len(plan.steps) > limits.max_steps:
        yield Fault("/steps", f"{len(plan.steps)} steps; at most {limits.max_steps} are allowed.")
    readers: dict[str, int] = {}
    for step in plan.steps:
        for needed in step.needs():
            readers[needed] = readers.get(needed, 0) + 1
    for place, step in enumerate(plan.steps):
        if readers.get(step.id, 0) > limits.max_fan_out:
            reason = f"{readers[step.id]} steps read this one; at most {limits.max_fan_out} may."
            yield Fault(f"/steps/{place}", reason)


def _ids(plan: Plan) -> Iterator[Fault]:
    seen: set[str] = set()
    for place, step in enumerate(plan.steps):
        if step.id in seen:
            yield Fault(
                f"/steps/{place}/id",
                f"The id {step.id!r} is used twice.",
                "Give each step its own id.",
            )
        seen.add(step.id)


def _order(plan: Plan, limits: Limits) -> Iterator[Fault]:
    try:
        order = plan.order()
    except CycleError as error:
        circle = " -> ".join(reversed(error.args[1]))
        yield Fault("/steps", f"The steps wait for each other in a circle: {circle}.")
        return
    needs = {step.id: step.needs() for step in plan.steps}
    depth: dict[str, int] = {}
    for step_id in order:
        depth[step_id] = 1 + max((depth[needed] for needed in needs.get(step_id, ())), default=0)
    if max(depth.values(), default=0) > limits.max_depth:
        yield Fault(
            "/steps",
            f"{max(depth.values())} steps in a row; at most {limits.max_depth} are allowed.",
        )


def _step(place: int, step: PlanStep, plan: Plan, known: Known) -> Iterator[Fault]:
    at = f"/steps/{place}"
    tool = known.tools.get(step.tool)
    if tool is None:
        yield Fault(
            f"{at}/tool", f"There is no live tool {step.tool!r}.", _nearest(step.tool, known.tools)
        )
        return
    if not tool.planned:
        yield Fault(f"{at}/tool", f"The tool {step.tool!r} may not stand in a plan.")
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
                _nearest(name, tool.inputs),
            )
            continue
        port, each = tool.inputs[name], step.map == name
        yield from _port(f"{at}/inputs/{name}", port, bound, plan, known, each=each)
    if step.map is not None and step.map not in step.inputs:
        yield Fault(
            f"{at}/map", f"There is no input {step.map!r}.", _nearest(step.map, step.inputs)
        )
    ids = [other.id for other in plan.steps]
    for number, name in enumerate(step.after):
        if name not in ids:
            reason = f"There is no step {name!r}."
            yield Fault(f"{at}/after/{number}", reason, _nearest(name, ids))
    yield from _params(at, step, tool)


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
            yield Fault(at, "There is no list here to run the step for each of.")
        yield from _binding(at, item, bound, plan, known, each=each)
        return
    if each:
        most = known.limits.max_fan_out
        if not 1 <= len(bound) <= most:
            yield Fault(at, f"A step is run for 1 to {most} items, got {len(bound)}.")
    elif not item.many:
        yield Fault(at, "Takes one value, got a list.", "Use one step for each.")
    elif not 1 <= len(bound) <= item.max_items:
        yield Fault(at, f"Takes 1 to {item.max_items} values, got {len(bound)}.")
    for place, single in enumerate(bound):
        yield from _binding(f"{at}/{place}", item, single, plan, known, each=each)


def _binding(
    at: str, item: Port, binding: Binding, plan: Plan, known: Known, *, each: bool = False
) -> Iterator[Fault]:
    found: frozenset[Modality]
    match binding:
        case TextBinding():
            found = frozenset({Modality.TEXT})
        case AssetBinding(asset=name):
            if name not in known.assets:
                yield Fault(at, f"There is no asset {name!r} here.", _nearest(name, known.assets))
                return
            found = frozenset({known.assets[name]})
        case InputBinding(input=name):
            if name not in known.inputs:
                yield Fault(at, f"There is no input {name!r}.", _nearest(name, known.inputs))
                return
            found = known.inputs[name]
        case OutputBinding():
            try:
                found = output_modalities(binding, plan, known.tools)
            except KeyError:
                yield _dangling(at, binding, plan, known.tools)
                return
            if gives_list(binding, plan, known.tools) and not (item.many or each):
                remedy = 'Pick one with "item", or run the step for each with "map".'
                yield Fault(at, f"{binding.source} is a list.", remedy)
    if not found & item.accepts and not _coercible(found, item, known.tools):
        yield Fault(
            at, f"Got {_list(found)}; takes {_words(item)}.", _converter(found, item, known.tools)
        )


def _coercible(found: frozenset[Modality], item: Port, tools: Toolbox) -> bool:
    """Where an embedding is wanted, media and words will do: an `embed` step is put in between."""
    return Modality.EMBEDDING in item.accepts and bool(found & EMBEDDABLE) and "embed" in tools


def _dangling(at: str, binding: OutputBinding, plan: Plan, tools: Toolbox) -> Fault:
    ids = [step.id for step in plan.steps]
    if binding.step not in ids:
        return Fault(at, f"There is no step {binding.step!r}.", _nearest(binding.step, ids))
    tool = tools.get(plan.step(binding.step).tool)
    if tool is None:
        return Fault(at, f"Reads step {binding.step!r}, whose tool is not there.")
    return Fault(
        at, f"{tool.name} gives no {binding.port!r}.", f"It gives: {', '.join(tool.outputs)}."
    )


def _params(at: str, step: PlanStep, tool: Tool) -> Iterator[Fault]:
    given = dict(step.params)
    if tool.seeded:
        seed = given.pop("seed", 0)
        if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed < 2**63:
            yield Fault(f"{at}/params/seed", "A seed is an integer from 0 to 2^63 - 1.")
    try:
        tool.params.model_validate(given)
    except ValidationError as error:
        for found in error.errors(include_url=False, include_input=False):
            reason = (
                found["msg"]
                if found["type"] != "extra_forbidden"
                else "There is no such parameter."
            )
            known = ", ".join(tool.params.model_fields) or "none"
            yield Fault(
                f"{at}/params{_pointer(found['loc'])}",
                f"{reason}.".replace("..", "."),
                f"Parameters: {known}.",
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
    return ""


def _nearest(name: str, among: Iterable[str]) -> str:
    names = list(among)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    if close:
        return f"Did you mean {close[0]!r}?"
    return f"There are: {', '.join(sorted(names)[:24])}." if names else "There are none."


def _words(item: Port) -> str:
    return _list(item.accepts)


def _list(modalities: Iterable[Modality]) -> str:
    return " or ".join(sorted(modality.value for modality in modalities))


def _pointer(loc: tuple[int | str, ...]) -> str:
    # pydantic names the union member it tried (`AssetBinding`); that is no place in the JSON.
    places = [str(item) for item in loc if not (isinstance(item, str) and item.endswith("Binding"))]
    return "".join("/" + item.replace("~", "~0").replace("/", "~1") for item in places)

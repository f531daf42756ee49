"""Gate, steps: whether one step can run: its tool, its inputs, its parameters. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from medley.advice import advice
from medley.gate_bindings import kinds_of, port_faults, words
from medley.gate_shape import pointer
from medley.known import Fault, Known
from medley.nearest import nearest_name, nearest_tool
from medley.plan import Plan, PlanStep
from medley.tools import Tool


def step_faults(place: int, step: PlanStep, plan: Plan, known: Known) -> Iterator[Fault]:
    """All faults of the step at this place."""
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
                f"{item.about} Takes {words(item)}.",
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
        yield from port_faults(f"{at}/inputs/{name}", port, bound, plan, known, each=each)
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


def unknown_tools(data: Any, known: Known) -> Iterator[Fault]:
    """The tools that cannot be used, of a plan that is too malformed to be checked further."""
    steps = data.get("steps") if isinstance(data, Mapping) else None
    for place, step in enumerate(steps if isinstance(steps, list) else ()):
        name = step.get("tool") if isinstance(step, Mapping) else None
        usable = known.tools.get(name) if isinstance(name, str) else None
        if isinstance(name, str) and not (usable and usable.planned):
            bare = PlanStep.model_construct(id="", tool=name)
            yield _no_tool(f"/steps/{place}/tool", bare, Plan(steps=[]), known)


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
    given = [kinds_of(item, plan, known) for _, _, item in step.bindings()]
    near = nearest_tool(step.tool, usable, given=given)
    suggestion = f"Did you mean {near.name!r}?" if near else nearest_name(step.tool, usable)
    return Fault(at, f"There is no tool {step.tool!r}.", suggestion)


def _params(at: str, step: PlanStep, tool: Tool) -> Iterator[Fault]:
    given = dict(step.params)
    if tool.seeded:
        seed = given.pop("seed", 0)
        if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed < 2**63:
            reason = "A seed is an integer from 0 to 2^63 - 1."
            yield Fault(f"{at}/params/seed", reason, "Leave it out, or choose one in the range.")
    yield from _truths(at, given, tool)
    try:
        tool.params.model_validate(given)
    except ValidationError as error:
        for found in error.errors(include_url=False, include_input=False):
            unknown = found["type"] == "extra_forbidden"
            names = ", ".join(tool.params.model_fields) or "none"
            yield Fault(
                f"{at}/params{pointer(found['loc'])}",
                "There is no such parameter." if unknown else f"{found['msg']}.",
                f"Parameters: {names}." if unknown else advice(found),
            )


def _truths(at: str, given: Mapping[str, Any], tool: Tool) -> Iterator[Fault]:
    """Where `true` or `false` stands for a number. A number in quotes has one meaning and is read;
    these have none, and pydantic would read 1 and 0.
    """
    try:
        tool.params.model_validate(given, strict=True)
    except ValidationError as error:
        for found in error.errors(include_url=False):
            number = found["type"] in ("int_type", "float_type")
            if number and isinstance(found["input"], bool):
                yield Fault(
                    f"{at}/params{pointer(found['loc'])}", f"{found['msg']}.", advice(found)
                )

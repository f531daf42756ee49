"""Revising: another plan for a job that has run already, as far as it got. Pure.

Done steps stay: a step of the new plan that does the same to the same things is that step, with its
outputs. All others become new steps under ids of their own. What has failed is not run again as it
was.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from medley.gate import Fault
from medley.plan import Plan, PlanStep, of_steps, unused
from orchestrator.redrawing import REDRAW

#: Parameters that are steps themselves, by tool.
_INNER = {"spread": ("step",), REDRAW: ("step", "see", "judge")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """A step that the job has already. `inputs` are bindings as JSON, `error` why it failed."""

    id: str
    tool: str
    inputs: Mapping[str, Any]
    params: Mapping[str, Any]
    done: bool
    needs: frozenset[str] = frozenset()  # steps that it waited for
    error: str = ""
    round: int = 1


@dataclass(frozen=True, slots=True)
class Revision:
    """The whole plan from now on, and those of its steps that are new."""

    plan: Plan
    new: list[PlanStep]


def revise(plan: Plan, ran: Sequence[Ran], round_: int) -> Revision | list[Fault]:
    """Fits a checked, lowered plan to what has run, or says what is wrong with it.

    `round_` is the number of the plan; new steps whose ids are taken are named after it.
    """
    ended = {step.id for step in ran if step.done}
    done = {_key_of(step): step.id for step in ran if step.done and _whole(step, ended)}
    failed = {_key_of(step): step for step in ran if step.error}
    taken = {step.id for step in ran} | {step.id for step in plan.steps}
    used = {step.id for step in ran}
    names: dict[str, str] = {}
    new: set[str] = set()
    faults = []
    places = {step.id: place for place, step in enumerate(plan.steps)}
    for name in plan.order():
        step = _under(plan.step(name), names)
        key = _key(step.tool, _json(step)["inputs"], step.params, step.needs())
        if key in done:
            names[name] = done[key]
            continue
        if key in failed:
            reason = f"This step has failed already: {failed[key].error}"
            remedy = "Do it in another way, or leave it out."
            faults.append(Fault(f"/steps/{places[name]}", reason, remedy))
        names[name] = name if name not in used else unused(f"{name[:27]}_r{round_}", taken)
        new.add(name)
    if faults:
        return faults
    source = of_steps(names)
    steps = {names[step.id]: _under(step, names) for step in plan.steps}
    reply = plan.reply.model_copy(update={"show": [source(name) for name in plan.reply.show]})
    whole = plan.model_copy(update={"steps": list(steps.values()), "reply": reply})
    return Revision(whole, [steps[names[step.id]] for step in plan.steps if step.id in new])


def _under(step: PlanStep, names: Mapping[str, str]) -> PlanStep:
    """The step, with what it reads and waits for, under these names."""
    return step.reading(of_steps(names)).model_copy(
        update={
            "id": names.get(step.id, step.id),
            "params": _named(step.tool, step.params, names),
            "after": [names.get(name, name) for name in step.after],
        }
    )


def _whole(step: Ran, ended: set[str]) -> bool:
    """Whether its work can be kept: what it added for the items of a list was done, too."""
    if step.tool == REDRAW:
        return step.params["judge"]["id"] in ended
    return step.tool != "spread" or step.params["step"]["id"] in ended


def _named(tool: str, params: Mapping[str, Any], names: Mapping[str, str]) -> Mapping[str, Any]:
    """Parameters in which the steps that run for each item of a list go by these names."""
    if tool == "gather":
        return {**params, "of": names.get(params["of"], params["of"])}
    inner = {name: PlanStep.model_validate(params[name]) for name in _INNER.get(tool, ())}
    return {**params, **{name: _json(_under(step, names)) for name, step in inner.items()}}


def _key_of(step: Ran) -> str:
    return _key(step.tool, step.inputs, _named(step.tool, step.params, {}), step.needs)


def _key(
    tool: str, inputs: Mapping[str, Any], params: Mapping[str, Any], needs: Iterable[str]
) -> str:
    """What a step does, whatever it is called."""
    plain = {name: value for name, value in params.items() if name != "of"}
    for inner in _INNER.get(tool, ()):
        plain[inner] = {name: value for name, value in plain[inner].items() if name != "id"}
    return json.dumps([tool, inputs, plain, sorted(needs)], sort_keys=True)


def _json(step: PlanStep) -> dict[str, Any]:
    return step.model_dump(mode="json", by_alias=True, exclude_none=True)

"""Revising: another plan for a job that has run already, as far as it got. Pure.

Done steps stay: a step of the new plan that does the same to the same things is that step, with its
outputs. All others become new steps under ids of their own. What has failed is not run again as it
was.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from medley.gate import Fault
from medley.plan import Plan, PlanStep


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """A step that the job has already. `inputs` are bindings as JSON, `error` why it failed."""

    id: str
    tool: str
    inputs: Mapping[str, Any]
    params: Mapping[str, Any]
    done: bool
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
    done = {_key(step.tool, step.inputs, step.params): step.id for step in ran if step.done}
    failed = {_key(step.tool, step.inputs, step.params): step for step in ran if step.error}
    taken = {step.id for step in ran} | {step.id for step in plan.steps}
    used = {step.id for step in ran}
    names: dict[str, str] = {}
    new: set[str] = set()
    faults = []
    places = {step.id: place for place, step in enumerate(plan.steps)}
    for name in plan.order():
        step = plan.step(name)
        data = step.model_dump(mode="json", by_alias=True, exclude_none=True)
        key = _key(step.tool, _renamed(data["inputs"], names), data["params"])
        if key in done:
            names[name] = done[key]
            continue
        if key in failed:
            reason = f"This step has failed already: {failed[key].error}"
            remedy = "Do it in another way, or leave it out."
            faults.append(Fault(f"/steps/{places[name]}", reason, remedy))
        names[name] = name if name not in used else _fresh(name, round_, taken)
        taken.add(names[name])
        new.add(name)
    if faults:
        return faults
    whole = Plan.model_validate(_plan(plan, names))
    return Revision(whole, [whole.step(names[step.id]) for step in plan.steps if step.id in new])


def _plan(plan: Plan, names: Mapping[str, str]) -> dict[str, Any]:
    data = plan.to_json()
    steps = {
        names[step["id"]]: {
            **step,
            "id": names[step["id"]],
            "inputs": _renamed(step.get("inputs", {}), names),
            "after": [names[name] for name in step.get("after", [])],
        }
        for step in data["steps"]
    }
    reply = dict(data.get("reply", {}))
    reply["show"] = [_source(shown, names) for shown in reply.get("show", [])]
    return {**data, "steps": list(steps.values()), "reply": reply}


def _renamed(node: Any, names: Mapping[str, str]) -> Any:
    if isinstance(node, list):
        return [_renamed(item, names) for item in node]
    if isinstance(node, dict):
        return {
            key: _source(value, names) if key == "from" else _renamed(value, names)
            for key, value in node.items()
        }
    return node


def _source(source: str, names: Mapping[str, str]) -> str:
    step, _, port = source.partition(".")
    return f"{names.get(step, step)}.{port}"


def _key(tool: str, inputs: Mapping[str, Any], params: Mapping[str, Any]) -> str:
    return json.dumps([tool, inputs, params], sort_keys=True)


def _fresh(name: str, round_: int, taken: set[str]) -> str:
    number = round_
    while f"{name[:27]}_r{number}" in taken:
        number += 1
    return f"{name[:27]}_r{number}"

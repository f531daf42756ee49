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
from medley.plan import Plan, PlanStep


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
        step = plan.step(name)
        data = step.model_dump(mode="json", by_alias=True, exclude_none=True)
        needs = [names.get(needed, needed) for needed in step.needs()]
        key = _key(step.tool, _renamed(data["inputs"], names), data["params"], needs, names)
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
            "params": _named(step["tool"], step.get("params", {}), names),
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


def _whole(step: Ran, ended: set[str]) -> bool:
    """Whether its work can be kept: what it added for the items of a list was done, too."""
    return step.tool != "spread" or step.params["step"]["id"] in ended


def _named(tool: str, params: Mapping[str, Any], names: Mapping[str, str]) -> Mapping[str, Any]:
    """Parameters in which the steps that run for each item of a list go by these names."""
    if tool == "gather":
        return {**params, "of": names.get(params["of"], params["of"])}
    if tool == "spread":
        each = _renamed(params["step"], names)
        return {**params, "step": {**each, "id": names.get(each["id"], each["id"])}}
    return params


def _key_of(step: Ran) -> str:
    return _key(step.tool, step.inputs, step.params, step.needs, {})


def _key(
    tool: str,
    inputs: Mapping[str, Any],
    params: Mapping[str, Any],
    needs: Iterable[str],
    names: Mapping[str, str],
) -> str:
    """What a step does, whatever it is called."""
    plain = dict(_named(tool, params, names))
    plain.pop("of", None)
    if tool == "spread":
        plain["step"] = {name: value for name, value in plain["step"].items() if name != "id"}
    return json.dumps([tool, inputs, plain, sorted(needs)], sort_keys=True)


def _fresh(name: str, round_: int, taken: set[str]) -> str:
    number = round_
    while f"{name[:27]}_r{number}" in taken:
        number += 1
    return f"{name[:27]}_r{number}"

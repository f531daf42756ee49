"""Foreign plans: shapes that language models write instead of ours, read where the meaning is
certain. Pure.

Arguments as an object, a list, null or a string with JSON in it; other names for `tool`, `inputs`
and `steps`; fenced text; references such as `<GENERATED>-0`, `<node-0>`, `$s1.image`. Nothing is
dropped: what is not understood stays where the gate finds it and says why it cannot run.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from medley.foreign_values import Arguments, read_json
from medley.gate import Known
from medley.plan import STEP_ID
from medley.tools import Tool

MOST_STEPS = 256  #: beyond which no plan is read
STEPS = ("steps", "plan", "tasks", "task_nodes", "nodes", "actions", "tool_calls", "calls")
TOOL = ("tool", "tool_name", "name", "task", "action", "function")
ARGUMENTS = ("inputs", "params", "arguments", "args", "parameters", "input", "kwargs")
ID = ("id", "step_id", "step", "node_id")
AFTER = ("after", "dep", "deps", "depends_on", "dependencies", "needs")
WORDS = ("type", "role", "content", "reason", "thought", "description", "about", "title")
LINKS = ("task_links", "links", "edges")


def normalise(data: Any, known: Known) -> Any:
    """A plan as a model wrote it, in the shape of `medley.plan`, as far as it is certain."""
    data = read_json(data) if isinstance(data, str) else data
    raw = _steps_of(data)
    if raw is None or data == []:
        return data
    reading = _Reading(known)
    steps = [_flat(step) for step in raw]
    for place, step in enumerate(steps):
        reading.name(place, step)
    plan: dict[str, Any] = {
        "steps": [reading.step(place, step) for place, step in enumerate(steps)]
    }
    if isinstance(data, Mapping) and raw != [data]:
        reading.link(plan["steps"], data)
        known_keys = {*STEPS, *LINKS, *WORDS}
        plan |= {key: value for key, value in data.items() if key not in known_keys}
    plan["steps"] = _in_order(plan["steps"])
    return plan


def _in_order(steps: list[Any]) -> list[Any]:
    """Steps behind those that they read, otherwise as they came; a circle stays as it is."""
    left = {step["id"]: step for step in steps if isinstance(step, Mapping)}
    if len(left) != len(steps) or len(left) > MOST_STEPS:
        return steps
    needs = {name: _read_by(step) & left.keys() for name, step in left.items()}
    ordered: list[Any] = []
    while left:
        name = next((name for name in left if not needs[name] & left.keys()), None)
        if name is None:
            return steps
        ordered.append(left.pop(name))
    return ordered


def _read_by(step: Mapping[str, Any]) -> set[str]:
    """Ids of the steps that a step seems to wait for."""
    found = {str(name) for name in _listed(step.get("after"))}
    inputs = step.get("inputs")
    values = list(inputs.values()) if isinstance(inputs, Mapping) else []
    for item in (item for value in values for item in _listed(value)):
        if isinstance(item, Mapping) and "from" in item:
            found.add(str(item["from"]).partition(".")[0])
    return found


def _steps_of(data: Any) -> list[Any] | None:
    """The list of steps, wherever it is; None where there is none."""
    if isinstance(data, list):
        return data
    if not isinstance(data, Mapping):
        return None
    for key in STEPS:
        inside = data.get(key)
        if isinstance(inside, str):
            inside = read_json(inside)
        if isinstance(inside, list):
            return inside
        if isinstance(inside, Mapping):
            found = _steps_of(inside)
            if found is not None:
                return found
            if inside and all(isinstance(item, Mapping) for item in inside.values()):
                return [{"id": name, **item} for name, item in inside.items()]
    return [data] if any(key in data for key in TOOL) else None


def _flat(step: Any) -> Any:
    """A step whose tool and arguments stand at its top: `{"function": {"name": …}}` is opened."""
    if isinstance(step, str):
        return {"tool": step}
    if isinstance(step, Mapping):
        for key in ("function", "action", "tool"):
            inside = step.get(key)
            if isinstance(inside, Mapping):
                rest = {name: value for name, value in step.items() if name not in (key, "type")}
                return {**inside, **rest}
    return step


@dataclass
class _Reading(Arguments):
    """What is known while the steps of one plan are read."""

    def name(self, place: int, step: Any) -> None:
        """Gives the step its id, and remembers what else it is called."""
        given = _first(step, ID) if isinstance(step, Mapping) else None
        wanted = str(given).strip().lower() if isinstance(given, str | int) else ""
        fits = re.match(STEP_ID, wanted) and wanted not in self.ids
        step_id = wanted if fits else self._free(f"s{wanted}" if wanted.isdigit() else "", place)
        self.ids.append(step_id)
        if wanted:
            self.alias.setdefault(wanted, step_id)
        tool = self._tool(_first(step, TOOL)) if isinstance(step, Mapping) else None
        if tool is not None:
            self.tools[step_id] = tool

    def _free(self, wanted: str, place: int) -> str:
        names = [wanted, *(f"s{number}" for number in range(place + 1, place + 300))]
        return next(name for name in names if name and name not in self.ids)

    def _tool(self, name: Any) -> Tool | None:
        plain = re.sub(r"[^a-z0-9]+", "_", str(name).lower()).strip("_")
        return self.known.tools.get(str(name)) or self.known.tools.get(plain)

    def step(self, place: int, step: Any) -> Any:
        """One step in our shape."""
        if not isinstance(step, Mapping):
            return step
        step_id = self.ids[place]
        tool = self.tools.get(step_id)
        used = {key for keys in (ID, TOOL, ARGUMENTS, AFTER) for key in keys if key in step}
        inputs: dict[str, Any] = {}
        params: dict[str, Any] = {}
        for key in ARGUMENTS:
            self.sort(step.get(key), tool, inputs, params)
        rest = {key: value for key, value in step.items() if key not in used}
        if tool is not None:  # arguments at the top of the step
            loose = {key: rest.pop(key) for key in list(rest) if _place_of(key, tool)}
            self.sort(loose, tool, inputs, params)
        rest = {key: value for key, value in rest.items() if key not in WORDS}
        name = tool.name if tool else _first(step, TOOL)
        new = {"id": step_id, "tool": name, "inputs": inputs, "params": params, **rest}
        after = [self._called(item) for key in AFTER for item in _listed(step.get(key))]
        after = [item for item in after if item not in ("-1", step_id)]
        read = json.dumps(inputs, default=str)
        new["after"] = [item for item in dict.fromkeys(after) if f'"{item}.' not in read]
        return {key: value for key, value in new.items() if value or key in ("id", "tool")}

    def link(self, steps: list[Any], data: Mapping[str, Any]) -> None:
        """Edges that are listed beside the steps; what reads an output needs none."""
        for link in (item for key in LINKS for item in _listed(data.get(key))):
            if not isinstance(link, Mapping):
                continue
            source, target = (self._called(link.get(key)) for key in ("source", "target"))
            for step in steps:
                if isinstance(step, Mapping) and step.get("id") == target and source in self.ids:
                    read = f'"{source}.' in json.dumps(step.get("inputs", {}), default=str)
                    after = step.get("after", [])
                    if not read and source not in after:
                        step["after"] = [*after, source]  # type: ignore[index]

    def _called(self, name: Any) -> str:
        """The id of the step that is called so: by its id, or by its tool if only one uses it."""
        plain = str(name).strip().lower()
        if plain in self.ids or plain in self.alias:
            return self.alias.get(plain, plain)
        tool = self._tool(name)
        using = [step_id for step_id, used in self.tools.items() if used is tool]
        return using[0] if tool is not None and len(using) == 1 else plain


def _first(step: Mapping[str, Any], keys: Iterable[str]) -> Any:
    return next((step[key] for key in keys if step.get(key) not in (None, "")), None)


def _place_of(name: str, tool: Tool) -> bool:
    return name in tool.inputs or name in tool.params.model_fields or name == "seed"


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]

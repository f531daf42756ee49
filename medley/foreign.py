"""Foreign plans: shapes that language models write instead of ours, read where the meaning is
certain. Pure.

Arguments as an object, a list, null or a string with JSON in it; other names for `tool`, `inputs`
and `steps`; fenced text; steps and links as a graph of tasks; references in many spellings. Nothing
is dropped: what is not understood stays where the gate finds it and says why it cannot run.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from medley.advice import LINKS
from medley.foreign_arguments import Placing, flat, put, unread
from medley.foreign_links import pairs, place_links, read_by
from medley.foreign_names import ID, TOOL, Names, listed, squeezed, tool_name
from medley.foreign_values import Values, read_json
from medley.known import Known
from medley.tools import Tool

MOST_STEPS = 256  #: beyond which no plan is read
STEPS = ("steps", "plan", "tasks", "task_nodes", "nodes", "actions", "tool_calls", "calls")
WRAPPED = ("result", "response", "output", "answer")
ARGUMENTS = ("inputs", "params", "arguments", "args", "parameters", "input", "kwargs")
AFTER = ("after", "dep", "deps", "depends_on", "dependencies", "needs")
WORDS = ("type", "role", "content", "reason", "thought", "description", "about", "title")
#: What a record says about its plan: not a part of it.
RECORD = (
    *WORDS,
    *("id", "request", "user_request", "instruction", "task_steps", "n_tools", "seed"),
    *("cost_time", "llm_query_times", "sampled_nodes", "sampled_links"),
)


def normalise(data: Any, known: Known) -> Any:
    """A plan as a model wrote it, in the shape of `medley.plan`, as far as it is certain."""
    data = read_json(data) if isinstance(data, str) else data
    if data == []:
        return data
    opened = _opened(data)
    if opened is None:
        return data
    raw, around = opened
    if len(raw) > MOST_STEPS:
        return {"steps": raw}
    steps = [_flat(step) for step in raw]
    names = Names(known)
    for place, step in enumerate(steps):
        names.add(place, step)
    names.count_nodes([_given(step) for step in steps], _linked(around, steps))
    reading = _Reading(known, names, Values(known, names))
    read = [reading.step(place, step) for place, step in enumerate(steps)]
    plan: dict[str, Any] = {"steps": read, **place_links(around, read, names)}
    dropped = {*LINKS, *RECORD, "steps"}
    plan |= {key: value for key, value in around.items() if key not in dropped}
    plan["steps"] = _in_order(read)
    return plan


def _opened(data: Any) -> tuple[list[Any], dict[str, Any]] | None:
    """The list of steps, wherever it is, and what stands around it; None where there is none."""
    if isinstance(data, list):
        return data, {}
    if not isinstance(data, Mapping):
        return None
    inside = {key: data[key] for key in (*STEPS, *WRAPPED) if key in data}
    inside |= {key: read_json(value) for key, value in inside.items() if isinstance(value, str)}
    lists = {key: value for key, value in inside.items() if isinstance(value, list)}
    found: tuple[str, list[Any], dict[str, Any]] | None = None
    graphs = [key for key, value in lists.items() if any(isinstance(i, Mapping) for i in value)]
    graphs.sort(key=lambda key: not any(map(_names_a_tool, lists[key])))
    if graphs:
        found = graphs[0], lists[graphs[0]], {}
    for key, value in inside.items():
        if found is None and isinstance(value, Mapping):
            deeper = _opened(value)
            if deeper is not None:
                found = key, *deeper
            elif key in STEPS and value and all(isinstance(i, Mapping) for i in value.values()):
                found = key, [{"id": name, **item} for name, item in value.items()], {}
    if found is None and (plain := next((key for key in lists if key in STEPS), None)):
        found = plain, lists[plain], {}
    if found is None:
        return ([data], {}) if any(key in data for key in TOOL) else None
    used, raw, around = found
    sentences = [key for key, value in lists.items() if key not in graphs and key != used]
    own = {key: value for key, value in data.items() if key not in (used, *sentences)}
    return raw, {**own, **around, **_both(own, around)}


def _names_a_tool(item: Any) -> bool:
    return isinstance(item, Mapping) and tool_name(item) is not None


def _both(outer: Mapping[str, Any], inner: Mapping[str, Any]) -> dict[str, Any]:
    """Links that are listed within and without."""
    shared = [key for key in LINKS if key in outer and key in inner]
    return {key: [*listed(outer[key]), *listed(inner[key])] for key in shared}


def _linked(around: Mapping[str, Any], steps: list[Any]) -> Any:
    """Whether the listed links lead from one place to another; None where none are listed."""
    known = pairs(around)
    if not known:
        return None
    called = [squeezed(tool_name(step)) if isinstance(step, Mapping) else "" for step in steps]
    return lambda source, target: (called[source], called[target]) in known


def _in_order(steps: list[Any]) -> list[Any]:
    """Steps behind those that they read, otherwise as they came; a circle stays as it is."""
    left = {step["id"]: step for step in steps if isinstance(step, Mapping)}
    if len(left) != len(steps):
        return steps
    needs = {name: read_by(step) & left.keys() for name, step in left.items()}
    ordered: list[Any] = []
    while left:
        name = next((name for name in left if not needs[name] & left.keys()), None)
        if name is None:
            return steps
        ordered.append(left.pop(name))
    return ordered


def _flat(step: Any) -> Any:
    """A step whose tool and arguments stand at its top: `{"function": {"name": …}}` is opened."""
    if isinstance(step, str):
        return {"tool": step}
    if isinstance(step, Mapping):
        for key in ("function", "action", "tool", "task"):
            inside = step.get(key)
            if isinstance(inside, Mapping):
                opened = dict(inside)
                for name, value in step.items():
                    if name not in (key, "type"):
                        put(opened, name, value)
                return opened
    return step


def _given(step: Any) -> Any:
    """All that may be an argument of a step."""
    if not isinstance(step, Mapping):
        return None
    return [value for key, value in step.items() if key not in (*ID, *TOOL, *AFTER, *WORDS)]


@dataclass
class _Reading:
    """Reads the steps of one plan."""

    known: Known
    names: Names
    values: Values

    def step(self, place: int, step: Any) -> Any:
        """One step in our shape."""
        if not isinstance(step, Mapping):
            return step
        step_id = self.names.ids[place]
        tool = self.names.tools.get(step_id)
        used = {key for keys in (ID, TOOL, ARGUMENTS, AFTER) for key in keys if key in step}
        given = [item for key in ARGUMENTS for item in flat(step.get(key), tool)]
        rest = {key: value for key, value in step.items() if key not in used}
        if tool is not None:  # arguments at the top of the step
            loose = [key for key in rest if _place_of(key, tool)]
            given += [(key, rest.pop(key)) for key in loose]
        rest = {key: value for key, value in rest.items() if key not in WORDS}
        name = tool_name(step)
        odd = [step[key] for key in TOOL if isinstance(step.get(key), list | dict)]
        if odd and odd != [name]:  # not a name: the gate says so
            rest.setdefault("arguments", odd)
        name = tool.name if tool else name
        new = {"id": step_id, "tool": name, **self._placed(given, tool), **rest}
        after = [self._waits_for(item) for key in AFTER for item in listed(step.get(key))]
        after = [item for item in after if item not in ("-1", step_id)]
        read = json.dumps(new.get("inputs", {}), default=str)
        new["after"] = [item for item in dict.fromkeys(after) if f'"{item}.' not in read]
        return {key: value for key, value in new.items() if value or key in ("id", "tool")}

    def _placed(self, given: list[tuple[str | None, Any]], tool: Tool | None) -> dict[str, Any]:
        """The arguments as inputs and parameters."""
        if tool is None:  # the gate names the tool, and looks no further
            return {"params": unread(given)}
        placing = Placing(tool, self.values)
        placing.place(given)
        return {"inputs": placing.inputs, "params": placing.params}

    def _waits_for(self, name: Any) -> str:
        found = self.names.called(name)
        return found[0] if len(found) == 1 else str(name).strip().lower()


def _place_of(name: Any, tool: Tool) -> bool:
    return name in tool.inputs or name in tool.params.model_fields or name == "seed"

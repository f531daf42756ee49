"""Arguments of foreign plans: sorted into inputs and parameters, and read as bindings. Pure."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from medley.gate import Known
from medley.modality import Modality
from medley.tools import Port, Tool

MOST_TRIES = 200  #: places of a text at which JSON is looked for
_BINDINGS = frozenset({"asset", "from", "text", "input"})
_NODE = re.compile(r"<\s*(?:GENERATED|node|step)\s*>?[\s-]*(\w+)\s*>?", re.IGNORECASE)
_STEP = re.compile(r"[\s$<{\[(]*(?:steps?[.:])?(\w+)(?:[.:]outputs?)?(?:[.:\[](\w+)\]?)?[\s>}\])]*")


def read_json(text: str) -> Any:
    """The longest JSON object or list in a text, whatever stands around it; the text itself where
    there is none.
    """
    decoder, best, longest = json.JSONDecoder(), None, 0
    places = (found.start() for found in re.finditer(r"[{\[]", text))
    end = 0
    for _, place in zip(range(MOST_TRIES), places, strict=False):
        if place < end:
            continue
        try:
            value, end = decoder.raw_decode(text, place)
        except (ValueError, RecursionError):
            continue
        if end - place > longest:
            best, longest = value, end - place
    return text if best is None else best


@dataclass
class Arguments:
    """Reads the arguments of the steps of one plan."""

    known: Known
    ids: list[str] = field(default_factory=list)
    tools: dict[str, Tool] = field(default_factory=dict)  # by step id
    alias: dict[str, str] = field(default_factory=dict)  # what a step was called -> its id

    def sort(
        self, given: Any, tool: Tool | None, inputs: dict[str, Any], params: dict[str, Any]
    ) -> None:
        """Sorts arguments into inputs and parameters by what the tool declares."""
        if isinstance(given, str):
            found = read_json(given)
            given = found if isinstance(found, dict) else [given]
        if isinstance(given, list):
            given = self._named(given, tool)
        if not isinstance(given, Mapping):
            return
        for name, value in given.items():
            if tool is None:
                params[str(name)] = value  # the gate names the tool, and looks no further
            elif name not in tool.inputs and (name in tool.params.model_fields or name == "seed"):
                params[str(name)] = value
            elif value is not None:
                port = tool.inputs.get(str(name))
                inputs[str(name)] = self._bound(value, port)

    def _named(self, given: list[Any], tool: Tool | None) -> dict[str, Any]:
        """A list of arguments: with names, or in the order of the tool's inputs."""
        named: dict[str, Any] = {}
        order = list(tool.inputs) if tool else []
        for place, item in enumerate(given):
            if isinstance(item, Mapping) and "name" in item and "value" in item:
                named[str(item["name"])] = item["value"]
            elif isinstance(item, Mapping) and len(item) == 1 and not item.keys() & _BINDINGS:
                named |= {str(name): value for name, value in item.items()}
            elif tool and len(order) == 1 and tool.inputs[order[0]].many:
                named.setdefault(order[0], []).append(item)
            else:
                named[order[place] if place < len(order) else f"argument_{place + 1}"] = item
        return named

    def _bound(self, value: Any, port: Port | None) -> Any:
        """A value as a binding; unchanged where that is not certain."""
        if isinstance(value, Mapping):
            return self._object(value, port)
        if isinstance(value, list):
            found = [self._bound(item, port) for item in value]
            return found[0] if len(found) == 1 and port is not None and not port.many else found
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            return value
        text = str(value)
        bare = text.strip().strip("[]<>{}$ ")
        if bare in self.known.assets:
            return {"asset": bare}
        output = self._output(text, port)
        if output is not None:
            return output
        inside: Any = read_json(text) if text.lstrip()[:1] in ("{", "[") else text
        if isinstance(inside, list) and port is not None and port.many:
            return self._bound(inside, port)
        if isinstance(inside, Mapping) and inside.keys() & _BINDINGS:
            return self._object(inside, port)
        return {"text": text}

    def _object(self, value: Mapping[str, Any], port: Port | None) -> Any:
        """`{"step": "s1", "output": "image"}` and the like; our own bindings stay."""
        if "from" in value:
            return {**value, **(self._output(str(value["from"]), port) or {})}
        step = value.get("step", value.get("step_id", value.get("node")))
        if step is not None and set(value) <= {"step", "step_id", "node", "output", "port", "name"}:
            name = value.get("output", value.get("port", value.get("name", "")))
            return self._output(f"{step}.{name}" if name else str(step), port) or value
        for key in ("value", "ref", "$ref", "reference"):
            if set(value) == {key}:
                return self._bound(value[key], port)
        return value

    def _output(self, text: str, port: Port | None) -> dict[str, Any] | None:
        """The output that a text refers to, if it refers to a step of this plan."""
        node = _NODE.fullmatch(text.strip())
        if node is not None:
            name = node[1].lower()
            by_place = self.ids[int(name)] if name.isdigit() and int(name) < len(self.ids) else ""
            step, output = self.alias.get(name, by_place), ""
        else:
            found = _STEP.fullmatch(text.strip())
            if found is None:
                return None
            step, output = self.alias.get(found[1].lower(), found[1].lower()), found[2] or ""
            words = port is None or Modality.TEXT in port.accepts
            if step not in self.ids or (words and text.strip().isdigit()):
                return None
        tool = self.tools.get(step)
        if tool is None:
            return {"from": f"{step}.{output}"} if step and output else None
        if output in tool.outputs:
            return {"from": f"{step}.{output}"}
        fitting = [
            name
            for name, given in tool.outputs.items()
            if port is None or given.accepts & port.accepts
        ]
        names = fitting or list(tool.outputs)
        return {"from": f"{step}.{names[0]}"} if len(names) == 1 else None

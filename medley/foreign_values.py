"""Values of foreign plans, read as bindings. Pure.

What is not certain becomes a binding that the gate refuses: to a step or an asset that there is
not, or to nothing at all. It never becomes words by chance.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from medley.foreign_names import Names
from medley.foreign_references import Reference, mentions, reference
from medley.known import Known
from medley.modality import Modality
from medley.tools import Port

MOST_TRIES = 200  #: places of a text at which JSON is looked for
BINDINGS = frozenset({"asset", "from", "text", "input"})
_STEP = re.compile(r"[\s$<{\[(]*(?:steps?[.:])?(\w+)(?:[.:]outputs?)?(?:[.:\[](\w+)\]?)?[\s>}\])]*")
_FILE = re.compile(
    r"[\w ()./\\-]+\.(?:jpe?g|png|gif|webp|bmp|wav|mp3|ogg|flac|m4a|mp4|mov|webm|avi)"
)


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
class Values:
    """Reads the values of one plan."""

    known: Known
    names: Names

    def bound(self, value: Any, port: Port | None) -> Any:
        """A value as a binding; unchanged where that is not certain."""
        if isinstance(value, Mapping):
            return self._object(value, port)
        if isinstance(value, list):
            found = [self.bound(item, port) for item in value]
            return found[0] if len(found) == 1 and port is not None and not port.many else found
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            return value
        text = str(value)
        asset = self.asset(text)
        if asset is not None:
            return {"asset": asset}
        output = self.output(text, port)
        if output is not None:
            return output
        inside: Any = read_json(text) if text.lstrip()[:1] in ("{", "[") else text
        if isinstance(inside, list) and port is not None and port.many:
            return self.bound(inside, port)
        if isinstance(inside, Mapping) and inside.keys() & BINDINGS:
            return self._object(inside, port)
        if mentions(text):
            return {"value": text}  # words around a reference: no binding says that
        wordless = port is not None and Modality.TEXT not in port.accepts
        if wordless and len(text) <= 64 and _FILE.fullmatch(text.strip()):
            return {"asset": text.strip()}  # a file that there is not
        return {"text": text}

    def kinds(self, value: Any) -> frozenset[Modality] | None:
        """What a value may be; None where that cannot be told."""
        bound = self.bound(value, None)
        if not isinstance(bound, Mapping):
            return None
        if "from" in bound:
            step, _, output = str(bound["from"]).partition(".")
            tool = self.names.tools.get(step)
            ports = {} if tool is None else tool.outputs
            chosen = [ports[output]] if output in ports else list(ports.values())
            return frozenset(kind for port in chosen for kind in port.accepts) or None
        if "asset" in bound:
            found = self.known.assets.get(str(bound["asset"]))
            return None if found is None else frozenset({found})
        if "text" in bound:
            ending = isinstance(bound["text"], str) and _FILE.fullmatch(bound["text"].strip())
            return None if ending else frozenset({Modality.TEXT})
        return None

    def asset(self, text: str) -> str | None:
        """The asset that a text names."""
        for bare in (text.strip(), text.strip().strip("[]<>{}$'\"` ")):
            if bare in self.known.assets:
                return bare
        return None

    def refers(self, value: Any) -> bool:
        """Whether a value is an asset or an output, whatever port gets it."""
        text = isinstance(value, str)
        return text and bool(self.asset(value) or (self.output(value, None) is not None))

    def _object(self, value: Mapping[str, Any], port: Port | None) -> Any:
        """`{"step": "s1", "output": "image"}` and the like; our own bindings stay."""
        if "from" in value:
            return {**value, **(self.output(str(value["from"]), port) or {})}
        step = value.get("step", value.get("step_id", value.get("node")))
        if step is not None and set(value) <= {"step", "step_id", "node", "output", "port", "name"}:
            name = value.get("output", value.get("port", value.get("name", "")))
            return self.output(f"{step}.{name}" if name else str(step), port) or value
        for key in ("value", "ref", "$ref", "reference"):
            if set(value) == {key}:
                return self.bound(value[key], port)
        return value

    def output(self, text: str, port: Port | None) -> dict[str, Any] | None:
        """The output that a text refers to. A marked reference that leads nowhere is one to a step
        that there is not; None where the text is words.
        """
        found = _STEP.fullmatch(text.strip()) if len(text) < 200 else None
        if found is not None:
            step = self.names.alias.get(found[1].lower(), found[1].lower())
            words = port is None or Modality.TEXT in port.accepts
            if step in self.names.ids and not (words and text.strip().isdigit()):
                return self._of(step, found[2] or "", port, loose=True)
        asked = reference(text)
        if asked is None:
            named = self.names.named(text.strip("'\" ")) if re.search(r"\w[-_ ]\w", text) else []
            return self._of(named[0], "", port) if len(named) == 1 else None
        steps = self.names.meant(asked)
        if len(steps) == 1:
            return self._of(steps[0], asked.output, port)
        return _nowhere(asked) if asked.marked or steps else None

    def _of(
        self, step: str, output: str, port: Port | None, *, loose: bool = False
    ) -> dict[str, Any] | None:
        """The output of a step that fits: the one that is named, or the only one."""
        tool = self.names.tools.get(step)
        if tool is None:
            named = re.fullmatch(r"[a-z][a-z0-9_]{0,31}", output)
            return (
                {"from": f"{step}.{output if named else 'output'}"} if named or not loose else None
            )
        if output in tool.outputs:
            return {"from": f"{step}.{output}"}
        fitting = [
            name
            for name, given in tool.outputs.items()
            if port is None or given.accepts & port.accepts
        ]
        names = fitting or list(tool.outputs)
        if len(names) == 1:
            return {"from": f"{step}.{names[0]}"}
        return None if loose else {"from": f"{step}.output"}


def _nowhere(asked: Reference) -> dict[str, Any]:
    """A binding to the step that a reference names, although there is none: the gate says so."""
    name = f"{asked.numbered}_{asked.name}" if asked.numbered else asked.name
    plain = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
    step = plain if plain[:1].isalpha() else f"step_{plain}"
    return {"from": f"{step[:32].rstrip('_')}.output"}

"""The grammar of a plan, derived from the live tools and from what exists: assets, and outputs of
the steps before.

A plan is decoded one step at a time. When step n begins, the tools and types of steps 1 to n-1 are
known, so its grammar names exactly the values that fit each port: a plan that a random model writes
under it still passes the type check. The notation is llguidance's Lark; JSON is written without
blanks, properties in the order of the declaration.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from medley.modality import STORED, Modality
from medley.tasks import KnownAsset
from medley.tools import BUDGET, EXTRA, Port, Tool, Toolbox

EMBEDDABLE = frozenset({Modality.TEXT, Modality.IMAGE, Modality.AUDIO, Modality.VIDEO})
SEARCH = "search"  #: the tool before which an index is made
MANY = 1 << 16  #: steps; more than any plan has
MAX_WORDS = 2000  #: characters of a free text argument
CHUNK = re.compile(r"\\u[0-9a-fA-F]{4}|\\.|[a-zA-Z0-9']+|.", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Given:
    """A value that a port may be bound to: its binding as JSON, what it may be, whether it is a
    list.
    """

    binding: dict[str, Any]
    modalities: frozenset[Modality]
    many: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What a text argument may say: anything up to `limit` characters, or only quotations of
    `source`.
    """

    source: str | None = None
    limit: int = MAX_WORDS


@dataclass(slots=True)
class PlanGrammar:
    """The grammars of one plan as it grows."""

    tools: Toolbox
    assets: Sequence[KnownAsset]
    words: Words = field(default_factory=Words)
    max_steps: int = 12
    reply: bool = True  # whether the model also writes what to show
    may_ask: bool = False  # whether it may write a question instead of a first step
    budget: int | None = None  # of steps with those that are added later; None: any
    given: list[Given] = field(init=False)
    steps: list[dict[str, Any]] = field(init=False, default_factory=list)
    added: set[str] = field(init=False, default_factory=set)  # what steps may be added for

    def __post_init__(self) -> None:
        self.given = [
            Given({"asset": asset.id}, frozenset({asset.modality})) for asset in self.assets
        ]

    def opening(self) -> str:
        """The grammar of what stands before the first step."""
        return "start: " + literal('{"steps":[') + "\n"

    def add(self, step: dict[str, Any]) -> None:
        """Takes note of a finished step, so that later ones can refer to what it gives."""
        self.steps.append(step)
        self.added |= self._additions(step)
        for name, port in self.tools[step["tool"]].outputs.items():
            source = {"from": f"{step['id']}.{name}"}
            self.given.append(Given(source, port.accepts, port.many))
            if port.many:
                self.given.append(Given({**source, "item": 0}, port.accepts))

    def next(self) -> str:
        """The grammar of what follows: another step, or the end of the plan."""
        rules = Rules(self.words)
        options = ["ending"]
        if len(self.steps) < self.max_steps:
            found = (
                self._tool(place, tool, rules) for place, tool in enumerate(self.tools.values())
            )
            names = [rule for rule in found if rule]
            if names:
                opening = literal(f'{{"id":"s{len(self.steps) + 1}","tool":"')
                rules.add("step", f'{opening} ({" | ".join(names)}) "}}"')
                options.append("step" if not self.steps else '"," step')
        rules.add("ending", self._ending(rules))
        return rules.text(" | ".join(options))

    @property
    def room(self) -> int:
        """How many steps may still be added, whether by the model or for what it reads."""
        spent = len(self.steps) + len(self.added)
        return MANY if self.budget is None else self.budget - spent

    def _additions(self, step: dict[str, Any]) -> set[str]:
        """What a step may need another one for: media and words that it reads as embeddings, and
        the index of a search.
        """
        tool = self.tools[step["tool"]]
        found = {tool.name} if tool.name == SEARCH else set()
        for name, bound in step["inputs"].items():
            if Modality.EMBEDDING in tool.inputs[name].accepts:
                found |= {dumps(item) for item in (bound if isinstance(bound, list) else [bound])}
        return found

    def _ending(self, rules: "Rules") -> str:
        shown = [
            f"{step['id']}.{name}"
            for step in self.steps
            for name, port in self.tools[step["tool"]].outputs.items()
            if port.accepts <= STORED
        ]
        if self.may_ask and not self.steps:
            asking = literal(',"ask":')
            return f'"]" ({asking} {rules.words()})? "}}"'
        if not self.reply or not shown:
            return literal("]}")
        item = rules.add("shown", " | ".join(literal(f'"{name}"') for name in shown))
        opening = literal(',"reply":{"show":[')
        return f'"]" ({opening} {item} ("," {item}){{0,15}} "]}}")? "}}"'

    def _tool(self, place: int, tool: Tool, rules: "Rules") -> str | None:
        # Rules are called by places: a name may hold what Lark does not read as one.
        ports: list[tuple[str, str, bool]] = []
        embedded = sum(Modality.EMBEDDING in port.accepts for port in tool.inputs.values())
        room = self.room - 1 - embedded - (tool.name == SEARCH)
        if room < 0:
            return None
        for number, (name, port) in enumerate(ports_of(tool).items()):
            bound = self._port(f"{place}_{number}", port, rules, room + 1)
            if bound is None and port.required:
                return None
            if bound is not None:
                ports.append((name, bound, port.required))
        params = parameters(tool, self.words.source is None)
        body = [literal(f'{tool.name}","inputs":'), rules.members(f"t_{place}", ports)]
        if params:
            needed = required(tool)
            options = [
                (name, rules.value(f"v_{place}_{number}", schema), name in needed)
                for number, (name, schema) in enumerate(params.items())
            ]
            opening = literal(',"params":')
            members = rules.members(f"p_{place}", options)
            body.append(f"({opening} {members})" + ("" if needed else "?"))
        return rules.add(f"tool_{place}", " ".join(body))

    def _port(self, name: str, port: Port, rules: "Rules", room: int) -> str | None:
        """The rule of what a port may be bound to; `room`: the most values that are embedded."""
        accepted = port.accepts
        if Modality.EMBEDDING in accepted and "embed" in self.tools:
            accepted |= EMBEDDABLE
        fitting = [item for item in self.given if item.modalities <= accepted]
        single = [literal(dumps(item.binding)) for item in fitting if not item.many]
        if Modality.TEXT in accepted:
            opening = literal('{"text":')
            single.append(f'{opening} {rules.words()} "}}"')
        # What is embedded first is embedded one by one.
        whole = [item for item in fitting if item.many and item.modalities <= port.accepts]
        lists = [literal(dumps(item.binding)) for item in whole] if port.many else []
        if not single and not lists:
            return None
        if not port.many:
            return rules.add(f"b_{name}", " | ".join(single))
        options = list(lists)
        if single:
            item = rules.add(f"b_{name}", " | ".join(single))
            most = min(port.max_items, room) if Modality.EMBEDDING in accepted else port.max_items
            options.append(items(item, most))
        return rules.add(f"l_{name}", " | ".join(options))


class Rules:
    """Rules of one grammar, by name; equal names are written once."""

    def __init__(self, words: Words) -> None:
        self._rules: dict[str, str] = {}
        self._words = words

    def add(self, name: str, body: str) -> str:
        """Writes a rule down and gives its name back."""
        self._rules.setdefault(name, body)
        return name

    def text(self, start: str) -> str:
        """The grammar as llguidance reads it."""
        return (
            "\n".join(
                [f"start: {start}", *(f"{name}: {body}" for name, body in self._rules.items())]
            )
            + "\n"
        )

    def words(self) -> str:
        """A text argument: a JSON string."""
        source = self._words.source
        if source is None:
            return self.add("words", string(self._words.limit))
        if not source.strip():
            return self.add("words", literal('""'))
        self.add("SOURCE", f"%regex {dumps({'substring_chunks': chunks(source)})}")
        self.add("QUOTED", r"SOURCE & /(.|\n)*[^ ](.|\n)*/")
        return self.add("words", r'"\"" QUOTED "\""')

    def members(self, name: str, fields: Sequence[tuple[str, str, bool]]) -> str:
        """An object of these (key, rule, required) in this order; without a required one, it has at
        least one.
        """
        rest = ""
        for place in range(len(fields) - 1, -1, -1):
            key, rule, required = fields[place]
            pair = f"{literal(dumps(key) + ':')} {rule}"
            comma = f'"," {pair}' + (f" {rest}" if rest else "")
            after = f"{name}_{place}"
            self.add(after, comma if required else f"{comma}{' | ' + rest if rest else ''} | ")
            rest = after
        first = []
        for place, (key, rule, required) in enumerate(fields):
            follow = f" {name}_{place + 1}" if place + 1 < len(fields) else ""
            first.append(f"{literal(dumps(key) + ':')} {rule}{follow}")
            if required:
                break
        if not fields:
            return '"{}"'
        return self.add(name, f'"{{" ({" | ".join(first)}) "}}"')

    def value(self, name: str, schema: Mapping[str, Any]) -> str:
        """A parameter's value."""
        if "enum" in schema:
            return self.add(name, " | ".join(literal(dumps(option)) for option in schema["enum"]))
        kind = schema.get("type")
        if kind == "string":
            if self._words.source is not None:
                return self.words()
            limit = min(schema.get("maxLength", MAX_WORDS), self._words.limit)
            return self.add(name, string(limit))
        if kind == "array":
            item = self.value(f"{name}_i", schema["items"])
            return self.add(name, items(item, max(schema.get("maxItems", 16), 1)))
        return self.add(name, _json(schema))


def parameters(tool: Tool, seed: bool) -> dict[str, dict[str, Any]]:
    """The JSON schema of each parameter that a hub may set, cut down to what a decoder can keep:
    bounded, without null.
    """
    schema = tool.params.model_json_schema()
    found = {
        name: _bounded(entry, schema.get("$defs", {}))
        for name, entry in schema.get("properties", {}).items()
        if not entry.get(BUDGET) and not entry.get(EXTRA)
    }
    if tool.seeded and seed:
        found["seed"] = {"type": "integer", "minimum": 0, "maximum": 2**31 - 1}
    return found


def ports_of(tool: Tool) -> dict[str, Port]:
    """The inputs that a hub may bind: those that every model of the tool takes."""
    return {name: port for name, port in tool.inputs.items() if not port.extra}


def required(tool: Tool) -> set[str]:
    """Names of the parameters that must be given."""
    fields = tool.params.model_fields.items()
    return {name for name, field in fields if field.is_required()}


def _bounded(entry: Mapping[str, Any], defs: Mapping[str, Any]) -> dict[str, Any]:
    if "$ref" in entry:
        entry = defs[entry["$ref"].rpartition("/")[2]]
    for option in entry.get("anyOf", ()):
        if option.get("type") != "null":
            return _bounded(option, defs)
    if "const" in entry:
        return {"enum": [entry["const"]]}
    kept = {
        key: entry[key]
        for key in (
            "type",
            "enum",
            "maxLength",
            "maxItems",
            "multipleOf",
            "minimum",
            "maximum",
            "exclusiveMinimum",
            "exclusiveMaximum",
        )
        if key in entry
    }
    if kept.get("type") == "array":
        kept["items"] = _bounded(entry.get("items", {"type": "string"}), defs)
    if kept.get("type") == "number":
        kept.setdefault("multipleOf", 0.01)  # or a number may go on for ever
        kept.setdefault("minimum", -1000) if "exclusiveMinimum" not in kept else None
        kept.setdefault("maximum", 1000) if "exclusiveMaximum" not in kept else None
    return kept


def chunks(source: str) -> list[str]:
    """A text as the pieces that quotations of it are made of: words, and single other characters,
    as JSON spells them.
    """
    return CHUNK.findall(dumps(source)[1:-1])


def items(rule: str, most: int) -> str:
    """A JSON list of 1 to `most` of these."""
    more = f' ("," {rule}){{0,{most - 1}}}' if most > 1 else ""
    return f'"[" {rule}{more} "]"'


def string(limit: int) -> str:
    """A JSON string of 1 to `limit` characters, none of which is a control character."""
    return rf'/"([^"\\\x00-\x1f\x7f]|\\["\\n]){{1,{limit}}}"/'


def literal(text: str) -> str:
    """A Lark string that stands for exactly this text."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def dumps(value: Any) -> str:
    """JSON as the grammar writes it: no blanks, non-ASCII as it is."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _json(schema: Mapping[str, Any]) -> str:
    return f"%json {dumps({'x-guidance': {'whitespace_flexible': False}, **schema})}"

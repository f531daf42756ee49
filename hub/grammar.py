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
from medley.tools import BUDGET, Port, Tool, Toolbox

EMBEDDABLE = frozenset({Modality.TEXT, Modality.IMAGE, Modality.AUDIO, Modality.VIDEO})
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
    given: list[Given] = field(init=False)
    steps: list[dict[str, Any]] = field(init=False, default_factory=list)

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
            names = [
                rule for rule in (self._tool(tool, rules) for tool in self.tools.values()) if rule
            ]
            if names:
                opening = literal(f'{{"id":"s{len(self.steps) + 1}","tool":"')
                rules.add("step", f'{opening} ({" | ".join(names)}) "}}"')
                options.append("step" if not self.steps else '"," step')
        rules.add("ending", self._ending(rules))
        return rules.text(" | ".join(options))

    def _ending(self, rules: "Rules") -> str:
        shown = [
            f"{step['id']}.{name}"
            for step in self.steps
            for name, port in self.tools[step["tool"]].outputs.items()
            if port.accepts <= STORED
        ]
        if not self.reply or not shown:
            return literal("]}")
        item = rules.add("shown", " | ".join(literal(f'"{name}"') for name in shown))
        opening = literal(',"reply":{"show":[')
        return f'"]" ({opening} {item} ("," {item}){{0,15}} "]}}")? "}}"'

    def _tool(self, tool: Tool, rules: "Rules") -> str | None:
        ports: list[tuple[str, str, bool]] = []
        for name, port in tool.inputs.items():
            bound = self._port(f"{tool.name}_{name}", port, rules)
            if bound is None and port.required:
                return None
            if bound is not None:
                ports.append((name, bound, port.required))
        params = parameters(tool, self.words.source is None)
        body = [literal(f'{tool.name}","inputs":'), rules.members(f"t_{tool.name}", ports)]
        if params:
            options = [
                (name, rules.value(f"{tool.name}_p_{name}", schema), False)
                for name, schema in params.items()
            ]
            opening = literal(',"params":')
            body.append(f"({opening} {rules.members(f'p_{tool.name}', options)})?")
        return rules.add(f"tool_{tool.name}", " ".join(body))

    def _port(self, name: str, port: Port, rules: "Rules") -> str | None:
        accepted = port.accepts
        if Modality.EMBEDDING in accepted and "embed" in self.tools:
            accepted |= EMBEDDABLE
        fitting = [item for item in self.given if item.modalities <= accepted]
        single = [literal(dumps(item.binding)) for item in fitting if not item.many]
        if Modality.TEXT in accepted:
            opening = literal('{"text":')
            single.append(f'{opening} {rules.words()} "}}"')
        lists = [literal(dumps(item.binding)) for item in fitting if item.many] if port.many else []
        if not single and not lists:
            return None
        if not port.many:
            return rules.add(f"b_{name}", " | ".join(single))
        options = list(lists)
        if single:
            item = rules.add(f"b_{name}", " | ".join(single))
            options.append(f'"[" {item} ("," {item}){{0,{port.max_items - 1}}} "]"')
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
            return self.add(
                "words", _json({"type": "string", "minLength": 1, "maxLength": self._words.limit})
            )
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
            return (
                self.words()
                if self._words.source is not None
                else self.add(
                    name,
                    _json(
                        {
                            **schema,
                            "minLength": 1,
                            "maxLength": min(schema.get("maxLength", MAX_WORDS), self._words.limit),
                        }
                    ),
                )
            )
        if kind == "array":
            item = self.value(f"{name}_i", schema["items"])
            return self.add(
                name, f'"[" {item} ("," {item}){{0,{max(schema.get("maxItems", 16) - 1, 0)}}} "]"'
            )
        return self.add(name, _json(schema))


def parameters(tool: Tool, seed: bool) -> dict[str, dict[str, Any]]:
    """The JSON schema of each parameter that a hub may set, cut down to what a decoder can keep:
    bounded, without null.
    """
    schema = tool.params.model_json_schema()
    found = {
        name: _bounded(entry, schema.get("$defs", {}))
        for name, entry in schema.get("properties", {}).items()
        if not entry.get(BUDGET)
    }
    if tool.seeded and seed:
        found["seed"] = {"type": "integer", "minimum": 0, "maximum": 2**31 - 1}
    return found


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


def literal(text: str) -> str:
    """A Lark string that stands for exactly this text."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def dumps(value: Any) -> str:
    """JSON as the grammar writes it: no blanks, non-ASCII as it is."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _json(schema: Mapping[str, Any]) -> str:
    return f"%json {dumps({'x-guidance': {'whitespace_flexible': False}, **schema})}"

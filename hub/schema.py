"""The JSON schema of a plan and of a reply, for servers that decode under `response_format:
json_schema`.

Weaker than the grammar of `hub.grammar`: one schema for the whole plan cannot know which step came
before, so references are bound by a pattern and the result is checked again. Strings are bounded by
`pattern`, never by `maxLength`, which some servers' decoders turn into broken JSON.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from hub.grammar import EMBEDDABLE, parameters, ports_of, required
from medley.modality import Modality
from medley.tasks import AnswerFacts, KnownAsset
from medley.tools import Port, Tool, Toolbox

MAX_QUESTION = 300  #: characters of a question to the caller


def words(limit: int) -> str:
    """The pattern of a text argument of at most so many characters, without control characters."""
    return rf"^[^\u0000-\u001f]{{1,{limit}}}$"


def plan_schema(
    tools: Toolbox,
    assets: Sequence[KnownAsset],
    max_steps: int,
    max_words: int = 800,
    *,
    may_ask: bool = False,
) -> dict[str, Any]:
    """An object with `steps`, each one of the tools with typed ports, and `reply`; where the hub
    may ask, also `ask`, empty where it plans.
    """
    steps = [_tool(tool, tools, assets, words(max_words)) for tool in tools.values()]
    steps = [step for step in steps if step is not None]
    shown = sorted({f"{name}" for tool in tools.values() for name in tool.outputs})
    listed: dict[str, Any] = {
        "type": "array",
        "maxItems": max_steps if steps else 0,
        "items": {"anyOf": steps} if steps else {"type": "object"},
    }
    show = {
        "type": "array",
        "maxItems": 16 if shown and steps else 0,
        "items": _reference(shown) if shown else {"type": "string"},
    }
    fields: dict[str, Any] = {"steps": listed, "reply": _object({"show": show})}
    if may_ask:
        fields["ask"] = {"type": "string", "pattern": rf"^[^\u0000-\u001f]{{0,{MAX_QUESTION}}}$"}
    return _object(fields)


def reply_schema(facts: AnswerFacts, max_words: int = 4000) -> dict[str, Any]:
    """An object with the text and the assets to show, which must exist."""
    known = [asset.id for asset in facts.assets]
    items: dict[str, Any] = {"type": "string", "enum": known} if known else {"type": "string"}
    show = {"type": "array", "items": items, "maxItems": 64 if known else 0}
    return _object(
        {
            "text": {
                "type": "string",
                "pattern": rf"^[^\u0000-\u0009\u000b-\u001f]{{1,{max_words}}}$",
            },
            "show": show,
        }
    )


def _tool(
    tool: Tool, tools: Toolbox, assets: Sequence[KnownAsset], pattern: str
) -> dict[str, Any] | None:
    inputs: dict[str, Any] = {}
    needed = []
    for name, port in ports_of(tool).items():
        bound = _port(port, tools, assets, pattern)
        if bound is None and port.required:
            return None
        if bound is not None:
            inputs[name] = bound
            needed += [name] if port.required else []
    fields: dict[str, Any] = {
        "id": {"type": "string", "pattern": "^s[1-9][0-9]?$"},
        "tool": {"type": "string", "enum": [tool.name]},
        "inputs": {
            "type": "object",
            "properties": inputs,
            "required": needed,
            "additionalProperties": False,
        },
    }
    if inputs:
        fields["map"] = {"type": "string", "enum": sorted(inputs)}
    params = {name: _plain(schema, pattern) for name, schema in parameters(tool, seed=True).items()}
    if params:
        fields["params"] = {
            "type": "object",
            "properties": params,
            "required": sorted(required(tool)),
            "additionalProperties": False,
        }
    return {
        "type": "object",
        "properties": fields,
        "required": ["id", "tool", "inputs", *(["params"] if required(tool) else [])],
        "additionalProperties": False,
    }


def _port(
    port: Port, tools: Toolbox, assets: Sequence[KnownAsset], pattern: str
) -> dict[str, Any] | None:
    accepted = port.accepts
    if Modality.EMBEDDING in accepted and "embed" in tools:
        accepted |= EMBEDDABLE
    options: list[dict[str, Any]] = []
    fitting = [asset.id for asset in assets if asset.modality in accepted]
    if fitting:
        options.append(_object({"asset": {"type": "string", "enum": fitting}}))
    sources = sorted(
        {
            name
            for tool in tools.values()
            for name, given in tool.outputs.items()
            if given.accepts <= accepted
        }
    )
    if sources:
        options.append(_object({"from": _reference(sources)}))
    if Modality.TEXT in accepted:
        options.append(_object({"text": {"type": "string", "pattern": pattern}}))
    if not options:
        return None
    if not port.many:
        return {"anyOf": options}
    lists = {
        "type": "array",
        "items": {"anyOf": options},
        "minItems": 1,
        "maxItems": port.max_items,
    }
    return {"anyOf": [lists, *(option for option in options if "from" in option["properties"])]}


def _reference(names: Sequence[str]) -> dict[str, Any]:
    return {
        "type": "string",
        "pattern": f"^s[1-9][0-9]?\\.({'|'.join(re.escape(name) for name in names)})$",
    }


def _plain(schema: Mapping[str, Any], pattern: str) -> dict[str, Any]:
    kept = {key: value for key, value in schema.items() if key not in ("maxLength", "multipleOf")}
    if kept.get("type") == "string" and "enum" not in kept:
        kept["pattern"] = pattern
    if kept.get("type") == "array":
        kept["items"] = _plain(kept["items"], pattern)
    return kept


def _object(fields: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": fields,
        "required": list(fields),
        "additionalProperties": False,
    }

"""The forms that a caller may ask for: JSON schemas of a message or of a function's arguments, made
fit for decoding. Pure.

Whatever model decodes under such a form comes to an end: strings and lists that have no bound get
one, and objects say nothing that was not asked for. The result still obeys the caller's schema.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from medley.calls import head
from medley.errors import BadInput, HubError
from medley.tasks import Function

MAX_ITEMS = 64
_LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")
_TABLES = ("properties", "$defs", "definitions", "patternProperties")
_ONE = ("items", "additionalProperties", "not")
_FREE = frozenset({"enum", "const", "pattern", "format", "maxLength"})
#: Numbers without an end would be the easiest way to write for ever.
_WHOLE = {"minimum": -(2**53) + 1, "maximum": 2**53 - 1}
_ANY = {"minimum": -(10**15), "maximum": 10**15}
_OPTIONS = {"whitespace_flexible": False, "lenient": True}


def bounded(schema: Any, words: int) -> Any:
    """The same form with an end: strings of at most `words` characters, lists of a few items."""
    if not isinstance(schema, Mapping):
        return schema
    found: dict[str, Any] = dict(schema)
    for name in _LISTS:
        if isinstance(found.get(name), list):
            found[name] = [bounded(item, words) for item in found[name]]
    for name in _TABLES:
        if isinstance(found.get(name), Mapping):
            found[name] = {key: bounded(item, words) for key, item in found[name].items()}
    for name in _ONE:
        found[name] = bounded(found.get(name), words)
        if found[name] is None:
            del found[name]
    kind = found.get("type")
    kinds = kind if isinstance(kind, list) else [kind]
    if "string" in kinds and not _FREE & found.keys():
        found["maxLength"] = max(words, int(found.get("minLength", 0) or 0))
    if "array" in kinds and "maxItems" not in found:
        most = min(MAX_ITEMS, words)
        found["maxItems"] = max(most, int(found.get("minItems", 0) or 0))
    if not {"enum", "const"} & found.keys():
        if "integer" in kinds:
            found = {**_WHOLE, **found}
        elif "number" in kinds:
            found = {**_ANY, **found}
    if "properties" in found and "additionalProperties" not in found:
        found["additionalProperties"] = False
    return found


def lark(schema: Mapping[str, Any], words: int) -> str:
    """The form as a rule of a Lark grammar of llguidance."""
    return "%json " + json.dumps({**bounded(schema, words), "x-guidance": _OPTIONS})


def arguments_of(function: Function) -> dict[str, Any]:
    """The schema of a function's arguments; an object without members where it says nothing.
    Raises `BadInput`.
    """
    given = function.parameters
    if given.get("type", "object") != "object":
        raise BadInput(f"The parameters of {function.name!r} are no object.")
    return {"type": "object", "properties": {}, **given}


def call_schema(function: Function) -> dict[str, Any]:
    """A call of this function as JSON, for servers that decode under a schema of the whole."""
    return {
        "type": "object",
        "properties": {
            "call": {"type": "string", "enum": [function.name]},
            "arguments": arguments_of(function),
        },
        "required": ["call", "arguments"],
        "additionalProperties": False,
    }


def message_grammar(
    functions: Sequence[Function], form: Mapping[str, Any] | None, *, may_talk: bool, words: int
) -> str:
    """Lark: a message that is words or JSON of a form, if it may be that, or one call."""
    choices, rules = [], []
    if may_talk and form is not None:
        choices.append("form")
        rules.append(f"form: {lark(form, words)}")
    elif may_talk:
        choices.append("WORDS")
        rules.append(r"WORDS: /[^{\x00-\x1f\x7f][^\x00-\x08\x0b-\x1f\x7f]*/")
    for number, function in enumerate(functions):
        choices.append(f"call{number}")
        rules.append(f'call{number}: {json.dumps(head(function.name))} args{number} "}}"')
        rules.append(f"args{number}: {lark(arguments_of(function), words)}")
    return "\n".join([f"start: {' | '.join(choices)}", *rules]) + "\n"


def check(text: str, schema: Mapping[str, Any], what: str) -> None:
    """Whether JSON text obeys a schema, whoever decoded it. Raises `HubError`, and `BadInput` where
    the schema itself is none.
    """
    import jsonschema
    import referencing

    known = _without_patterns(schema)
    try:
        jsonschema.Draft202012Validator.check_schema(known)
        # A registry of nothing: no schema makes us fetch another one.
        checker = jsonschema.Draft202012Validator(known, registry=referencing.Registry())
        checker.validate(json.loads(text))
    except jsonschema.SchemaError as error:
        raise BadInput(f"{what} has a schema that is none: {error.message[:300]}") from error
    except (ValueError, RecursionError, jsonschema.ValidationError) as error:
        reason = getattr(error, "message", str(error))
        raise HubError(f"{what} is not as its schema says: {reason[:300]}") from error
    except Exception as error:  # an unresolvable $ref, of a kind that jsonschema does not name
        raise BadInput(f"{what} has a schema that cannot be used: {str(error)[:300]}") from error


def _without_patterns(node: Any) -> Any:
    """The schema without expressions that may take for ever to match; the grammar kept to them."""
    if isinstance(node, Mapping):
        left_out = {name for name in ("pattern", "patternProperties") if not _is_schema(node, name)}
        return {key: _without_patterns(item) for key, item in node.items() if key not in left_out}
    return [_without_patterns(item) for item in node] if isinstance(node, list) else node


def _is_schema(node: Mapping[str, Any], name: str) -> bool:
    """Whether this name is a property of a table here, and no keyword."""
    return name == "pattern" and isinstance(node.get(name), Mapping)

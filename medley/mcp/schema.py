"""JSON schema to parameters: what can be typed for certain, and why the rest cannot. Pure.

Strings, numbers, truth values, options and lists of these, with their ranges. Objects, unions and
whatever else a schema may say are left out; a tool that requires one of them cannot be used.
Patterns and formats are left to the server, which checks its arguments anyway.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from medley.mcp.declaration import (
    MAX_ABOUT,
    MAX_ITEMS,
    MAX_NUMBER,
    MAX_OPTIONS,
    MAX_PARAMS,
    MAX_WORDS,
    Parameter,
    one_line,
)

_KINDS = ("string", "integer", "number", "boolean")
_MIXING = ("allOf", "oneOf", "not", "if", "dependentSchemas", "patternProperties", "$dynamicRef")
_MOST_HOPS = 4  # from one definition to the next


class Untyped(Exception):
    """A schema that cannot be typed; the message says why."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The parameters of a schema, and what was left out of it: name and reason."""

    params: list[Parameter]
    left_out: list[tuple[str, str]] = field(default_factory=list)


def read_schema(schema: Any) -> Reading:
    """The parameters of an object schema. Raises `Untyped` when a required one cannot be typed."""
    if not isinstance(schema, Mapping) or schema.get("type") != "object":
        raise Untyped("its input is no object")
    for word in (*_MIXING, "anyOf", "$ref"):
        if word in schema:
            raise Untyped(f"its input is described with {word}")
    properties, required = schema.get("properties", {}), schema.get("required", [])
    if not isinstance(properties, Mapping) or not isinstance(required, list):
        raise Untyped("its input is not described as JSON schema says")
    if len(properties) > MAX_PARAMS:
        raise Untyped(f"it has {len(properties)} parameters; at most {MAX_PARAMS} are taken")
    for name in required:
        if not isinstance(name, str) or name not in properties:
            raise Untyped("it requires a parameter that it does not describe")
    found = Reading([])
    for name, entry in properties.items():
        try:
            found.params.append(_parameter(name, entry, name in required, schema))
        except Untyped as why:
            if name in required:
                raise Untyped(f"the parameter {one_line(name, 48)!r}: {why}") from None
            found.left_out.append((one_line(name, 48), str(why)))
    return found


def _parameter(name: str, entry: Any, required: bool, root: Mapping[str, Any]) -> Parameter:
    plain = _resolved(entry, root)
    fields: dict[str, Any] = {"name": name, "required": required}
    if plain.get("type") == "array":
        items = plain.get("items")
        if not isinstance(items, Mapping):
            raise Untyped("a list of anything")
        fields |= _single(_resolved(items, root))
        fields["many"] = True
        fields["fewest"] = _size(plain, "minItems", 0)
        fields["most"] = min(_size(plain, "maxItems", MAX_ITEMS), MAX_ITEMS)
    else:
        fields |= _single(plain)
    about = entry.get("description", plain.get("description")) if isinstance(entry, Mapping) else ""
    fields["about"] = one_line(about, MAX_ABOUT) if isinstance(about, str) else ""
    try:
        made = Parameter(**fields)
    except ValidationError as error:
        raise Untyped(error.errors()[0]["msg"].removeprefix("Value error, ")) from None
    return made if required else _with_default(made, plain.get("default"))


def _resolved(entry: Any, root: Mapping[str, Any]) -> Mapping[str, Any]:
    """The one schema behind references and behind `or null`."""
    for _ in range(_MOST_HOPS):
        if not isinstance(entry, Mapping):
            raise Untyped("it is not described")
        for word in _MIXING:
            if word in entry:
                raise Untyped(f"it is described with {word}")
        if "$ref" in entry:
            rest = {key: value for key, value in entry.items() if key != "$ref"}
            entry = {**_definition(entry["$ref"], root), **rest}
        elif "anyOf" in entry:
            options = entry["anyOf"]
            real = [item for item in options if item != {"type": "null"}] if _short(options) else []
            if len(real) != 1 or not isinstance(real[0], Mapping):
                raise Untyped("it may be of several types")
            rest = {key: value for key, value in entry.items() if key != "anyOf"}
            entry = {**real[0], **rest}
        elif isinstance(entry.get("type"), list):
            kinds = (
                [kind for kind in entry["type"] if kind != "null"] if _short(entry["type"]) else []
            )
            if len(kinds) != 1:
                raise Untyped("it may be of several types")
            entry = {**entry, "type": kinds[0]}
        else:
            return entry
    raise Untyped("its description leads from one definition to the next")


def _short(value: Any) -> bool:
    return isinstance(value, list) and len(value) <= 8


def _definition(name: Any, root: Mapping[str, Any]) -> Mapping[str, Any]:
    for place in ("$defs", "definitions"):
        prefix = f"#/{place}/"
        if isinstance(name, str) and name.startswith(prefix):
            found = root.get(place)
            inside = found.get(name.removeprefix(prefix)) if isinstance(found, Mapping) else None
            if isinstance(inside, Mapping):
                return inside
    raise Untyped("it refers to a definition that is not there")


def _single(plain: Mapping[str, Any]) -> dict[str, Any]:
    """Kind, options and ranges of one value."""
    options = [plain["const"]] if "const" in plain else plain.get("enum")
    if options is not None:
        return _options(options)
    kind = plain.get("type")
    if kind not in _KINDS:
        what = {"object": "an object", "array": "a list of lists", None: "of no stated type"}
        raise Untyped(what.get(kind if isinstance(kind, str) else None, "of an unknown type"))
    found: dict[str, Any] = {"kind": kind}
    if kind == "string":
        found["shortest"] = _size(plain, "minLength", 0)
        found["longest"] = min(_size(plain, "maxLength", MAX_WORDS), MAX_WORDS)
    if kind in ("integer", "number"):
        found |= _range(plain, whole=kind == "integer")
    return found


def _options(options: Any) -> dict[str, Any]:
    if not isinstance(options, list) or not 1 <= len(options) <= MAX_OPTIONS:
        raise Untyped(f"it does not have 1 to {MAX_OPTIONS} options")
    if all(isinstance(item, str) for item in options):
        return {"kind": "string", "options": tuple(dict.fromkeys(options))}
    if all(isinstance(item, int) and not isinstance(item, bool) for item in options):
        return {"kind": "integer", "options": tuple(dict.fromkeys(options))}
    raise Untyped("its options are neither all words nor all whole numbers")


def _range(plain: Mapping[str, Any], *, whole: bool) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, bound in (("minimum", "low"), ("maximum", "high")):
        exclusive = "exclusive" + name.title()
        for key in (name, exclusive):
            value = plain.get(key)
            if value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise Untyped(f"its {key} is no number")
            if value < -MAX_NUMBER if bound == "low" else value > MAX_NUMBER:
                continue  # our own bound is narrower
            if not -MAX_NUMBER <= value <= MAX_NUMBER:
                raise Untyped(f"its {key} leaves no number that can be used")
            if whole and value != int(value):
                raise Untyped(f"its {key} is no whole number")
            found |= {bound: value, f"open_{bound}": key == exclusive}
    return found


def _size(plain: Mapping[str, Any], key: str, otherwise: int) -> int:
    value = plain.get(key, otherwise)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise Untyped(f"its {key} is no size")
    return value


def _with_default(made: Parameter, default: Any) -> Parameter:
    """With the schema's default where that is one of the allowed values, else without."""
    if default is None:
        return made
    try:
        return Parameter.model_validate({**made.model_dump(), "default": default})
    except ValidationError:
        return made

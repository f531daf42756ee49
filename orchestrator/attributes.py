"""Filters over the attributes of files in a vector store, as a condition of SQL. Pure.

The forms are OpenAI's: `{type: eq|ne|gt|gte|lt|lte|in|nin, key, value}`, and `{type: and|or,
filters: […]}` of these. Names and values travel as parameters, never as text of the statement.
"""

import json
from collections.abc import Mapping
from typing import Any

from medley.errors import BadInput

_ORDER = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
MAX_DEPTH, MAX_PARTS = 8, 64


def condition_of(given: Mapping[str, Any] | None) -> tuple[str, dict[str, Any]]:
    """The condition on `f.attributes`, and its parameters. Raises `BadInput`."""
    values: dict[str, Any] = {}
    return ("true", values) if given is None else (_condition(given, values, 0), values)


def _condition(given: Any, values: dict[str, Any], depth: int) -> str:
    if not isinstance(given, Mapping) or depth > MAX_DEPTH or len(values) > 2 * MAX_PARTS:
        raise BadInput(f"A filter is an object, with {MAX_PARTS} comparisons at most.")
    kind = given.get("type")
    if kind in ("and", "or"):
        parts = given.get("filters")
        if not isinstance(parts, list) or not parts or set(given) != {"type", "filters"}:
            raise BadInput(f"{kind!r} takes a list of `filters`, and nothing else.")
        return "(" + f" {kind} ".join(_condition(item, values, depth + 1) for item in parts) + ")"
    if set(given) != {"type", "key", "value"} or not isinstance(given["key"], str):
        raise BadInput("A comparison has `type`, `key` and `value`.")
    return _comparison(str(kind), given["key"], given["value"], values)


def _comparison(kind: str, key: str, value: Any, values: dict[str, Any]) -> str:
    number = len(values) // 2
    name, other = f"key{number}", f"value{number}"
    values[name] = key
    found = f"(f.attributes -> %({name})s)"
    if kind in ("in", "nin"):
        if not isinstance(value, list) or len(value) > 1024:
            raise BadInput(f"{kind!r} takes a list of values.")
        values[other] = [json.dumps(_plain(item)) for item in value]
        inside = f"coalesce({found} = ANY(%({other})s::jsonb[]), false)"
        return inside if kind == "in" else f"NOT {inside}"
    values[other] = json.dumps(_plain(value))
    wanted = f"%({other})s::jsonb"
    if kind == "eq":
        return f"coalesce({found} = {wanted}, false)"
    if kind == "ne":
        return f"coalesce({found} <> {wanted}, true)"
    if kind not in _ORDER:
        raise BadInput(f"There is no comparison {kind!r}.")
    alike = f"jsonb_typeof({found}) = jsonb_typeof({wanted})"
    return f"coalesce({alike} AND {found} {_ORDER[kind]} {wanted}, false)"


def _plain(value: Any) -> str | float | bool:
    if isinstance(value, str | int | float | bool):
        return value
    raise BadInput("A filter compares with words, numbers, true or false.")

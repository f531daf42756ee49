"""Where a body is wrong: pydantic's places, without what is no place in the JSON. Pure."""

import re
from collections.abc import Sequence
from typing import Any

_UNION = re.compile(r"(constrained-|list\[|str$|function-|tagged-union)")
#: Kinds of content parts, which pydantic names after their number in a list.
_TAGS = frozenset({"text", "asset", "file", "image", "sound", "url", "video"})


def deepest(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without complaints of a union's other members, which stay above the place that is wrong."""
    places = [item["loc"] for item in found]
    return [
        item
        for item in found
        if not any(
            len(other) > len(item["loc"]) and other[: len(item["loc"])] == item["loc"]
            for other in places
        )
    ]


def place(loc: Sequence[int | str]) -> list[int | str]:
    """The same without the members of unions that were tried."""
    # pydantic also names the member of a union that it tried; that is no place in the JSON.
    places: list[int | str] = []
    for before, item in zip(("", *loc), loc, strict=False):
        tag = isinstance(before, int) and item in _TAGS
        union = isinstance(item, str) and (item[:1].isupper() or _UNION.match(item))
        if not (tag or union):
            places.append(item)
    return places

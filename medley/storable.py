"""Storable: what can be kept as JSON in the database. Pure.

Postgres keeps neither NUL nor half of a surrogate pair, and JSON knows no NaN and no infinity.
What models write may hold any of these.
"""

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

MAX_DEPTH = 32
_UNFIT = re.compile("[\0\ud800-\udfff]")


def storable_text(text: str) -> bool:
    """Whether a text can be kept as it is."""
    return not _UNFIT.search(text)


def unstorable(value: Any) -> Iterator[tuple[str, str]]:
    """JSON pointer and reason of each place that cannot be kept."""
    layer: list[tuple[str, Any]] = [("", value)]
    for _ in range(MAX_DEPTH):
        below: list[tuple[str, Any]] = []
        for at, item in layer:
            if isinstance(item, str) and not storable_text(item):
                yield at, "This text holds NUL or half of a surrogate pair."
            elif isinstance(item, float) and not math.isfinite(item):
                yield at, "This number is not finite."
            elif isinstance(item, Mapping):
                below += [(f"{at}/{_escaped(str(key))}", inside) for key, inside in item.items()]
                if not all(storable_text(str(key)) for key in item):
                    yield at, "A name here holds NUL or half of a surrogate pair."
            elif isinstance(item, list):
                below += [(f"{at}/{place}", inside) for place, inside in enumerate(item)]
        layer = below
    if layer:
        yield layer[0][0], f"This is nested deeper than {MAX_DEPTH} levels."


def made_storable(value: Any) -> Any:
    """The value with U+FFFD for signs, and null for numbers, that cannot be kept."""
    if isinstance(value, str):
        return _UNFIT.sub("\ufffd", value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {made_storable(key): made_storable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [made_storable(item) for item in value]
    return value


def _escaped(name: str) -> str:
    plain = made_storable(name)
    return str(plain).replace("~", "~0").replace("/", "~1")

"""JSON from strangers: bounded depth, no duplicate keys, no NaN, no NUL, no lone surrogates, 64-bit
integers.
"""

import json
import math
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from api.problems import ApiError
from medley.storable import storable_text

MAX_BYTES = 1 << 20  #: of a JSON body
MAX_DEPTH = 32
MAX_KEYS = 10_000  # of one object
_INT64 = range(-(1 << 63), 1 << 63)
_UNSTORABLE = "A text contains NUL or half of a surrogate pair."
#: Where a value stands: the place around it, and its name there.
_Place = tuple["_Place", str] | None


def loads(raw: bytes | str) -> Any:
    """The value. Raises `ApiError` 400 that says what is wrong."""
    try:
        value = json.loads(
            raw, object_pairs_hook=_object, parse_constant=_constant, parse_int=_integer
        )
    except RecursionError:
        raise _bad(f"Nested deeper than {MAX_DEPTH} levels.") from None
    except UnicodeDecodeError:
        raise _bad("Not UTF-8.") from None
    except json.JSONDecodeError as error:
        raise _bad(f"{error.msg} at character {error.pos}.") from None
    check_value(value)
    return value


def _bad(reason: str, place: _Place = None) -> ApiError:
    names: list[str] = []
    while place is not None:
        place, name = place
        names.append(name.replace("~", "~0").replace("/", "~1"))
    pointer = "".join(f"/{name}" for name in reversed(names))
    fault = {"pointer": pointer, "reason": reason, "suggestion": None}
    return ApiError(
        400,
        "invalid_json",
        f"The JSON cannot be accepted: {reason}",
        errors=[fault] if names else [],
    )


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise _bad("An object has the same key twice.")
    if len(value) > MAX_KEYS:
        raise _bad(f"An object has more than {MAX_KEYS} keys.")
    return value


def _constant(name: str) -> Any:
    raise _bad(f"{name} is no JSON.")


def _integer(digits: str) -> int:
    # Very long numbers take quadratic time to read; where a shorter one stands is told later.
    return int(digits[:21])


def check_value(value: Any) -> None:
    """Refuses what is nested too deeply or cannot be stored. Raises `ApiError` 400, which points at
    the place.
    """
    layer: list[tuple[Any, _Place]] = [(value, None)]
    depth = 0
    while layer:
        depth += 1
        below: list[tuple[Any, _Place]] = []
        for item, place in layer:
            if depth > MAX_DEPTH:
                raise _bad(f"Nested deeper than {MAX_DEPTH} levels.", place)
            if reason := _unfit(item):
                raise _bad(reason, place)
            if isinstance(item, dict):
                below += [(inner, (place, str(key))) for key, inner in item.items()]
            elif isinstance(item, list):
                below += [(inner, (place, str(number))) for number, inner in enumerate(item)]
        layer = below


def _unfit(item: Any) -> str | None:
    """Why this value alone cannot be taken."""
    if isinstance(item, str):
        return None if storable_text(item) else _UNSTORABLE
    if isinstance(item, dict):
        return None if all(map(storable_text, item)) else _UNSTORABLE
    if isinstance(item, float) and math.isinf(item):
        return "A number is too large."
    if isinstance(item, int) and item not in _INT64:
        return "An integer does not fit into 64 bits."
    return None


def check_text(text: str) -> None:
    """Refuses what the database cannot store: NUL and lone surrogates. Raises `ApiError` 400."""
    if not storable_text(text):
        raise _bad(_UNSTORABLE)


class _StrictRequest(Request):
    async def json(self) -> Any:
        """The body, strictly read."""
        if not hasattr(self, "_strict"):
            self._strict = loads(await self.body())
        return self._strict


class StrictRoute(APIRoute):
    """A route whose JSON body is read strictly."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wraps the handler so that it sees the strict request."""
        handler = super().get_route_handler()

        async def strict(request: Request) -> Response:
            return await handler(_StrictRequest(request.scope, request.receive))

        return strict

"""Gate, shape: what is wrong with the form of a plan, from what pydantic says of it. Pure."""

from collections.abc import Iterator

from pydantic import ValidationError

from medley.advice import BINDING, LINK, LINKS, advice
from medley.known import Fault

UNPLACED = "These links name steps that there are not, or may mean several."
_LINKED = {(key,) for key in LINKS}


def malformed(error: ValidationError) -> Iterator[Fault]:
    """One fault for each place; of a binding, only that it is none."""
    found = error.errors(include_url=False, include_input=False)
    bound = {pointer(item["loc"]) for item in found if _in_binding(item["loc"])}
    for place in sorted(bound):
        if not any(other.startswith(f"{place}/") for other in bound):
            yield Fault(place, "This is no binding.", BINDING)
    for item in found:
        if item["loc"][:1] in _LINKED and len(item["loc"]) == 1:
            yield Fault(pointer(item["loc"]), UNPLACED, LINK)
        elif not _in_binding(item["loc"]):
            yield Fault(pointer(item["loc"]), item["msg"], advice(item))


def pointer(loc: tuple[int | str, ...]) -> str:
    """The JSON pointer of a place that pydantic names."""
    # Of a binding, pydantic also names what it tried (`list[…]`, `AssetBinding`, its fields).
    inside = [item for item in loc[4:] if isinstance(item, int)] if _in_binding(loc) else loc[4:]
    places = [str(item) for item in (*loc[:4], *inside)]
    return "".join("/" + item.replace("~", "~0").replace("/", "~1") for item in places)


def _in_binding(loc: tuple[int | str, ...]) -> bool:
    return len(loc) > 3 and loc[2] == "inputs"

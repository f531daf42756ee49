"""Bindings by value: what a step that is added later reads, put in its place."""

from pydantic import TypeAdapter

from medley.errors import BadInput
from medley.parts import AssetPart, Part, TextPart
from medley.plan import AssetBinding, Binding, OutputBinding, TextBinding
from orchestrator.engine import Lease

_PART: TypeAdapter[Part] = TypeAdapter(Part)


def by_value(
    bound: Binding | list[Binding], lease: Lease
) -> tuple[Binding | list[Binding], list[Part]]:
    """A binding with outputs of other steps replaced by what they are, and these parts. Raises
    `BadInput` for an output that is not there.
    """
    if isinstance(bound, list):
        found = [by_value(item, lease) for item in bound]
        flat = [
            item for value, _ in found for item in (value if isinstance(value, list) else [value])
        ]
        return flat, [part for _, parts in found for part in parts]
    if not isinstance(bound, OutputBinding):
        return bound, []
    given = (lease.sources or {}).get(bound.step, {}).get(bound.port)
    if given is None:
        raise BadInput(f"There is no output {bound.source}.")
    listed = given if isinstance(given, list) else [given]
    parts = [_PART.validate_python(part) for part in listed]
    if bound.item is not None:
        parts = parts[bound.item : bound.item + 1]
        if not parts:
            raise BadInput(
                f"{bound.source} has {len(listed)} items; item {bound.item} was asked for."
            )
    whole = isinstance(given, list) and bound.item is None
    values = [binding(part) for part in parts]
    return (values if whole else values[0]), parts


def binding(part: Part) -> Binding:
    """What binds to this part. Raises `BadInput` for one that travels in no binding."""
    match part:
        case AssetPart(asset=asset):
            return AssetBinding(asset=asset)
        case TextPart(text=text):
            return TextBinding(text=text)
    raise BadInput("A step can be run for assets and words.")

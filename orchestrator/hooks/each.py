"""The hooks of `spread` and `gather`: a step that is run for each item of a list. No backend runs.

`spread` adds the steps when the list is there; `gather` waits for all of them and stands for them
under the id that the plan knows.
"""

import re
import secrets
from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter

from medley.backend import ModelSpec
from medley.errors import BadInput
from medley.gate import Known
from medley.parts import AssetPart, Part, TextPart
from medley.plan import AssetBinding, Binding, OutputBinding, PlanStep, TextBinding
from medley.tools import Toolbox
from orchestrator.database import Raw
from orchestrator.engine import Commit, Lease, NewStep
from orchestrator.engine.bindings import Inputs
from orchestrator.hooks.base import Prepared, WithoutBackend
from orchestrator.live import load_served
from orchestrator.lowering import lower_items
from orchestrator.routing import Policy, serving

_PART: TypeAdapter[Part] = TypeAdapter(Part)


class SpreadHook(WithoutBackend):
    """Adds the steps of the items."""

    def __init__(self, tools: Toolbox, models: Mapping[str, ModelSpec]) -> None:
        self._tools, self._models = tools, models

    def prepare(self, conn: Raw, lease: Lease, inputs: Inputs) -> Prepared:
        """The steps, in the order of the items. Raises `BadInput`."""
        step = PlanStep.model_validate(lease.params["step"])
        given = inputs["items"]
        items = given if isinstance(given, list) else [given]
        others = {
            port: _by_value(bound, lease) for port, bound in step.inputs.items() if port != step.map
        }
        step = step.model_copy(
            update={"inputs": {**step.inputs, **{k: v[0] for k, v in others.items()}}}
        )
        parts = [*items, *(part for _, found in others.values() for part in found)]
        assets = {part.asset: part.modality for part in parts if isinstance(part, AssetPart)}
        row = conn.execute("SELECT options FROM jobs WHERE id = %s", [lease.job]).fetchone()
        policy = Policy.asked(row[0] if row else {})
        known = Known(tools=self._tools, assets=assets)
        models = serving(self._models, load_served(conn).later())
        lowered = lower_items(step, [_binding(item) for item in items], known, models, policy)
        each = {f"{step.id}_{number}" for number in range(1, len(items) + 1)}
        steps = [
            NewStep.of(
                found,
                self._tools[found.tool],
                seed=secrets.randbelow(1 << 31) if self._tools[found.tool].seeded else 0,
                item_of=lease.step,
                feeds=step.id if found.id in each else None,
            )
            for found in lowered
        ]
        ids = {"type": "data", "data": [found.id for found in lowered]}
        return Prepared(inputs=inputs, commit=Commit(outputs={"steps": ids}, steps=steps))


class GatherHook(WithoutBackend):
    """Lists what the items' steps gave."""

    def prepare(self, conn: Raw, lease: Lease, inputs: Inputs) -> Prepared:
        """Each port as a list."""
        name = re.compile(re.escape(lease.params["of"]) + r"_(\d+)")
        found = {
            int(match[1]): outputs
            for step, outputs in (lease.sources or {}).items()
            if (match := name.fullmatch(step))
        }
        each = [found[number] for number in sorted(found)]
        outputs = {port: _flat(each, port) for port in lease.params["ports"]}
        return Prepared(inputs=inputs, commit=Commit(outputs=outputs))


def _flat(each: list[Mapping[str, Any]], port: str) -> list[Any]:
    listed = [outputs[port] for outputs in each if port in outputs]
    return [part for item in listed for part in (item if isinstance(item, list) else [item])]


def _by_value(
    bound: Binding | list[Binding], lease: Lease
) -> tuple[Binding | list[Binding], list[Part]]:
    """A binding with outputs of other steps replaced by what they are, and these parts."""
    if isinstance(bound, list):
        found = [_by_value(item, lease) for item in bound]
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
    values = [_binding(part) for part in parts]
    return (values if whole else values[0]), parts


def _binding(part: Part) -> Binding:
    match part:
        case AssetPart(asset=asset):
            return AssetBinding(asset=asset)
        case TextPart(text=text):
            return TextBinding(text=text)
    raise BadInput("A step can be run for assets and words.")

"""The hooks of `spread` and `gather`: a step that is run for each item of a list. No backend runs.

`spread` adds the steps when the list is there; `gather` waits for all of them and stands for them
under the id that the plan knows.
"""

import re
import secrets
from collections.abc import Mapping
from typing import Any

from medley.backend import ModelSpec
from medley.gate import Known
from medley.parts import AssetPart
from medley.plan import PlanStep
from medley.tools import Toolbox
from orchestrator.database import Raw
from orchestrator.engine import Commit, Lease, NewStep
from orchestrator.engine.bindings import Inputs
from orchestrator.hooks.base import Prepared, WithoutBackend
from orchestrator.hooks.by_value import binding, by_value
from orchestrator.lowering import lower_items
from orchestrator.routing import Policy


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
            port: by_value(bound, lease) for port, bound in step.inputs.items() if port != step.map
        }
        step = step.model_copy(
            update={"inputs": {**step.inputs, **{k: v[0] for k, v in others.items()}}}
        )
        parts = [*items, *(part for _, found in others.values() for part in found)]
        assets = {part.asset: part.modality for part in parts if isinstance(part, AssetPart)}
        row = conn.execute("SELECT options FROM jobs WHERE id = %s", [lease.job]).fetchone()
        policy = Policy.asked(row[0] if row else {})
        known = Known(tools=self._tools, assets=assets)
        lowered = lower_items(step, [binding(item) for item in items], known, self._models, policy)
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

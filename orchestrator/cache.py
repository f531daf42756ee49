"""The step cache: an equal step of the same tenant is not run again.

The key is a hash of everything that an output depends on: the tool and its version, the model's
revision, the inputs by content, the parameters and the seed.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from medley.backend import ModelSpec
from medley.parts import AssetPart, DataPart, Part, TextPart
from medley.plan import Plan
from medley.tools import Tool, Toolbox
from orchestrator.database import Raw
from orchestrator.engine import (
    Inputs,
    Lease,
    NewStep,
    StoredAsset,
    asset_ids,
    load_assets,
    resolve,
)


def cache_key(
    lease: Lease,
    tool: Tool,
    model: ModelSpec | None,
    inputs: Inputs,
    assets: Mapping[str, StoredAsset],
) -> str | None:
    """The key of a step, or None when it must run: its tool is not cacheable."""
    if not tool.cacheable:
        return None
    content = {
        "tool": f"{tool.name}@{tool.version}",
        "model": [model.id, model.revision, model.source] if model else None,
        "inputs": {port: _content(parts, assets) for port, parts in inputs.items()},
        "params": lease.params,
        "seed": lease.seed if tool.seeded else None,
    }
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def look_up(conn: Raw, tenant: str, keys: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The outputs of these keys, as far as they are known and all their assets still exist."""
    if not keys:
        return {}
    rows = conn.execute(
        "SELECT c.key, c.outputs FROM step_cache c WHERE c.tenant = %s AND c.key = ANY(%s)"
        " AND NOT EXISTS (SELECT FROM jsonb_path_query(c.outputs, '$.**.asset') found"
        "   WHERE NOT EXISTS (SELECT FROM assets a"
        "     WHERE a.id = found #>> '{}' AND a.tenant = c.tenant))",
        [tenant, list(keys)],
    ).fetchall()
    return {row[0]: row[1] for row in rows}


def foresee(
    conn: Raw, tenant: str, plan: Plan, tools: Toolbox, models: Mapping[str, ModelSpec]
) -> list[str]:
    """Ids of the steps of a lowered plan that would not have to run, in their order. A step whose
    seed is not given yet is not among them.
    """
    known: dict[str, dict[str, Any]] = {}
    for step_id in plan.order():
        step = plan.step(step_id)
        tool = tools[step.tool]
        unseeded = tool.seeded and "seed" not in step.params
        if not tool.cacheable or unseeded or not step.needs() <= known.keys():
            continue
        lease = _lease(tenant, NewStep.of(step, tool), known)
        assets = load_assets(conn, tenant, asset_ids(lease))
        spec = models.get(step.model or "")
        key = cache_key(lease, tool, spec, resolve(lease, assets), assets)
        found = look_up(conn, tenant, [key]) if key else {}
        if key in found:
            known[step_id] = found[key]
    return [step.id for step in plan.steps if step.id in known]


def _lease(tenant: str, step: NewStep, sources: Mapping[str, Any]) -> Lease:
    """What a worker would be given for this step."""
    return Lease(
        job="", step=step.id, token=0, attempt=1, crashes=0, max_attempts=step.max_attempts,
        tenant=tenant, kind=str(step.kind), tool=step.tool, tool_version=step.tool_version,
        model=step.model, lane=str(step.lane), round=1, params=step.params, seed=step.seed,
        inputs=step.inputs, sources=sources,
    )  # fmt: skip


def _content(parts: Part | list[Part], assets: Mapping[str, StoredAsset]) -> Any:
    match parts:
        case list():
            return [_content(part, assets) for part in parts]
        case AssetPart(asset=name):
            return {"sha256": assets[name].sha256 if name in assets else name}
        case TextPart(text=text):
            return {"text": text}
        case DataPart(data=data):
            return {"data": data}

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
from medley.tools import Tool
from orchestrator.database import Raw
from orchestrator.engine import Inputs, Lease, StoredAsset


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

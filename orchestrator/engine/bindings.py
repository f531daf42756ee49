"""Bindings: from what a step's inputs point at to the parts that are there. `resolve` is pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter

from medley.errors import BadInput
from medley.modality import Modality
from medley.parts import AssetPart, Part, TextPart
from orchestrator.database import Raw
from orchestrator.engine.values import Lease

_PART: TypeAdapter[Part] = TypeAdapter(Part)
Inputs = dict[str, Part | list[Part]]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAsset:
    """What a worker has to know to read an asset."""

    id: str
    sha256: str
    modality: str
    media_type: str
    facts: Mapping[str, Any]


def asset_ids(lease: Lease) -> set[str]:
    """Ids of all assets that a lease's inputs may point at."""
    found: set[str] = set()
    _collect(lease.inputs, found)
    _collect(lease.sources, found)
    return found


def assets_of(inputs: Inputs) -> set[str]:
    """Ids of the assets among resolved parts."""
    listed = (parts if isinstance(parts, list) else [parts] for parts in inputs.values())
    return {part.asset for parts in listed for part in parts if isinstance(part, AssetPart)}


def load_assets(conn: Raw, tenant: str, ids: Iterable[str]) -> dict[str, StoredAsset]:
    """The tenant's assets of these ids; one query, or none."""
    wanted = sorted(set(ids))
    if not wanted:
        return {}
    rows = conn.execute(
        "SELECT id, sha256, modality, media_type, facts FROM assets"
        " WHERE tenant = %s AND id = ANY(%s)",
        [tenant, wanted],
    ).fetchall()
    return {
        row[0]: StoredAsset(
            id=row[0], sha256=row[1], modality=row[2], media_type=row[3], facts=row[4]
        )
        for row in rows
    }


def resolve(lease: Lease, assets: Mapping[str, StoredAsset]) -> Inputs:
    """The parts that a step's inputs point at. Raises `BadInput` for what is not there."""
    inputs: Inputs = {}
    for port, bound in lease.inputs.items():
        if isinstance(bound, list):
            parts: list[Part] = []
            for item in bound:
                found = _resolve(item, lease, assets)
                parts.extend(found) if isinstance(found, list) else parts.append(found)
            inputs[port] = parts
        else:
            inputs[port] = _resolve(bound, lease, assets)
    return inputs


def _resolve(
    binding: Mapping[str, Any], lease: Lease, assets: Mapping[str, StoredAsset]
) -> Part | list[Part]:
    if "text" in binding:
        return TextPart(text=binding["text"])
    if "asset" in binding:
        found = assets.get(binding["asset"])
        if found is None:
            raise BadInput(f"The asset {binding['asset']!r} is gone.")
        return AssetPart(
            asset=found.id, modality=Modality(found.modality), media_type=found.media_type
        )
    step, _, port = str(binding.get("from", "")).partition(".")
    outputs = (lease.sources or {}).get(step) or {}
    if port not in outputs:
        raise BadInput(f"There is no output {step}.{port}.")
    return _pick(outputs[port], binding.get("item"), f"{step}.{port}")


def _pick(value: Any, item: int | None, name: str) -> Part | list[Part]:
    if not isinstance(value, Sequence) or isinstance(value, str):
        return _PART.validate_python(value)
    if item is None:
        return [_PART.validate_python(part) for part in value]
    if item >= len(value):
        raise BadInput(f"{name} has {len(value)} items; item {item} was asked for.")
    return _PART.validate_python(value[item])


def _collect(value: Any, found: set[str]) -> None:
    if isinstance(value, Mapping):
        if isinstance(value.get("asset"), str):
            found.add(value["asset"])
        for item in value.values():
            _collect(item, found)
    elif isinstance(value, list):
        for item in value:
            _collect(item, found)

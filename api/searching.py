"""Search in the shared space as a job: what is looked for, the plan, and its hits. It embeds first
what nobody has embedded yet, so the first search after many uploads takes longer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from api.openai import calls
from api.openai.given import binding
from api.state import Service
from medley.errors import BadInput
from medley.parts import AssetPart, Part
from medley.plan import Plan
from medley.toolset.space import SearchFilter
from orchestrator import asset_rows
from orchestrator.asset_rows import Asset
from orchestrator.attributes import condition_of
from orchestrator.jobs import JobView


@dataclass(frozen=True, kw_only=True)
class Weighed:
    """A part of what is looked for, and how much it counts; negative subtracts."""

    part: Part
    weight: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Hit:
    """An asset, and the cosine of its embedding to what is looked for."""

    asset: Asset
    score: float


def search_call(
    name: str,
    wanted: Sequence[Weighed],
    *,
    limit: int,
    modalities: Sequence[str],
    among: SearchFilter,
    metadata: Mapping[str, str] | None = None,
) -> calls.Call:
    """The call that searches: embeds, adds up where there is more than one part, and compares.

    Raises `Refused` for a filter that cannot be read.
    """
    try:
        condition_of(among.attributes)
    except BadInput as error:
        raise calls.Refused("filters", error.message) from None
    named = [item.part.asset for item in wanted if isinstance(item.part, AssetPart)]
    among = among.model_copy(update={"without": [*among.without, *named]})
    steps: list[dict[str, Any]] = []
    query: Any = binding(wanted[0].part)
    if len(wanted) > 1 or wanted[0].weight != 1.0:
        steps.append(
            {
                "id": "mix",
                "tool": "embed_combine",
                "inputs": {"embeddings": [binding(item.part) for item in wanted]},
                "params": {"weights": [item.weight for item in wanted]},
            }
        )
        query = {"from": "mix.embedding"}
    params: dict[str, Any] = {
        "limit": limit,
        "modalities": list(modalities),
        "among": among.model_dump(exclude_defaults=True),
    }
    steps.append({"id": "hits", "tool": "search", "inputs": {"query": query}, "params": params})
    return calls.Call(
        name=name,
        plan=Plan.model_validate({"steps": steps, "reply": {"show": ["hits.assets"]}}),
        parts=[item.part for item in wanted],
        places={"/steps/0/inputs": "query"},
        metadata=metadata or {},
    )


def hits(here: Service, tenant: str, view: JobView) -> list[Hit]:
    """What a search found, best first, without what was deleted since."""
    parts = calls.output(view, "hits.assets") or []
    scores = (calls.output(view, "hits.scores") or {}).get("data", [])
    found = []
    with here.db.connect() as conn:
        for part, score in zip(parts, scores, strict=True):
            asset = asset_rows.find(conn, tenant, part["asset"])
            if asset is not None:
                found.append(Hit(asset=asset, score=float(score)))
    return found

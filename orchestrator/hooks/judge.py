"""The hook of `judge`: which candidate is nearest to what was asked for, in the shared space. No
backend runs.
"""

from collections.abc import Sequence
from typing import Any

from medley.errors import BadInput
from medley.modality import Modality
from medley.parts import AssetPart, Part
from orchestrator.database import Raw
from orchestrator.engine import Commit, Lease
from orchestrator.engine.bindings import Inputs
from orchestrator.hooks.base import Prepared, WithoutBackend

_SCORES = """
SELECT e.asset, 1 - (e.vector <=> q.vector) FROM embeddings q
JOIN embeddings e ON e.tenant = q.tenant AND e.space = q.space
    AND vector_dims(e.vector) = vector_dims(q.vector)
WHERE q.asset = %(request)s AND q.tenant = %(tenant)s AND e.asset = ANY(%(vectors)s)
"""


class JudgeHook(WithoutBackend):
    """Answers from the database alone."""

    def prepare(self, conn: Raw, lease: Lease, inputs: Inputs) -> Prepared:
        """The candidate of the highest cosine, and the scores of all. Raises `BadInput`."""
        candidates, vectors = _assets(inputs["candidates"]), _assets(inputs.get("vectors", []))
        (request,) = _assets(inputs["request"])
        if len(candidates) != len(vectors) or request.modality is not Modality.EMBEDDING:
            raise BadInput("A judge reads one embedding of each candidate and one of the request.")
        values = {
            "tenant": lease.tenant,
            "request": request.asset,
            "vectors": [vector.asset for vector in vectors],
        }
        found = {asset: float(score) for asset, score in conn.execute(_SCORES, values)}
        if missing := [vector.asset for vector in vectors if vector.asset not in found]:
            raise BadInput(f"{missing[0]} is not of the space of the request.")
        scores = [round(found[vector.asset], 6) for vector in vectors]
        return Prepared(inputs=inputs, commit=_verdict(candidates, scores, lease.params))


def _verdict(candidates: Sequence[AssetPart], scores: Sequence[float], params: Any) -> Commit:
    best = max(range(len(scores)), key=lambda place: scores[place])
    threshold = params.get("threshold")
    verdict = {
        "scores": list(scores),
        "best": best,
        "threshold": threshold,
        "passed": threshold is None or scores[best] >= threshold,
    }
    return Commit(
        outputs={
            "best": candidates[best].model_dump(mode="json"),
            "verdict": {"type": "data", "data": verdict},
        }
    )


def _assets(parts: Part | list[Part]) -> list[AssetPart]:
    listed = parts if isinstance(parts, list) else [parts]
    return [part for part in listed if isinstance(part, AssetPart)]

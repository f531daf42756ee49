"""The hook of `judge`: which candidate is nearest to what was asked for, in the shared space. No
backend runs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """Candidates with their embeddings, cosines, and the steps that made them ("": given)."""

    candidates: Sequence[AssetPart]
    vectors: Sequence[AssetPart]
    request: AssetPart
    scores: Sequence[float]
    steps: Sequence[str]

    @property
    def best(self) -> int:
        """The place of the highest cosine; of equal ones the first."""
        return max(range(len(self.scores)), key=lambda place: self.scores[place])

    def verdict(self, threshold: float | None) -> dict[str, Any]:
        """What is written down."""
        return {
            "scores": list(self.scores),
            "best": self.best,
            "threshold": threshold,
            "passed": threshold is None or self.scores[self.best] >= threshold,
            "steps": list(self.steps),
        }


class JudgeHook(WithoutBackend):
    """Answers from the database alone."""

    def prepare(self, conn: Raw, lease: Lease, inputs: Inputs) -> Prepared:
        """The candidate of the highest cosine, and the scores of all; where there were rounds, the
        best of them. Raises `BadInput`.
        """
        rounds = [outputs for outputs in (lease.sources or {}).values() if outputs.keys() >= _ROUND]
        if rounds:
            return Prepared(inputs=inputs, commit=Commit(outputs=_best_of(rounds)))
        judged = judge(conn, lease, inputs)
        outputs = {
            "best": judged.candidates[judged.best].model_dump(mode="json"),
            "verdict": _data(judged.verdict(lease.params.get("threshold"))),
        }
        return Prepared(inputs=inputs, commit=Commit(outputs=outputs))


def judge(conn: Raw, lease: Lease, inputs: Inputs) -> Judged:
    """The cosines of the candidates to the request. Raises `BadInput`."""
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
    return Judged(
        candidates=candidates,
        vectors=vectors,
        request=request,
        scores=[round(found[vector.asset], 6) for vector in vectors],
        steps=_makers(lease, len(candidates)),
    )


_ROUND = {"best", "verdict", "vector"}  #: what a `redraw` gives, and nothing else


def _best_of(rounds: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The outputs of the last round: each goes on with the best of those before, and remembers
    what they saw.
    """
    last = max(rounds, key=lambda outputs: len(outputs["verdict"]["data"]["scores"]))
    return {"best": last["best"], "verdict": last["verdict"]}


def _makers(lease: Lease, number: int) -> list[str]:
    bound = lease.inputs.get("candidates")
    listed = bound if isinstance(bound, list) else [bound]
    names = [str((item or {}).get("from", "")).partition(".")[0] for item in listed]
    return names if len(names) == number else [""] * number


def _data(value: Any) -> dict[str, Any]:
    return {"type": "data", "data": value}


def _assets(parts: Part | list[Part]) -> list[AssetPart]:
    listed = parts if isinstance(parts, list) else [parts]
    return [part for part in listed if isinstance(part, AssetPart)]

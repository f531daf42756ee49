"""The hook of `judge`: which candidate fits best what was asked for. No backend runs.

Candidates are compared by their cosine to the request in the shared space or, where a model that
looks at pictures and words together has scored them, by that probability.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from medley.errors import BadInput
from medley.modality import Modality
from medley.parts import AssetPart, DataPart, Part
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
_ROUND = {"best", "verdict", "round"}  #: what a `redraw` gives, and nothing else


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """Candidates with their scores, and the steps that made them ("": given)."""

    candidates: Sequence[AssetPart]
    scores: Sequence[float]
    steps: Sequence[str]

    @property
    def best(self) -> int:
        """The place of the highest score; of equal ones the first."""
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
        """The candidate of the highest score, and the scores of all; where there were rounds, the
        best of them. Raises `BadInput`.
        """
        rounds = [outputs for outputs in (lease.sources or {}).values() if outputs.keys() >= _ROUND]
        if rounds:
            return Prepared(inputs=inputs, commit=Commit(outputs=_best_of(rounds)))
        judged = judge(conn, lease, inputs)
        outputs = {
            "best": judged.candidates[judged.best].model_dump(mode="json"),
            "verdict": data(judged.verdict(lease.params.get("threshold"))),
        }
        return Prepared(inputs=inputs, commit=Commit(outputs=outputs))


def judge(conn: Raw, lease: Lease, inputs: Inputs) -> Judged:
    """How well the candidates fit the request. Raises `BadInput`."""
    candidates = _assets(inputs["candidates"])
    scores = _matched(inputs["scores"]) if "scores" in inputs else _cosines(conn, lease, inputs)
    if len(candidates) != len(scores):
        raise BadInput("A judge reads one score or one embedding of each candidate.")
    return Judged(candidates=candidates, scores=scores, steps=_makers(lease, len(candidates)))


def data(value: Any) -> dict[str, Any]:
    """A value as the part of an output."""
    return {"type": "data", "data": value}


def _matched(parts: Part | list[Part]) -> list[float]:
    values = [part.data for part in _listed(parts) if isinstance(part, DataPart)]
    try:
        return [round(float(value["score"]), 6) for value in values]
    except (KeyError, TypeError, ValueError) as error:
        raise BadInput('A score of a candidate is `{"score": number}`.') from error


def _cosines(conn: Raw, lease: Lease, inputs: Inputs) -> list[float]:
    vectors, wanted = _assets(inputs.get("vectors", [])), _assets(inputs["request"])
    if len(wanted) != 1 or wanted[0].modality is not Modality.EMBEDDING:
        raise BadInput("A judge reads one embedding of each candidate and one of the request.")
    values = {
        "tenant": lease.tenant,
        "request": wanted[0].asset,
        "vectors": [vector.asset for vector in vectors],
    }
    found = {asset: float(score) for asset, score in conn.execute(_SCORES, values)}
    if missing := [vector.asset for vector in vectors if vector.asset not in found]:
        raise BadInput(f"{missing[0]} is not of the space of the request.")
    return [round(found[vector.asset], 6) for vector in vectors]


def _best_of(rounds: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The outputs of the last round: each remembers those before it."""
    last = max(rounds, key=lambda outputs: int(outputs["round"]["data"]))
    return {"best": last["best"], "verdict": last["verdict"]}


def _makers(lease: Lease, number: int) -> list[str]:
    bound = lease.inputs.get("candidates")
    listed = bound if isinstance(bound, list) else [bound]
    names = [str((item or {}).get("from", "")).partition(".")[0] for item in listed]
    return names if len(names) == number else [""] * number


def _assets(parts: Part | list[Part]) -> list[AssetPart]:
    return [part for part in _listed(parts) if isinstance(part, AssetPart)]


def _listed(parts: Part | list[Part]) -> list[Part]:
    return parts if isinstance(parts, list) else [parts]

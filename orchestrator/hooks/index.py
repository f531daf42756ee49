"""The hook of `index`: what no step has embedded yet is embedded before a search looks for it.

The newest come first, a few at a time; what is left over is for the next search.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from medley.backend import ModelSpec
from medley.errors import BadInput, MedleyError
from medley.modality import MEDIA, Modality
from medley.parts import AssetPart, DataPart, Part
from medley.toolset.space import MAX_INDEXED
from orchestrator.database import Raw
from orchestrator.engine import Commit, Lease, NewEmbedding
from orchestrator.engine.bindings import Inputs
from orchestrator.hooks.base import Parts, Prepared

_UNSEEN = """
SELECT a.id, a.modality, a.media_type FROM assets a
WHERE a.tenant = %(tenant)s
    AND (a.modality = ANY(%(modalities)s) OR a.media_type = 'text/plain')
    AND a.id <> ALL(%(tried)s)
    AND NOT EXISTS (SELECT FROM embeddings e WHERE e.asset = a.id AND e.space = %(space)s)
ORDER BY a.created_at DESC, a.id DESC LIMIT %(limit)s
"""
ROUNDS = 4  #: how often the encoder is asked by one step


@dataclass(frozen=True, slots=True)
class _Tried:
    """What this step has asked the encoder so far."""

    rounds: int = 0
    assets: tuple[str, ...] = ()
    found: tuple[NewEmbedding, ...] = ()


class IndexHook:
    """Hands the newest unembedded media to the encoder, and keeps their vectors."""

    def __init__(self, models: Mapping[str, ModelSpec]) -> None:
        self._models = models

    def prepare(self, conn: Raw, lease: Lease, inputs: Inputs) -> Prepared:
        """The first media to embed; where there are none the step is done. Raises `BadInput`."""
        media = self._unseen(conn, lease, _Tried())
        return Prepared(
            inputs={"media": media},
            commit=None if media else Commit(outputs=_counted(0)),
            state=_Tried(),
        )

    def _unseen(self, conn: Raw, lease: Lease, tried: _Tried) -> list[Part]:
        spec = self._models.get(lease.model or "")
        if spec is None or not spec.space:
            raise BadInput(f"{lease.model} writes no space that could be searched.")
        values = {
            "tenant": lease.tenant,
            "modalities": [str(modality) for modality in MEDIA],
            "space": spec.space,
            "tried": list(tried.assets),
            "limit": MAX_INDEXED,
        }
        return [
            AssetPart(asset=asset, modality=Modality(modality), media_type=media_type)
            for asset, modality, media_type in conn.execute(_UNSEEN, values)
        ]

    def complete(
        self, conn: Raw, lease: Lease, outputs: Parts, prepared: Prepared
    ) -> Commit | Prepared:
        """The vectors under the assets' ids, or the next media to embed. What cannot be embedded
        is not found, no more.
        """
        given, vectors = prepared.inputs["media"], outputs["vectors"]
        assert isinstance(given, list)
        assert isinstance(vectors, DataPart)
        parts = [part for part in given if isinstance(part, AssetPart)]
        space = self._models[lease.model or ""].space
        found = [
            NewEmbedding(asset=part.asset, space=space, modality=part.modality.value, vector=vector)
            for part, vector in zip(parts, vectors.data, strict=True)
            if vector is not None
        ]
        before: _Tried = prepared.state
        tried = _Tried(
            before.rounds + 1,
            (*before.assets, *(part.asset for part in parts)),
            (*before.found, *found),
        )
        media = self._unseen(conn, lease, tried) if tried.rounds < ROUNDS else []
        if media:
            return Prepared(inputs={"media": media}, state=tried)
        return Commit(outputs=_counted(len(tried.found)), embeddings=tried.found)

    def rescue(self, conn: Raw, lease: Lease, error: MedleyError) -> Commit | None:
        """The search goes on with what is embedded already."""
        return Commit(outputs=_counted(0))


def _counted(number: int) -> dict[str, Any]:
    return {"vectors": {"type": "data", "data": number}}

"""The hook of `search`: the nearest assets in a space, by pgvector. No backend runs."""

from medley.errors import BadInput
from medley.modality import Modality
from medley.parts import AssetPart
from orchestrator.database import Raw
from orchestrator.engine import Commit, Lease
from orchestrator.engine.bindings import Inputs
from orchestrator.hooks.base import Prepared, WithoutBackend

_NEAREST = """
SELECT e.asset, a.modality, a.media_type, 1 - (e.vector <=> q.vector) AS score
FROM embeddings q
JOIN embeddings e ON e.tenant = q.tenant AND e.space = q.space AND e.asset <> q.asset
    AND vector_dims(e.vector) = vector_dims(q.vector)
JOIN assets a ON a.id = e.asset AND a.tenant = e.tenant
WHERE q.asset = %(query)s AND q.tenant = %(tenant)s AND a.modality = ANY(%(modalities)s)
    AND e.asset <> ALL(%(itself)s)
ORDER BY e.vector <=> q.vector LIMIT %(limit)s
"""
_SOURCES = "SELECT origin -> 'embeds' FROM assets WHERE id = %s AND tenant = %s"


class SearchHook(WithoutBackend):
    """Answers from the database alone."""

    def prepare(self, conn: Raw, lease: Lease, inputs: Inputs) -> Prepared:
        """The hits, best first, without what the query was made from. Raises `BadInput`."""
        query = inputs["query"]
        if not isinstance(query, AssetPart) or query.modality is not Modality.EMBEDDING:
            raise BadInput("A search starts from an embedding.")
        row = conn.execute(_SOURCES, (query.asset, lease.tenant)).fetchone()
        wanted = lease.params.get("modalities") or [Modality.IMAGE, Modality.AUDIO, Modality.VIDEO]
        values = {
            "query": query.asset,
            "tenant": lease.tenant,
            "modalities": [str(modality) for modality in wanted],
            "itself": [row[0]] if row and row[0] else [],
            "limit": lease.params.get("limit", 5),
        }
        rows = conn.execute(_NEAREST, values).fetchall()
        hits = [
            {"type": "asset", "asset": asset, "modality": kind, "media_type": media}
            for asset, kind, media, _ in rows
        ]
        scores = {"type": "data", "data": [round(float(score), 6) for *_, score in rows]}
        return Prepared(inputs=inputs, commit=Commit(outputs={"assets": hits, "scores": scores}))

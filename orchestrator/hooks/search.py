"""The hook of `search`: the nearest assets in a space, by pgvector. No backend runs."""

from medley.errors import BadInput
from medley.modality import Modality
from medley.parts import AssetPart
from medley.toolset.space import SearchFilter
from orchestrator.attributes import condition_of
from orchestrator.database import Raw
from orchestrator.engine import Commit, Lease
from orchestrator.engine.bindings import Inputs
from orchestrator.hooks.base import Prepared, WithoutBackend
from orchestrator.stores import EVERYTHING

_NEAREST = """
SELECT e.asset, a.modality, a.media_type, 1 - (e.vector <=> q.vector) AS score
FROM embeddings q
JOIN embeddings e ON e.tenant = q.tenant AND e.space = q.space AND e.asset <> q.asset
    AND vector_dims(e.vector) = vector_dims(q.vector)
JOIN assets a ON a.id = e.asset AND a.tenant = e.tenant
LEFT JOIN vector_store_files f ON f.asset = a.id AND f.store = %(store)s::text
WHERE q.asset = %(query)s AND q.tenant = %(tenant)s AND a.modality = ANY(%(modalities)s)
    AND e.asset <> ALL(%(itself)s)
    AND (%(store)s::text IS NULL OR f.asset IS NOT NULL)
    AND (%(assets)s::text[] IS NULL OR a.id = ANY(%(assets)s))
    AND (%(media_types)s::text[] IS NULL OR a.media_type = ANY(%(media_types)s))
    AND (%(origin)s::text IS NULL OR a.origin ->> 'kind' = %(origin)s)
    AND (%(created_after)s::float8 IS NULL OR a.created_at > to_timestamp(%(created_after)s))
    AND (%(created_before)s::float8 IS NULL OR a.created_at < to_timestamp(%(created_before)s))
    AND (%(min_score)s::float8 IS NULL OR 1 - (e.vector <=> q.vector) >= %(min_score)s)
    AND ((a.origin ->> 'expires_at') IS NULL
        OR (a.origin ->> 'expires_at')::bigint > extract(epoch FROM clock_timestamp()))
    AND {attributes}
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
        among = SearchFilter.model_validate(lease.params.get("among") or {})
        condition, given = condition_of(among.attributes)
        values = {
            **among.model_dump(exclude={"attributes", "without", "store"}),
            **given,
            "store": None if among.store == EVERYTHING else among.store,
            "query": query.asset,
            "tenant": lease.tenant,
            "modalities": [str(modality) for modality in wanted],
            "itself": [*among.without, *([row[0]] if row and row[0] else [])],
            "limit": lease.params.get("limit", 5),
        }
        statement = _NEAREST.replace("{attributes}", condition)
        rows = conn.execute(statement.encode(), values).fetchall()
        hits = [
            {"type": "asset", "asset": asset, "modality": kind, "media_type": media}
            for asset, kind, media, _ in rows
        ]
        scores = {"type": "data", "data": [round(float(score), 6) for *_, score in rows]}
        return Prepared(inputs=inputs, commit=Commit(outputs={"assets": hits, "scores": scores}))

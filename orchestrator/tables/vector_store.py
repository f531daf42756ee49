"""Vector stores: named sets of assets to search in."""

from sqlalchemy import Column, ForeignKey, Index, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from orchestrator.tables.columns import EMPTY, metadata, when

vector_stores = Table(
    "vector_stores",
    metadata,
    Column("id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("metadata", JSONB, nullable=False, server_default=EMPTY),
    when("created_at", born=True),
    when("last_active_at", born=True),
    Index("vector_stores_list", "tenant", "id"),
)

vector_store_files = Table(
    "vector_store_files",
    metadata,
    Column("store", ForeignKey("vector_stores.id", ondelete="CASCADE"), primary_key=True),
    Column("asset", ForeignKey("assets.id", ondelete="CASCADE"), primary_key=True),
    Column("attributes", JSONB, nullable=False, server_default=EMPTY),
    when("created_at", born=True),
    Index("vector_store_files_asset", "asset"),
)

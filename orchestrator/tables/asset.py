"""Assets, and their places in the spaces of encoders."""

from pgvector.sqlalchemy import Vector
from sqlalchemy import BigInteger, Column, ForeignKey, Index, Table, Text, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB

from orchestrator.tables.columns import EMPTY, metadata, when

assets = Table(
    "assets",
    metadata,
    Column("id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("modality", Text, nullable=False),
    Column("media_type", Text, nullable=False),
    Column("facts", JSONB, nullable=False, server_default=EMPTY),  # width, height, seconds, …
    Column("origin", JSONB, nullable=False, server_default=EMPTY),  # kind, name, job, step, port
    when("created_at", born=True),
    Column("key", Text),  # that brought these bytes first, or whose job made them
    UniqueConstraint("tenant", "sha256"),
    Index("assets_list", "tenant", "id"),
    Index("assets_sha256", "sha256"),
)

embeddings = Table(
    "embeddings",
    metadata,
    Column("asset", ForeignKey("assets.id", ondelete="CASCADE"), primary_key=True),
    Column("space", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("modality", Text, nullable=False),  # of what was embedded
    Column("vector", Vector(), nullable=False),
    when("created_at", born=True),
    Index("embeddings_tenant", "tenant", "space", "modality"),
)

"""Batches: files of requests, line by line."""

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP

from orchestrator.tables.columns import EMPTY, metadata, when

batches = Table(
    "batches",
    metadata,
    Column("id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("endpoint", Text, nullable=False),
    Column("key", Text),  # who asked for it
    Column("input_file", Text, nullable=False),  # assets
    Column("output_file", Text),
    Column("error_file", Text),
    # validating | in_progress | finalizing | completed | failed | cancelling | cancelled | expired
    Column("status", Text, nullable=False),
    Column("outcome", Text),  # the status after `finalizing`
    Column("errors", JSONB),
    Column("metadata", JSONB, nullable=False, server_default=EMPTY),
    Column("keep_s", Integer),  # how long its files are kept
    when("created_at", born=True),
    Column("expires_at", TIMESTAMP(timezone=True), nullable=False),
    when("in_progress_at"),
    when("finalizing_at"),
    when("cancelling_at"),
    when("ended_at"),
    Index("batches_list", "tenant", "id"),
    Index("batches_open", "id", postgresql_where=text("ended_at IS NULL")),
)

batch_lines = Table(
    "batch_lines",
    metadata,
    Column("batch", ForeignKey("batches.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("custom_id", Text, nullable=False),
    Column("start", BigInteger, nullable=False),  # where its line is in the input file
    Column("size", Integer, nullable=False),
    Column("state", Text, nullable=False, server_default="waiting"),  # running | done | failed
    Column("job", Text),
    Column("error", JSONB),
    Index("batch_lines_state", "batch", "state", "number"),
)

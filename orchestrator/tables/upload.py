"""Uploads: files that come in parts."""

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, Table, Text
from sqlalchemy.dialects.postgresql import TIMESTAMP

from orchestrator.tables.columns import metadata, when

uploads = Table(
    "uploads",
    metadata,
    Column("id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("bytes", BigInteger, nullable=False),  # of the whole file, as its sender said
    Column("filename", Text, nullable=False),
    Column("mime_type", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("keep_s", Integer),  # how long its file is kept; NULL: for ever
    Column("status", Text, nullable=False),  # pending | completed | cancelled
    Column("asset", Text),
    Column("key", Text),  # who sends it
    when("created_at", born=True),
    Column("expires_at", TIMESTAMP(timezone=True), nullable=False),
    Index("uploads_expiry", "expires_at"),
)

upload_parts = Table(
    "upload_parts",
    metadata,
    Column("id", Text, primary_key=True),
    Column("upload", ForeignKey("uploads.id", ondelete="CASCADE"), nullable=False),
    Column("sha256", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    when("created_at", born=True),
    Index("upload_parts_upload", "upload"),
)

"""Uploads in parts, batches of requests, and sets of files to search."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "uploads",
        _id(),
        _text("tenant"),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        _text("filename"),
        _text("mime_type"),
        _text("purpose"),
        sa.Column("keep_s", sa.Integer),
        _text("status"),
        sa.Column("asset", sa.Text),
        _born("created_at"),
        _time("expires_at", nullable=False),
        sa.PrimaryKeyConstraint("id", name="uploads_pkey"),
    )
    op.create_index("uploads_expiry", "uploads", ["expires_at"])
    op.create_table(
        "upload_parts",
        _id(),
        _part_of("upload", "uploads", "upload_parts"),
        _text("sha256"),
        sa.Column("size", sa.BigInteger, nullable=False),
        _born("created_at"),
        sa.PrimaryKeyConstraint("id", name="upload_parts_pkey"),
    )
    op.create_index("upload_parts_upload", "upload_parts", ["upload"])
    _batches()
    _stores()


def downgrade() -> None:
    """Undo."""
    for name in (
        *("vector_store_files", "vector_stores", "batch_lines", "batches"),
        *("upload_parts", "uploads"),
    ):
        op.drop_table(name)


def _batches() -> None:
    op.create_table(
        "batches",
        _id(),
        _text("tenant"),
        _text("endpoint"),
        sa.Column("key", sa.Text),
        _text("input_file"),
        sa.Column("output_file", sa.Text),
        sa.Column("error_file", sa.Text),
        _text("status"),
        sa.Column("outcome", sa.Text),
        sa.Column("errors", JSONB),
        _object("metadata"),
        sa.Column("keep_s", sa.Integer),
        _born("created_at"),
        _time("expires_at", nullable=False),
        _time("in_progress_at"),
        _time("finalizing_at"),
        _time("cancelling_at"),
        _time("ended_at"),
        sa.PrimaryKeyConstraint("id", name="batches_pkey"),
    )
    op.create_index("batches_list", "batches", ["tenant", "id"])
    op.create_index("batches_open", "batches", ["id"], postgresql_where=sa.text("ended_at IS NULL"))
    op.create_table(
        "batch_lines",
        _part_of("batch", "batches", "batch_lines"),
        sa.Column("number", sa.Integer, nullable=False, autoincrement=False),
        _text("custom_id"),
        sa.Column("start", sa.BigInteger, nullable=False),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("state", sa.Text, nullable=False, server_default="waiting"),
        sa.Column("job", sa.Text),
        sa.Column("error", JSONB),
        sa.PrimaryKeyConstraint("batch", "number", name="batch_lines_pkey"),
    )
    op.create_index("batch_lines_state", "batch_lines", ["batch", "state", "number"])


def _stores() -> None:
    op.create_table(
        "vector_stores",
        _id(),
        _text("tenant"),
        _text("name"),
        _object("metadata"),
        _born("created_at"),
        _born("last_active_at"),
        sa.PrimaryKeyConstraint("id", name="vector_stores_pkey"),
    )
    op.create_index("vector_stores_list", "vector_stores", ["tenant", "id"])
    op.create_table(
        "vector_store_files",
        _part_of("store", "vector_stores", "vector_store_files"),
        _part_of("asset", "assets", "vector_store_files"),
        _object("attributes"),
        _born("created_at"),
        sa.PrimaryKeyConstraint("store", "asset", name="vector_store_files_pkey"),
    )
    op.create_index("vector_store_files_asset", "vector_store_files", ["asset"])


def _id() -> sa.Column[str]:
    return sa.Column("id", sa.Text, nullable=False)


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False)


def _object(name: str) -> sa.Column[object]:
    return sa.Column(name, JSONB, nullable=False, server_default=sa.text("'{}'::jsonb"))


def _time(name: str, *, nullable: bool = True) -> sa.Column[object]:
    return sa.Column(name, TIMESTAMP(timezone=True), nullable=nullable)


def _born(name: str) -> sa.Column[object]:
    now = sa.func.clock_timestamp()
    return sa.Column(name, TIMESTAMP(timezone=True), nullable=False, server_default=now)


def _part_of(name: str, table: str, own: str) -> sa.Column[str]:
    key = sa.ForeignKey(f"{table}.id", name=f"{own}_{name}_fkey", ondelete="CASCADE")
    return sa.Column(name, sa.Text, key, nullable=False)

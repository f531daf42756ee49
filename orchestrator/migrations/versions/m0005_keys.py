"""Keys, what they are signed in with, what was done with them, and what jobs have used."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def _when(name: str, *, born: bool = False) -> sa.Column[object]:
    if born:
        return sa.Column(
            name,
            TIMESTAMP(timezone=True),
            nullable=False,
            server_default=sa.func.clock_timestamp(),
        )
    return sa.Column(name, TIMESTAMP(timezone=True))


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "keys",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("prefix", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("scopes", JSONB(), nullable=False),
        sa.Column("quota", JSONB(), nullable=False, server_default=sa.text("'{}'::jsonb")),
        sa.Column("made_by", sa.Text()),
        _when("created_at", born=True),
        _when("last_used_at"),
        _when("expires_at"),
        _when("revoked_at"),
        sa.PrimaryKeyConstraint("id", name=op.f("keys_pkey")),
        sa.UniqueConstraint("hash", name=op.f("keys_hash_key")),
    )
    op.create_index("keys_list", "keys", ["tenant", "id"])
    op.create_table(
        "sessions",
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("key", sa.Text()),
        sa.Column("job", sa.Text()),
        _when("created_at", born=True),
        sa.Column("expires_at", TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("hash", name=op.f("sessions_pkey")),
        sa.ForeignKeyConstraint(
            ["key"], ["keys.id"], name=op.f("sessions_key_fkey"), ondelete="CASCADE"
        ),
    )
    op.create_index("sessions_key", "sessions", ["key"])
    op.create_index("sessions_expires", "sessions", ["expires_at"])
    op.create_table(
        "audit",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("key", sa.Text()),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False, server_default=""),
        sa.Column("address", sa.Text(), nullable=False, server_default=""),
        sa.Column("request", sa.Text(), nullable=False, server_default=""),
        sa.Column("detail", JSONB(), nullable=False, server_default=sa.text("'{}'::jsonb")),
        _when("at", born=True),
        sa.PrimaryKeyConstraint("id", name=op.f("audit_pkey")),
    )
    op.create_index("audit_list", "audit", ["tenant", "id"])
    op.create_table(
        "usage",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("jobs", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.Column("gpu_seconds", sa.Double(), nullable=False, server_default=sa.text("0")),
        sa.Column("tokens", sa.Double(), nullable=False, server_default=sa.text("0")),
        sa.PrimaryKeyConstraint("tenant", "day", "key", "model", name=op.f("usage_pkey")),
    )
    op.add_column("jobs", sa.Column("key", sa.Text()))
    op.add_column(
        "jobs",
        sa.Column("tokens", sa.Double(), nullable=False, server_default=sa.text("0")),
    )
    op.create_index("jobs_usage", "jobs", ["tenant", "created_at", "key"])
    op.add_column("assets", sa.Column("key", sa.Text()))


def downgrade() -> None:
    """Undo."""
    op.drop_column("assets", "key")
    op.drop_index("jobs_usage", table_name="jobs")
    op.drop_column("jobs", "tokens")
    op.drop_column("jobs", "key")
    for table in ("usage", "audit", "sessions", "keys"):
        op.drop_table(table)

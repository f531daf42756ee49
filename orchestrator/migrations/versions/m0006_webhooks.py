"""Webhook endpoints, and the messages to them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def _when(name: str, *, born: bool = False) -> sa.Column[object]:
    if born:
        now = sa.func.clock_timestamp()
        return sa.Column(name, TIMESTAMP(timezone=True), nullable=False, server_default=now)
    return sa.Column(name, TIMESTAMP(timezone=True))


def _number(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, nullable=False, server_default=sa.text("0"))


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "webhook_endpoints",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("job", sa.Text),
        sa.Column("name", sa.Text, nullable=False, server_default=""),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("events", JSONB, nullable=False),
        sa.Column("secret", sa.Text),
        sa.Column("old_secret", sa.Text),
        _when("old_until"),
        sa.Column("enabled", sa.Boolean, nullable=False, server_default=sa.text("true")),
        sa.Column("reason", sa.Text),
        _number("failures"),
        _when("failing_since"),
        _when("quiet_until"),
        _when("created_at", born=True),
        _when("updated_at", born=True),
        sa.PrimaryKeyConstraint("id", name="webhook_endpoints_pkey"),
    )
    op.create_index("webhook_endpoints_list", "webhook_endpoints", ["tenant", "id"])
    op.create_index(
        "webhook_endpoints_live",
        "webhook_endpoints",
        ["tenant", "job"],
        postgresql_where=sa.text("enabled"),
    )
    op.create_index(
        "webhook_endpoints_job",
        "webhook_endpoints",
        ["job"],
        postgresql_where=sa.text("job IS NOT NULL"),
    )
    op.create_table(
        "webhook_deliveries",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("endpoint", sa.Text, nullable=False),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("job", sa.Text),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("payload", JSONB, nullable=False),
        sa.Column("status", sa.Text, nullable=False, server_default="pending"),
        _number("attempt"),
        _number("token"),
        _when("due_at", born=True),
        _when("leased_until"),
        sa.Column("attempts", JSONB, nullable=False, server_default=sa.text("'[]'::jsonb")),
        _when("created_at", born=True),
        _when("finished_at"),
        sa.PrimaryKeyConstraint("id", name="webhook_deliveries_pkey"),
        sa.ForeignKeyConstraint(
            ["endpoint"],
            ["webhook_endpoints.id"],
            ondelete="CASCADE",
            name="webhook_deliveries_endpoint_fkey",
        ),
    )
    op.create_index("webhook_deliveries_list", "webhook_deliveries", ["endpoint", "id"])
    op.create_index(
        "webhook_deliveries_due",
        "webhook_deliveries",
        ["endpoint", "due_at"],
        postgresql_where=sa.text("status = 'pending'"),
    )
    op.create_index(
        "webhook_deliveries_job",
        "webhook_deliveries",
        ["job"],
        postgresql_where=sa.text("job IS NOT NULL"),
    )


def downgrade() -> None:
    """Undo."""
    op.execute("DROP TRIGGER IF EXISTS events_hook ON events")
    op.drop_table("webhook_deliveries")
    op.drop_table("webhook_endpoints")

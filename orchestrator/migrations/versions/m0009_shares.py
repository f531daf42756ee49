"""Shares: uploads know the key that sends them, because their parts count towards its quota; what
is on its way of a tenant's messages can be counted.
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("uploads", sa.Column("key", sa.Text))
    op.create_index(
        "webhook_deliveries_leased",
        "webhook_deliveries",
        ["tenant", "leased_until"],
        postgresql_where=sa.text("status = 'pending'"),
    )


def downgrade() -> None:
    """Undo."""
    op.drop_index("webhook_deliveries_leased", "webhook_deliveries")
    op.drop_column("uploads", "key")

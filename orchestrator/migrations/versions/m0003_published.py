"""Workflows that are published as tools."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("workflows", sa.Column("tool", sa.Text()))
    op.create_index("workflows_tool", "workflows", ["tenant", "tool"], unique=True)


def downgrade() -> None:
    """Undo."""
    op.drop_index("workflows_tool", table_name="workflows")
    op.drop_column("workflows", "tool")

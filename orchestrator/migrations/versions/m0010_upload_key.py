"""Uploads know the key that sends them: their parts count towards its quota."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("uploads", sa.Column("key", sa.Text))


def downgrade() -> None:
    """Undo."""
    op.drop_column("uploads", "key")

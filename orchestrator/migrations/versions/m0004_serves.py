"""What workers can serve, and what they lack."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("workers", sa.Column("serves", JSONB()))
    op.add_column(
        "workers",
        sa.Column("lacks", JSONB(), nullable=False, server_default=sa.text("'{}'::jsonb")),
    )


def downgrade() -> None:
    """Undo."""
    op.drop_column("workers", "lacks")
    op.drop_column("workers", "serves")

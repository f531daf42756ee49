"""The question that a job waits with."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("jobs", sa.Column("question", postgresql.JSONB(astext_type=sa.Text())))


def downgrade() -> None:
    """Undo."""
    op.drop_column("jobs", "question")

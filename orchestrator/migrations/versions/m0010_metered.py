"""Metered: every attempt says what it used, however it ended."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply. Up to now only committed attempts were measured, and their steps tell of it."""
    op.add_column("step_attempts", sa.Column("usage", JSONB))
    op.execute(
        "UPDATE step_attempts a SET usage = s.usage FROM steps s WHERE s.job = a.job"
        " AND s.id = a.step AND s.usage IS NOT NULL AND a.outcome IN ('succeeded', 'cached')"
    )


def downgrade() -> None:
    """Undo."""
    op.drop_column("step_attempts", "usage")

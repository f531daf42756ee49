"""Metered: every attempt says what it used, however it ended; operators have their own scope."""

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
    # As up to now: who rules the first tenant runs the installation.
    op.execute(
        "UPDATE keys SET scopes = scopes || '[\"operate\"]'"
        " WHERE tenant = 'default' AND scopes @> '[\"admin\"]'"
    )


def downgrade() -> None:
    """Undo."""
    op.execute("UPDATE keys SET scopes = scopes - 'operate'")
    op.drop_column("step_attempts", "usage")

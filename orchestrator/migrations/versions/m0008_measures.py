"""Measures: totals that outlive rows and processes; and the trace that a job belongs to."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TIMESTAMP

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "measures",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("labels", JSONB, primary_key=True),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.Column("total", sa.Double, nullable=False),
        sa.Column("buckets", ARRAY(sa.BigInteger)),
    )
    op.create_table(
        "measured",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("until", TIMESTAMP(timezone=True), nullable=False),
    )
    op.execute("INSERT INTO measured (id, until) VALUES (1, clock_timestamp())")
    # A summary of each few pages: nearly nothing per row, and enough to find what ended lately.
    for table, column in (("step_attempts", "ended_at"), ("jobs", "finished_at")):
        op.create_index(
            f"{table}_{column}_brin",
            table,
            [column],
            postgresql_using="brin",
            postgresql_with={"pages_per_range": 16, "autosummarize": "on"},
        )
    op.add_column("jobs", sa.Column("traceparent", sa.Text))
    op.add_column("jobs", sa.Column("trace_due", sa.Boolean))
    op.create_index("jobs_trace_due", "jobs", ["id"], postgresql_where=sa.text("trace_due"))


def downgrade() -> None:
    """Undo."""
    op.drop_index("jobs_trace_due", "jobs")
    op.drop_column("jobs", "trace_due")
    op.drop_column("jobs", "traceparent")
    op.drop_index("jobs_finished_at_brin", "jobs")
    op.drop_index("step_attempts_ended_at_brin", "step_attempts")
    op.drop_table("measured")
    op.drop_table("measures")

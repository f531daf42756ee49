"""Jobs, and the events that tell of them. `event_seq` numbers those of a job without gaps."""

from sqlalchemy import Boolean, Column, Double, Index, Integer, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB

from orchestrator.tables.columns import EMPTY, SUMMARY, metadata, number, when

jobs = Table(
    "jobs",
    metadata,
    Column("id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("kind", Text, nullable=False, server_default="request"),  # request | workflow | plan
    Column("status", Text, nullable=False),
    Column("phase", Text),  # planning | executing | finalizing
    number("priority"),  # higher runs earlier
    Column("conversation", Text),
    Column("message", Text),
    Column("request", JSONB, nullable=False, server_default=EMPTY),
    Column("plan", JSONB),
    number("plan_revision"),
    Column("workflow", Text),
    Column("workflow_version", Integer),
    Column("approve", Text, nullable=False, server_default="auto"),  # auto | plan
    Column("held", Boolean, nullable=False, server_default=text("false")),  # it waits …
    Column("question", JSONB),  # … for input, if there is a question; otherwise for approval
    Column("options", JSONB, nullable=False, server_default=EMPTY),
    Column("outputs", JSONB),
    Column("error", JSONB),
    when("cancel_requested_at"),
    Column("cancel_reason", Text),  # canceled | expired | deadline
    when("start_deadline"),  # expires if nothing was claimed by then
    when("deadline"),
    number("max_steps", 64),
    number("max_rounds", 1),
    number("round", 1),
    Column("gpu_seconds", Double, nullable=False, server_default=text("0")),
    Column("max_gpu_seconds", Double),
    number("steps_total"),
    number("steps_left"),  # not yet final, the answer step apart
    number("event_seq"),
    Column("metadata", JSONB, nullable=False, server_default=EMPTY),
    Column("retry_of", Text),
    Column("traceparent", Text),  # W3C: the trace that it belongs to, and the span that asked
    Column("trace_due", Boolean),  # its spans are to be exported when it has ended
    when("created_at", born=True),
    when("started_at"),
    when("finished_at"),
    Column("key", Text),  # that asked for it; NULL: asked without one
    Column("tokens", Double, nullable=False, server_default=text("0")),  # read and written
    Index("jobs_list", "tenant", "id"),
    Index("jobs_usage", "tenant", "created_at", "key"),
    Index("jobs_conversation", "conversation", postgresql_where=text("conversation IS NOT NULL")),
    Index("jobs_finished_at_brin", "finished_at", **SUMMARY),
    Index("jobs_trace_due", "id", postgresql_where=text("trace_due")),
    Index("jobs_open", "status", "id", postgresql_where=text("finished_at IS NULL")),
    Index(
        "jobs_deadlines",
        text("least(deadline, start_deadline)"),
        postgresql_where=text(
            "finished_at IS NULL AND (deadline IS NOT NULL OR start_deadline IS NOT NULL)"
        ),
    ),
    postgresql_with={"fillfactor": 70},
)

# No foreign key, as this grows with every transition: whoever deletes a job deletes these too.
events = Table(
    "events",
    metadata,
    Column("job", Text, primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("type", Text, nullable=False),
    Column("step", Text),
    Column("data", JSONB, nullable=False, server_default=EMPTY),
    when("at", born=True),
)

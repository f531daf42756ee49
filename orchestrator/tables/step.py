"""Steps: what a job consists of, which waits for which, what was tried, what is kept for another
time. A ready step is its own unsent wake-up; `token` fences late commits.
"""

from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from orchestrator.tables.columns import EMPTY, SUMMARY, metadata, number, when

steps = Table(
    "steps",
    metadata,
    Column("job", ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("kind", Text, nullable=False, server_default="work"),  # plan | work | answer
    Column("tool", Text, nullable=False),
    number("tool_version", 1),
    Column("model", Text),
    Column("lane", Text, nullable=False),
    Column("status", Text, nullable=False),
    number("priority"),
    number("round", 1),
    number("position"),  # its place in the plan, for showing
    Column("inputs", JSONB, nullable=False, server_default=EMPTY),  # bindings of medley.plan
    Column("params", JSONB, nullable=False, server_default=EMPTY),
    Column("seed", BigInteger, nullable=False, server_default=text("0")),
    Column("map", JSONB),
    number("deps_left"),
    number("token"),  # the fence: raised by every claim
    number("attempt"),  # errors are counted against max_attempts …
    number("max_attempts", 3),
    number("crash_count"),  # … and lost workers apart
    Column("worker", Text),
    when("lease_until"),
    when("not_before"),
    when("wake_at"),
    Column("wake_backoff", Double, nullable=False, server_default=text("2")),  # seconds
    Column("progress", JSONB),
    Column("outputs", JSONB),
    Column("error", JSONB),
    Column("usage", JSONB),
    Column("cache_key", Text),
    Column("kept_from", Text),  # the job whose step this is a kept copy of
    when("created_at", born=True),
    when("ready_at"),
    when("started_at"),
    when("finished_at"),
    Index(
        "steps_ready",
        "lane",
        "tenant",
        text("priority DESC"),
        "job",
        "id",
        postgresql_where=text("status = 'ready'"),
    ),
    Index("steps_wake", "wake_at", postgresql_where=text("status = 'ready'")),
    Index("steps_running", "tenant", "lease_until", postgresql_where=text("status = 'running'")),
    Index("steps_worker", "worker", postgresql_where=text("status = 'running'")),
    postgresql_with={"fillfactor": 70},
)

edges = Table(
    "edges",
    metadata,
    Column("job", Text, primary_key=True),
    Column("src", Text, primary_key=True),
    Column("dst", Text, primary_key=True),
    ForeignKeyConstraint(["job"], ["jobs.id"], ondelete="CASCADE"),
    Index("edges_back", "job", "dst"),
)

# No foreign key, as this grows with every transition: whoever deletes a job deletes these too.
step_attempts = Table(
    "step_attempts",
    metadata,
    Column("job", Text, primary_key=True),
    Column("step", Text, primary_key=True),
    Column("token", Integer, primary_key=True),
    Column("attempt", Integer, nullable=False),
    Column("worker", Text),
    # succeeded | cached | retried | failed | lost | dead | released | canceled
    Column("outcome", Text, nullable=False),
    Column("error", JSONB),
    Column("usage", JSONB),  # what it used; that of a step is the sum of its attempts
    when("started_at"),
    when("ended_at", born=True),
    Index("step_attempts_ended_at_brin", "ended_at", **SUMMARY),
)

step_cache = Table(
    "step_cache",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("outputs", JSONB, nullable=False),
    Column("job", Text, nullable=False),
    Column("step", Text, nullable=False),
    when("created_at", born=True),
)

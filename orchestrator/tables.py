"""The tables: what Medley knows, in Postgres. Core tables only; the hot path speaks SQL functions.

A ready step is its own unsent wake-up. `steps.token` fences late commits; `jobs.event_seq` numbers
the events of a job without gaps. Every row that a caller may see carries its tenant.
"""

from typing import Any

from pgvector.sqlalchemy import Vector
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TIMESTAMP

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "fk": "%(table_name)s_%(column_0_name)s_fkey",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
    }
)

_EMPTY = text("'{}'::jsonb")
#: Of an index that costs next to nothing and finds what is young.
_SUMMARY: dict[str, Any] = {
    "postgresql_using": "brin",
    "postgresql_with": {"pages_per_range": 16, "autosummarize": "on"},
}


def _when(name: str, *, born: bool = False) -> Column[object]:
    if born:
        return Column(
            name, TIMESTAMP(timezone=True), nullable=False, server_default=func.clock_timestamp()
        )
    return Column(name, TIMESTAMP(timezone=True))


def _number(name: str, value: int = 0) -> Column[int]:
    return Column(name, Integer, nullable=False, server_default=text(str(value)))


conversations = Table(
    "conversations",
    metadata,
    Column("id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("title", Text, nullable=False, server_default=""),
    Column("metadata", JSONB, nullable=False, server_default=_EMPTY),
    _when("created_at", born=True),
    Index("conversations_list", "tenant", "id"),
)

messages = Table(
    "messages",
    metadata,
    Column("id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("conversation", ForeignKey("conversations.id", ondelete="CASCADE"), nullable=False),
    Column("parent", ForeignKey("messages.id", ondelete="CASCADE")),
    Column("role", Text, nullable=False),  # user | assistant
    Column("parts", JSONB, nullable=False),
    Column("job", Text),  # of a user: the job it asked for; of an assistant: the job that answered
    _when("created_at", born=True),
    Index("messages_tree", "conversation", "id"),
    Index("messages_job", "job", postgresql_where=text("job IS NOT NULL")),
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("kind", Text, nullable=False, server_default="request"),  # request | workflow | plan
    Column("status", Text, nullable=False),
    Column("phase", Text),  # planning | executing | finalizing
    _number("priority"),  # higher runs earlier
    Column("conversation", Text),
    Column("message", Text),
    Column("request", JSONB, nullable=False, server_default=_EMPTY),
    Column("plan", JSONB),
    _number("plan_revision"),
    Column("workflow", Text),
    Column("workflow_version", Integer),
    Column("approve", Text, nullable=False, server_default="auto"),  # auto | plan
    Column("held", Boolean, nullable=False, server_default=text("false")),  # it waits …
    Column("question", JSONB),  # … for input, if there is a question; otherwise for approval
    Column("options", JSONB, nullable=False, server_default=_EMPTY),
    Column("outputs", JSONB),
    Column("error", JSONB),
    _when("cancel_requested_at"),
    Column("cancel_reason", Text),  # canceled | expired | deadline
    _when("start_deadline"),  # expires if nothing was claimed by then
    _when("deadline"),
    _number("max_steps", 64),
    _number("max_rounds", 1),
    _number("round", 1),
    Column("gpu_seconds", Double, nullable=False, server_default=text("0")),
    Column("max_gpu_seconds", Double),
    _number("steps_total"),
    _number("steps_left"),  # not yet final, the answer step apart
    _number("event_seq"),
    Column("metadata", JSONB, nullable=False, server_default=_EMPTY),
    Column("retry_of", Text),
    Column("traceparent", Text),  # W3C: the trace that it belongs to, and the span that asked
    Column("trace_due", Boolean),  # its spans are to be exported when it has ended
    _when("created_at", born=True),
    _when("started_at"),
    _when("finished_at"),
    Column("key", Text),  # that asked for it; NULL: asked without one
    Column("tokens", Double, nullable=False, server_default=text("0")),  # read and written
    Index("jobs_list", "tenant", "id"),
    Index("jobs_usage", "tenant", "created_at", "key"),
    Index("jobs_conversation", "conversation", postgresql_where=text("conversation IS NOT NULL")),
    Index("jobs_finished_at_brin", "finished_at", **_SUMMARY),
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

steps = Table(
    "steps",
    metadata,
    Column("job", ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("kind", Text, nullable=False, server_default="work"),  # plan | work | answer
    Column("tool", Text, nullable=False),
    _number("tool_version", 1),
    Column("model", Text),
    Column("lane", Text, nullable=False),
    Column("status", Text, nullable=False),
    _number("priority"),
    _number("round", 1),
    _number("position"),  # its place in the plan, for showing
    Column("inputs", JSONB, nullable=False, server_default=_EMPTY),  # bindings of medley.plan
    Column("params", JSONB, nullable=False, server_default=_EMPTY),
    Column("seed", BigInteger, nullable=False, server_default=text("0")),
    Column("map", JSONB),
    _number("deps_left"),
    _number("token"),  # the fence: raised by every claim
    _number("attempt"),  # errors are counted against max_attempts …
    _number("max_attempts", 3),
    _number("crash_count"),  # … and lost workers apart
    Column("worker", Text),
    _when("lease_until"),
    _when("not_before"),
    _when("wake_at"),
    Column("wake_backoff", Double, nullable=False, server_default=text("2")),  # seconds
    Column("progress", JSONB),
    Column("outputs", JSONB),
    Column("error", JSONB),
    Column("usage", JSONB),
    Column("cache_key", Text),
    Column("kept_from", Text),  # the job whose step this is a kept copy of
    _when("created_at", born=True),
    _when("ready_at"),
    _when("started_at"),
    _when("finished_at"),
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

# No foreign keys on the two tables that grow with every transition: whoever deletes a job deletes
# its attempts and events too.
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
    _when("started_at"),
    _when("ended_at", born=True),
    Index("step_attempts_ended_at_brin", "ended_at", **_SUMMARY),
)

events = Table(
    "events",
    metadata,
    Column("job", Text, primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("type", Text, nullable=False),
    Column("step", Text),
    Column("data", JSONB, nullable=False, server_default=_EMPTY),
    _when("at", born=True),
)

assets = Table(
    "assets",
    metadata,
    Column("id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("modality", Text, nullable=False),
    Column("media_type", Text, nullable=False),
    Column("facts", JSONB, nullable=False, server_default=_EMPTY),  # width, height, seconds, …
    Column("origin", JSONB, nullable=False, server_default=_EMPTY),  # kind, name, job, step, port
    _when("created_at", born=True),
    Column("key", Text),  # that brought these bytes first, or whose job made them
    UniqueConstraint("tenant", "sha256"),
    Index("assets_list", "tenant", "id"),
    Index("assets_sha256", "sha256"),
)

embeddings = Table(
    "embeddings",
    metadata,
    Column("asset", ForeignKey("assets.id", ondelete="CASCADE"), primary_key=True),
    Column("space", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("modality", Text, nullable=False),  # of what was embedded
    Column("vector", Vector(), nullable=False),
    _when("created_at", born=True),
    Index("embeddings_tenant", "tenant", "space", "modality"),
)

workflows = Table(
    "workflows",
    metadata,
    Column("id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("name", Text, nullable=False),
    _number("version", 1),  # the newest
    Column("tool", Text),  # the tool that it is published as
    _when("created_at", born=True),
    _when("updated_at", born=True),
    Index("workflows_list", "tenant", "id"),
    Index("workflows_tool", "tenant", "tool", unique=True),
)

workflow_versions = Table(
    "workflow_versions",
    metadata,
    Column("workflow", ForeignKey("workflows.id", ondelete="CASCADE"), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("document", JSONB, nullable=False),  # medley.plan.Workflow
    _when("created_at", born=True),
)

idempotency = Table(
    "idempotency",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("request_hash", Text, nullable=False),
    Column("status", Integer),  # None: the first request is still being served
    Column("response", JSONB),
    _when("created_at", born=True),
)

workers = Table(
    "workers",
    metadata,
    Column("id", Text, primary_key=True),
    Column("lanes", JSONB, nullable=False),
    Column("tools", JSONB, nullable=False),
    Column("models", JSONB, nullable=False, server_default=text("'[]'::jsonb")),  # in memory now
    Column("serves", JSONB),  # ids of the models that it can load; NULL: it does not say
    Column("lacks", JSONB, nullable=False, server_default=_EMPTY),  # those it cannot -> why
    Column("facts", JSONB, nullable=False, server_default=_EMPTY),  # host, pid, device, version
    _when("started_at", born=True),
    _when("beat_at", born=True),
)

models = Table(
    "models",
    metadata,
    Column("id", Text, primary_key=True),
    Column("worker", Text, primary_key=True),
    Column("state", Text, nullable=False),  # loading | loaded | failed
    Column("facts", JSONB, nullable=False, server_default=_EMPTY),
    _when("updated_at", born=True),
)

step_cache = Table(
    "step_cache",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("outputs", JSONB, nullable=False),
    Column("job", Text, nullable=False),
    Column("step", Text, nullable=False),
    _when("created_at", born=True),
)

# Totals that only grow, by measure and labels; of a histogram `buckets`, the last for the rest.
measures = Table(
    "measures",
    metadata,
    Column("name", Text, primary_key=True),
    Column("labels", JSONB, primary_key=True),
    Column("count", BigInteger, nullable=False),
    Column("total", Double, nullable=False),
    Column("buckets", ARRAY(BigInteger)),
)

# One row: up to when what ended has been added to them.
measured = Table(
    "measured",
    metadata,
    Column("id", Integer, primary_key=True),
    _when("until", born=True),
)

# Where to tell about events. One with a `job` was named in its request, and hears of no other.
webhook_endpoints = Table(
    "webhook_endpoints",
    metadata,
    Column("id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("job", Text),
    Column("name", Text, nullable=False, server_default=""),
    Column("url", Text, nullable=False),
    Column("events", JSONB, nullable=False),  # names, `job.*`, `*`
    Column("secret", Text),  # whsec_…; only an endpoint of a job may have none
    Column("old_secret", Text),  # signs as well …
    _when("old_until"),  # … until then
    Column("enabled", Boolean, nullable=False, server_default=text("true")),
    Column("reason", Text),  # why it is not enabled: gone | failing | paused
    _number("failures"),  # since the last success
    _when("failing_since"),
    _when("quiet_until"),  # nothing is sent before
    _when("created_at", born=True),
    _when("updated_at", born=True),
    Index("webhook_endpoints_list", "tenant", "id"),
    Index("webhook_endpoints_live", "tenant", "job", postgresql_where=text("enabled")),
    Index("webhook_endpoints_job", "job", postgresql_where=text("job IS NOT NULL")),
)

# One message to one endpoint: written with the event itself, sent afterwards until it is taken.
webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    Column("id", Text, primary_key=True),  # the message's `webhook-id`
    Column("endpoint", ForeignKey("webhook_endpoints.id", ondelete="CASCADE"), nullable=False),
    Column("tenant", Text, nullable=False),
    Column("job", Text),
    Column("type", Text, nullable=False),
    Column("payload", JSONB, nullable=False),
    Column("status", Text, nullable=False, server_default="pending"),  # delivered | failed
    _number("attempt"),  # of this round of attempts
    _number("token"),  # the fence: raised by every claim
    _when("due_at", born=True),
    _when("leased_until"),
    Column("attempts", JSONB, nullable=False, server_default=text("'[]'::jsonb")),
    _when("created_at", born=True),
    _when("finished_at"),
    Index("webhook_deliveries_list", "endpoint", "id"),
    Index(
        "webhook_deliveries_due", "endpoint", "due_at", postgresql_where=text("status = 'pending'")
    ),
    Index("webhook_deliveries_job", "job", postgresql_where=text("job IS NOT NULL")),
    Index(
        "webhook_deliveries_leased",
        "tenant",
        "leased_until",
        postgresql_where=text("status = 'pending'"),
    ),
)

keys = Table(
    "keys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("prefix", Text, nullable=False),  # the first signs of the secret, to be recognised by
    Column("hash", Text, nullable=False, unique=True),  # SHA-256 of the secret, which is not kept
    Column("scopes", JSONB, nullable=False),
    Column("quota", JSONB, nullable=False, server_default=_EMPTY),  # medley.quota, where it differs
    Column("made_by", Text),  # the key that made it; NULL: the command line
    _when("created_at", born=True),
    _when("last_used_at"),
    _when("expires_at"),
    _when("revoked_at"),
    Index("keys_list", "tenant", "id"),
)

# A browser that has signed in, or (with `job`) somebody who may look at one job for a minute.
sessions = Table(
    "sessions",
    metadata,
    Column("hash", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("key", ForeignKey("keys.id", ondelete="CASCADE")),
    Column("job", Text),
    _when("created_at", born=True),
    Column("expires_at", TIMESTAMP(timezone=True), nullable=False),
    Index("sessions_key", "key"),
    Index("sessions_expires", "expires_at"),
)

audit = Table(
    "audit",
    metadata,
    Column("id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("key", Text),
    Column("action", Text, nullable=False),
    Column("target", Text, nullable=False, server_default=""),
    Column("address", Text, nullable=False, server_default=""),  # of the caller
    Column("request", Text, nullable=False, server_default=""),  # its id
    Column("detail", JSONB, nullable=False, server_default=_EMPTY),
    _when("at", born=True),
    Index("audit_list", "tenant", "id"),
)

# What forgotten jobs had used; of the others the rows of jobs and steps say it. The empty model
# stands for the job itself.
usage = Table(
    "usage",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("day", Date, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("model", Text, primary_key=True),
    _number("jobs"),
    Column("gpu_seconds", Double, nullable=False, server_default=text("0")),
    Column("tokens", Double, nullable=False, server_default=text("0")),
)

uploads = Table(
    "uploads",
    metadata,
    Column("id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("bytes", BigInteger, nullable=False),  # of the whole file, as its sender said
    Column("filename", Text, nullable=False),
    Column("mime_type", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("keep_s", Integer),  # how long its file is kept; NULL: for ever
    Column("status", Text, nullable=False),  # pending | completed | cancelled
    Column("asset", Text),
    Column("key", Text),  # who sends it
    _when("created_at", born=True),
    Column("expires_at", TIMESTAMP(timezone=True), nullable=False),
    Index("uploads_expiry", "expires_at"),
)

upload_parts = Table(
    "upload_parts",
    metadata,
    Column("id", Text, primary_key=True),
    Column("upload", ForeignKey("uploads.id", ondelete="CASCADE"), nullable=False),
    Column("sha256", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    _when("created_at", born=True),
    Index("upload_parts_upload", "upload"),
)

batches = Table(
    "batches",
    metadata,
    Column("id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("endpoint", Text, nullable=False),
    Column("key", Text),  # who asked for it
    Column("input_file", Text, nullable=False),  # assets
    Column("output_file", Text),
    Column("error_file", Text),
    # validating | in_progress | finalizing | completed | failed | cancelling | cancelled | expired
    Column("status", Text, nullable=False),
    Column("outcome", Text),  # the status after `finalizing`
    Column("errors", JSONB),
    Column("metadata", JSONB, nullable=False, server_default=_EMPTY),
    Column("keep_s", Integer),  # how long its files are kept
    _when("created_at", born=True),
    Column("expires_at", TIMESTAMP(timezone=True), nullable=False),
    _when("in_progress_at"),
    _when("finalizing_at"),
    _when("cancelling_at"),
    _when("ended_at"),
    Index("batches_list", "tenant", "id"),
    Index("batches_open", "id", postgresql_where=text("ended_at IS NULL")),
)

batch_lines = Table(
    "batch_lines",
    metadata,
    Column("batch", ForeignKey("batches.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("custom_id", Text, nullable=False),
    Column("start", BigInteger, nullable=False),  # where its line is in the input file
    Column("size", Integer, nullable=False),
    Column("state", Text, nullable=False, server_default="waiting"),  # running | done | failed
    Column("job", Text),
    Column("error", JSONB),
    Index("batch_lines_state", "batch", "state", "number"),
)

vector_stores = Table(
    "vector_stores",
    metadata,
    Column("id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("metadata", JSONB, nullable=False, server_default=_EMPTY),
    _when("created_at", born=True),
    _when("last_active_at", born=True),
    Index("vector_stores_list", "tenant", "id"),
)

vector_store_files = Table(
    "vector_store_files",
    metadata,
    Column("store", ForeignKey("vector_stores.id", ondelete="CASCADE"), primary_key=True),
    Column("asset", ForeignKey("assets.id", ondelete="CASCADE"), primary_key=True),
    Column("attributes", JSONB, nullable=False, server_default=_EMPTY),
    _when("created_at", born=True),
    Index("vector_store_files_asset", "asset"),
)

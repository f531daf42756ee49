"""Webhooks: who wants to hear, and what each was or will be sent."""

from sqlalchemy import Boolean, Column, ForeignKey, Index, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB

from orchestrator.tables.columns import metadata, number, when

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
    when("old_until"),  # … until then
    Column("enabled", Boolean, nullable=False, server_default=text("true")),
    Column("reason", Text),  # why it is not enabled: gone | failing | paused
    number("failures"),  # since the last success
    when("failing_since"),
    when("quiet_until"),  # nothing is sent before
    when("created_at", born=True),
    when("updated_at", born=True),
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
    number("attempt"),  # of this round of attempts
    number("token"),  # the fence: raised by every claim
    when("due_at", born=True),
    when("leased_until"),
    Column("attempts", JSONB, nullable=False, server_default=text("'[]'::jsonb")),
    when("created_at", born=True),
    when("finished_at"),
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

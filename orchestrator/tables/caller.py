"""Callers: their keys and sessions, what they did, and what they may safely ask twice."""

from sqlalchemy import Column, ForeignKey, Index, Integer, Table, Text
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP

from orchestrator.tables.columns import EMPTY, metadata, when

keys = Table(
    "keys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("prefix", Text, nullable=False),  # the first signs of the secret, to be recognised by
    Column("hash", Text, nullable=False, unique=True),  # SHA-256 of the secret, which is not kept
    Column("scopes", JSONB, nullable=False),
    Column("quota", JSONB, nullable=False, server_default=EMPTY),  # medley.quota, where it differs
    Column("made_by", Text),  # the key that made it; NULL: the command line
    when("created_at", born=True),
    when("last_used_at"),
    when("expires_at"),
    when("revoked_at"),
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
    when("created_at", born=True),
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
    Column("detail", JSONB, nullable=False, server_default=EMPTY),
    when("at", born=True),
    Index("audit_list", "tenant", "id"),
)

idempotency = Table(
    "idempotency",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("request_hash", Text, nullable=False),
    Column("status", Integer),  # None: the first request is still being served
    Column("response", JSONB),
    when("created_at", born=True),
)

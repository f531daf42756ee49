"""Workers that are alive, and the models in their memory."""

from sqlalchemy import Column, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB

from orchestrator.tables.columns import EMPTY, metadata, when

workers = Table(
    "workers",
    metadata,
    Column("id", Text, primary_key=True),
    Column("lanes", JSONB, nullable=False),
    Column("tools", JSONB, nullable=False),
    Column("models", JSONB, nullable=False, server_default=text("'[]'::jsonb")),  # in memory now
    Column("serves", JSONB),  # ids of the models that it can load; NULL: it does not say
    Column("lacks", JSONB, nullable=False, server_default=EMPTY),  # those it cannot -> why
    Column("facts", JSONB, nullable=False, server_default=EMPTY),  # host, pid, device, version
    when("started_at", born=True),
    when("beat_at", born=True),
)

models = Table(
    "models",
    metadata,
    Column("id", Text, primary_key=True),
    Column("worker", Text, primary_key=True),
    Column("state", Text, nullable=False),  # loading | loaded | failed
    Column("facts", JSONB, nullable=False, server_default=EMPTY),
    when("updated_at", born=True),
)

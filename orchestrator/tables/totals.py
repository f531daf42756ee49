"""Totals that outlive what they count."""

from sqlalchemy import BigInteger, Column, Date, Double, Integer, Table, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from orchestrator.tables.columns import metadata, number, when

# What forgotten jobs had used; of the others the rows of jobs and steps say it. The empty model
# stands for the job itself.
usage = Table(
    "usage",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("day", Date, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("model", Text, primary_key=True),
    number("jobs"),
    Column("gpu_seconds", Double, nullable=False, server_default=text("0")),
    Column("tokens", Double, nullable=False, server_default=text("0")),
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
    when("until", born=True),
)

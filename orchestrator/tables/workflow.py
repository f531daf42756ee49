"""Workflows, each with all its versions."""

from sqlalchemy import Column, ForeignKey, Index, Integer, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from orchestrator.tables.columns import metadata, number, when

workflows = Table(
    "workflows",
    metadata,
    Column("id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("name", Text, nullable=False),
    number("version", 1),  # the newest
    Column("tool", Text),  # the tool that it is published as
    when("created_at", born=True),
    when("updated_at", born=True),
    Index("workflows_list", "tenant", "id"),
    Index("workflows_tool", "tenant", "tool", unique=True),
)

workflow_versions = Table(
    "workflow_versions",
    metadata,
    Column("workflow", ForeignKey("workflows.id", ondelete="CASCADE"), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("document", JSONB, nullable=False),  # medley.plan.Workflow
    when("created_at", born=True),
)

"""Conversations: a tree of messages each."""

from sqlalchemy import Column, ForeignKey, Index, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB

from orchestrator.tables.columns import EMPTY, metadata, when

conversations = Table(
    "conversations",
    metadata,
    Column("id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("title", Text, nullable=False, server_default=""),
    Column("metadata", JSONB, nullable=False, server_default=EMPTY),
    when("created_at", born=True),
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
    when("created_at", born=True),
    Index("messages_tree", "conversation", "id"),
    Index("messages_job", "job", postgresql_where=text("job IS NOT NULL")),
)

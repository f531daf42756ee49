"""Alembic's entry: runs on the connection that `upgrade` hands over."""

from alembic import context

from orchestrator.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    compare_server_default=False,
)
with context.begin_transaction():
    context.run_migrations()

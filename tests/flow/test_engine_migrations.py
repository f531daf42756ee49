"""The migrations make exactly the tables that the code speaks of."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from orchestrator.database import create_engine
from orchestrator.migrations import config, upgrade
from orchestrator.tables import metadata


def test_a_migrated_database_has_exactly_the_declared_tables(database_url: str) -> None:
    with create_engine(database_url).connect() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, metadata) == []


def test_the_declared_indexes_have_the_same_conditions(
    database_url: str, empty_database_url: str
) -> None:
    query = text("SELECT indexname, indexdef FROM pg_indexes WHERE tablename <> 'alembic_version'")
    with create_engine(empty_database_url).begin() as fresh:
        fresh.execute(text("CREATE EXTENSION vector"))
        metadata.create_all(fresh)
        declared = {tuple(row) for row in fresh.execute(query)}
    with create_engine(database_url).connect() as migrated:
        assert {tuple(row) for row in migrated.execute(query)} == declared


def test_many_may_migrate_at_once(empty_database_url: str) -> None:
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(upgrade, [empty_database_url] * 3))
    with create_engine(empty_database_url).connect() as connection:
        newest = ScriptDirectory.from_config(config()).get_current_head()
        assert connection.execute(text("SELECT version_num FROM alembic_version")).all() == [
            (newest,)
        ]


def test_errors_do_not_show_what_callers_said(database_url: str) -> None:
    with create_engine(database_url).connect() as connection, pytest.raises(DBAPIError) as wrong:
        connection.execute(text("SELECT :words || 1/0"), {"words": "a secret"})
    assert "a secret" not in str(wrong.value)

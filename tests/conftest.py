"""Fixtures for every test: the real servers, embedded, and a fresh database for each test.

`database_url`  a migrated database of its own, cloned from a template (some 30 ms)
`redis_url`     the Valkey of this test run, emptied; Celery's form (`redis+socket://`)
`settings`      settings that point at both, with a private home and the test tools
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import hypothesis
import pytest

from medley.embedded import EmbeddedPostgres, EmbeddedValkey
from medley.settings import Settings

# The suite asks the same questions each time; `make explore` asks new ones.
hypothesis.settings.register_profile("suite", derandomize=True, deadline=None)
hypothesis.settings.register_profile("explore", max_examples=500, deadline=None, print_blob=True)
hypothesis.settings.load_profile("suite")

_TEMPLATE = "medley_template"
_numbers = count(1)


@pytest.fixture(scope="session")
def server_home() -> Iterator[Path]:
    """A folder for this run's servers; short, because it holds sockets, and outside of private
    folders.
    """
    home = Path(tempfile.mkdtemp(prefix="medley-tests-"))
    if os.geteuid() == 0:
        home.chmod(0o755)
    yield home
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres(server_home: Path) -> Iterator[EmbeddedPostgres]:
    """This run's Postgres, without fsync."""
    with EmbeddedPostgres(server_home, durable=False) as server:
        yield server


@pytest.fixture(scope="session")
def valkey(server_home: Path) -> Iterator[EmbeddedValkey]:
    """This run's Valkey, without a file."""
    with EmbeddedValkey(server_home, durable=False) as server:
        yield server


@pytest.fixture(scope="session")
def _migrated_template(postgres: EmbeddedPostgres) -> str:
    from orchestrator.migrations import upgrade

    _administer(postgres, f'CREATE DATABASE "{_TEMPLATE}"')
    upgrade(postgres.url_of(_TEMPLATE))
    return _TEMPLATE


@pytest.fixture
def empty_database_url(postgres: EmbeddedPostgres) -> Iterator[str]:
    """A database of this test alone without any table, for tests of the migrations."""
    yield from _database(postgres, "template1")


@pytest.fixture
def database_url(postgres: EmbeddedPostgres, _migrated_template: str) -> Iterator[str]:
    """A migrated database of this test alone; `postgresql://…`."""
    yield from _database(postgres, _migrated_template)


@pytest.fixture(scope="module")
def module_database_url(postgres: EmbeddedPostgres, _migrated_template: str) -> Iterator[str]:
    """A migrated database for the tests of one file together."""
    yield from _database(postgres, _migrated_template)


@pytest.fixture
def redis_url(valkey: EmbeddedValkey) -> str:
    """The emptied Valkey; `redis+socket://…`."""
    import redis

    with redis.Redis.from_url(valkey.client_url) as client:
        client.flushall()
    return valkey.url


@pytest.fixture
def settings(tmp_path: Path, database_url: str, redis_url: str) -> Settings:
    """Settings for real parts on this test's servers: a private home, test tools, a short lease."""
    return Settings(
        home=tmp_path,
        database_url=database_url,
        redis_url=redis_url,
        test_tools=True,
        lease_ttl_s=4.0,
    )


def _database(server: EmbeddedPostgres, template: str) -> Iterator[str]:
    name = f"test_{os.getpid()}_{next(_numbers)}"
    _administer(server, f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY file_copy')
    yield server.url_of(name)
    _administer(server, f'DROP DATABASE "{name}" WITH (FORCE)')


def _administer(server: EmbeddedPostgres, statement: str) -> None:
    import psycopg

    with psycopg.connect(server.url_of("postgres"), autocommit=True) as connection:
        connection.execute(statement.encode())

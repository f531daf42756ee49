"""The database: one pool of psycopg connections behind SQLAlchemy, and how the engine borrows from
it.

Queries are written with `orchestrator.tables` on a SQLAlchemy connection. The engine's functions
take the psycopg connection below it (`raw`), so both can stand in one transaction.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
import sqlalchemy
from psycopg.rows import TupleRow
from sqlalchemy import Connection, Engine
from sqlalchemy.engine import make_url

Raw = psycopg.Connection[TupleRow]


def create_engine(database_url: str, *, pool_size: int = 5, max_overflow: int = 10) -> Engine:
    """A SQLAlchemy engine over psycopg 3; takes `postgresql://` and `postgresql+psycopg://`.

    Its errors, which are logged, do not show the values of a query: they are what callers said.
    """
    url = make_url(database_url).set(drivername="postgresql+psycopg")
    return sqlalchemy.create_engine(
        url,
        pool_size=pool_size,
        max_overflow=max_overflow,
        pool_pre_ping=True,
        hide_parameters=True,
        connect_args={"application_name": "medley", "connect_timeout": 10},
    )


def raw(connection: Connection) -> Raw:
    """The psycopg connection below, in the same transaction."""
    driver: Any = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    return driver


@contextmanager
def transaction(engine: Engine) -> Iterator[Raw]:
    """A psycopg connection of the pool in one transaction; commits at the end, rolls back on
    errors.
    """
    with engine.begin() as connection:
        yield raw(connection)


def connect(database_url: str) -> Raw:
    """A connection of its own in autocommit mode: each engine call is one transaction."""
    url = make_url(database_url).set(drivername="postgresql")
    return psycopg.connect(
        url.render_as_string(hide_password=False),
        autocommit=True,
        application_name="medley",
        connect_timeout=10,
    )


def close_quietly(conn: Raw | None) -> None:
    """Closes a connection that may be broken."""
    if conn is not None:
        with suppress(psycopg.Error):
            conn.close()

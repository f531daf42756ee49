"""Migrations: the schema of Medley, step by step, and the SQL functions of the engine.

Expand first, contract a release later: a running worker of the release before must go on working.
"""

from importlib.resources import files
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text

from orchestrator.database import create_engine

_HERE = Path(__file__).parent
_LOCK = 0x6D65646C6579  # "medley": one migrator at a time, whoever starts first


def upgrade(database_url: str) -> None:
    """Brings the database to the newest schema and functions; safe to call from many processes."""
    engine = create_engine(database_url, pool_size=1)
    try:
        with engine.connect() as connection:
            connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": _LOCK})
            connection.commit()
            _migrate(connection)
    finally:
        engine.dispose()  # closes the connection, and with it the lock


def config(connection: Connection | None = None) -> Config:
    """Alembic's configuration, without an ini file."""
    settings = Config()
    settings.set_main_option("script_location", str(_HERE))
    settings.attributes["connection"] = connection
    return settings


def _migrate(connection: Connection) -> None:
    connection.execute(text("SET lock_timeout = '5s'"))
    connection.commit()
    command.upgrade(config(connection), "head")
    connection.commit()
    folder = files("orchestrator.migrations").joinpath("functions")
    with connection.begin():
        cursor = connection.connection.cursor()
        for file in sorted(folder.iterdir(), key=str):
            if file.name.endswith(".sql"):
                # By the driver itself: colons and percent signs of the functions stay as they are.
                cursor.execute(file.read_text(encoding="utf-8"))

"""What the tables have in common: their metadata, and the columns that many of them have."""

from typing import Any

from sqlalchemy import Column, Integer, MetaData, func, text
from sqlalchemy.dialects.postgresql import TIMESTAMP

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "fk": "%(table_name)s_%(column_0_name)s_fkey",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
    }
)

EMPTY = text("'{}'::jsonb")
#: Of an index that costs next to nothing and finds what is young.
SUMMARY: dict[str, Any] = {
    "postgresql_using": "brin",
    "postgresql_with": {"pages_per_range": 16, "autosummarize": "on"},
}


def when(name: str, *, born: bool = False) -> Column[object]:
    """A moment, with its time zone. `born`: that of the row, never NULL."""
    if born:
        return Column(
            name, TIMESTAMP(timezone=True), nullable=False, server_default=func.clock_timestamp()
        )
    return Column(name, TIMESTAMP(timezone=True))


def number(name: str, value: int = 0) -> Column[int]:
    """A count, `value` at first, never NULL."""
    return Column(name, Integer, nullable=False, server_default=text(str(value)))

"""Lists: in which direction they run."""

from enum import StrEnum


class Order(StrEnum):
    """By age."""

    ASC = "asc"  # oldest first
    DESC = "desc"  # newest first

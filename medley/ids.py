"""Ids: a prefix that says what is named, and a UUIDv7 that sorts by time of birth."""

import os
import time
import uuid

_MILLISECONDS = 48


def uuid7() -> uuid.UUID:
    """A time-ordered UUID, version 7 of RFC 9562: 48 bits of milliseconds, then random bits."""
    stamp = (time.time_ns() // 1_000_000) & ((1 << _MILLISECONDS) - 1)
    value = (stamp << 80) | int.from_bytes(os.urandom(10), "big")
    value = (value & ~(0xF << 76)) | (0x7 << 76)
    value = (value & ~(0x3 << 62)) | (0x2 << 62)
    return uuid.UUID(int=value)


def new_id(prefix: str) -> str:
    """A fresh id such as `job_0199c0de…`: the prefix and 32 hexadecimal digits."""
    return f"{prefix}_{uuid7().hex}"

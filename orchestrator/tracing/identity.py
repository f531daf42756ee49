"""Identity: which trace a job belongs to, and the ids of its spans."""

import hashlib
import re
from dataclasses import dataclass

_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_ZERO = re.compile(r"0+")


@dataclass(frozen=True, slots=True)
class Parent:
    """The span that asked, as W3C's `traceparent` says it."""

    trace: str
    span: str
    sampled: bool

    @classmethod
    def parse(cls, header: str | None) -> "Parent | None":
        """None for what is no `traceparent`."""
        found = _TRACEPARENT.fullmatch(header or "")
        if found is None or _ZERO.fullmatch(found[1]) or _ZERO.fullmatch(found[2]):
            return None
        return cls(found[1], found[2], bool(int(found[3], 16) & 1))

    def __str__(self) -> str:
        return f"00-{self.trace}-{self.span}-{int(self.sampled):02x}"


def trace_of(job: str, traceparent: str | None) -> str:
    """The trace id: that of whoever asked, or one of the job's own."""
    parent = Parent.parse(traceparent)
    return parent.trace if parent else _hash(f"trace:{job}", 16)


def span_of_job(job: str) -> str:
    """The id of a job's span."""
    return _hash(f"job:{job}", 8)


def span_of_attempt(job: str, step: str, token: int) -> str:
    """The id of the span of one attempt."""
    return _hash(f"step:{job}:{step}:{token}", 8)


def _hash(words: str, size: int) -> str:
    return hashlib.blake2b(words.encode(), digest_size=size).hexdigest()

"""A text in pieces, the same ones whether it is still growing or was stored long ago. Pure.

A stream numbers its events, and a reader that broke off names the last number that it has seen. So
the pieces depend on the words alone: a word with the blanks before it, or a sign. What may still
grow is held back.
"""

import re
from collections.abc import Iterator

_PIECE = re.compile(r"\s*(?:[A-Za-z0-9]{1,24}|\S)|\s+\Z")
_MARK = re.compile(r"\s*\[a\d{1,6}\]")
_MAYBE = re.compile(r"\s*(?:\[a?\d{0,6})?\Z")


def pieces(text: str, start: int, *, whole: bool) -> Iterator[str]:
    """The pieces from `start` on, which is the end of one."""
    while start < len(text):
        found = _PIECE.match(text, start)
        if found is None or (not whole and found.end() == len(text)):
            return
        yield found[0]
        start = found.end()


def unmarked(written: str, *, whole: bool) -> str:
    """A reply in growth as its reader sees it: without the marks of assets."""
    if not whole:
        written = _MAYBE.sub("", written)
    return _MARK.sub("", written).lstrip()

"""How a hub writes that a function should be called, and how that is read while it grows. Pure.

A call is one line of JSON, `{"call":"get_weather","arguments":{"city":"Oslo"}}`; anything else is
words. The hub's grammar, its prompt and the streams all take the form from here; servers that write
freely may put blanks between its signs.
"""

import json
import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

OPENING = '{"call":"'
MIDDLE = '","arguments":'
LONGEST_HEAD = 1000  #: signs, blanks included, within which it shows that something is a call


@dataclass(frozen=True, slots=True)
class Words:
    """What was written is meant to be read."""

    text: str


@dataclass(frozen=True, slots=True)
class Called:
    """What was written asks for a call; `arguments` is JSON, or as much of it as there is."""

    name: str
    arguments: str


def head(name: str) -> str:
    """How a call of this function begins."""
    return f"{OPENING}{name}{MIDDLE}"


def read_message(written: str, names: Collection[str], *, whole: bool) -> Words | Called | None:
    """Words or a call, as far as it is written; None while it may still become either.

    `whole`: nothing will follow.
    """
    compact = "".join(written[:LONGEST_HEAD].split())
    for name in names:
        if found := _head_of(name).match(written):
            return Called(name, _inner(written[found.end() :]))
        if not whole and head(name).startswith(compact):
            return None
    return Words(written)


@lru_cache(256)
def _head_of(name: str) -> re.Pattern[str]:
    signs = ("", "{", '"call"', ":", f'"{name}"', ",", '"arguments"', ":", "")
    return re.compile(r"\s*".join(map(re.escape, signs)))


def _inner(arguments: str) -> str:
    """The arguments without what closes the call around them."""
    try:
        _, end = json.JSONDecoder().raw_decode(arguments)
    except (ValueError, RecursionError):  # not whole yet, or cut off
        return arguments
    return arguments[:end]


def call_id(job: str) -> str:
    """What names the call that a job asks for."""
    return f"call_{job.partition('_')[2]}"


def call_data(job: str, call: dict[str, Any]) -> dict[str, Any]:
    """A call as a value inside a message of a conversation."""
    return {
        "type": "function_call",
        "call_id": call_id(job),
        "name": call["name"],
        "arguments": call["arguments"],
    }

"""Deltas: what a growing answer adds for the reader, token by token."""

from collections.abc import Callable

from hub.decoding import Guide
from medley.backend import Control

OPENING = '{"text":"'
_ESCAPES = {"n": "\n", "t": "\t", '"': '"', "\\": "\\", "/": "/", "r": "\r", "b": "\b", "f": "\f"}


def reply_text(written: str) -> str:
    """The text inside a reply's JSON so far: `{"text":"I see a` gives `I see a`."""
    if not written.startswith(OPENING):
        return ""
    found: list[str] = []
    place = len(OPENING)
    while place < len(written) and written[place] != '"':
        if written[place] != "\\":
            found.append(written[place])
            place += 1
        elif written[place + 1 : place + 2] == "u":
            if place + 6 > len(written):
                break
            found.append(chr(int(written[place + 2 : place + 6], 16)))
            place += 6
        else:
            found.append(_ESCAPES.get(written[place + 1 : place + 2], ""))
            place += 2
    return "".join(found)


def streamed(
    control: Control, guides: list[Guide], reading: Callable[[str], str]
) -> Callable[[int], None]:
    """What to call after each token: passes on the new words of a single row. A batch of several is
    not streamed.
    """
    sent = 0

    def heard(row: int) -> None:
        nonlocal sent
        if len(guides) != 1:
            return
        text = reading(guides[row].text)
        whole = text.rstrip("\ufffd")  # half a character: its last bytes come with the next token
        if len(whole) > sent:
            control.delta(whole[sent:])
            sent = len(whole)

    return heard


def silent(row: int) -> None:
    """For what nobody reads while it grows."""
    del row

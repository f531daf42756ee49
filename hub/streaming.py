"""Deltas: what a growing answer adds for the reader, token by token."""

from collections.abc import Callable, Sequence

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


def ended(text: str, stops: Sequence[str]) -> str:
    """The text before the first word that is to end it."""
    places = [place for stop in stops if (place := text.find(stop)) >= 0]
    return text[: min(places)] if places else text


def streamed(control: Control, place: int, reading: Callable[[str], str]) -> Callable[[str], None]:
    """What to call with the whole text so far after each token: passes on the new words of the
    request at this place of the batch.
    """
    sent = 0

    def heard(written: str) -> None:
        nonlocal sent
        text = reading(written)
        whole = text.rstrip("\ufffd")  # half a character: its last bytes come with the next token
        if len(whole) > sent:
            control.delta(whole[sent:], place)
            sent = len(whole)

    return heard

"""Lookalikes: text as a reader sees it, whatever signs it is spelt with. Pure.

A wide `<` and a narrow one look alike, so do the Cyrillic and the Latin `e`, and a zero-width space
is not seen at all. What looks for dangerous words looks in the folded text, and changes the text
itself.
"""

# ruff: noqa: RUF001
import re
import unicodedata
from collections.abc import Callable, Iterator

_SIGNS = {
    "<": "‹〈⟨˂ᐸ❮❬⧼≺",
    ">": "›〉⟩˃ᐳ❯❭⧽≻",
    "/": "⁄∕⧸╱⟋⫽",
    "|": "∣│ǀ⏐❘┃║∥ӏ",
    ":": "∶꞉ː։׃",
    "a": "аαɑᴀ",
    "b": "ƅЬʙ",
    "c": "сϲᴄ",
    "d": "ԁᴅժ",
    "e": "еєɛεᴇҽ",
    "g": "ɡ",
    "h": "һհʜ",
    "i": "іιɪı",
    "j": "јᴊ",
    "k": "кκᴋ",
    "l": "ⅼʟ",
    "m": "мᴍ",
    "n": "пηոɴ",
    "o": "оοօᴏ",
    "p": "рρᴘ",
    "q": "ԛ",
    "r": "гʀᴦ",
    "s": "ѕꜱ",
    "t": "тτᴛ",
    "u": "υսᴜцʋ",
    "v": "νѵᴠ",
    "w": "ԝωᴡ",
    "x": "хχ",
    "y": "уγʏ",
    "z": "ᴢ",
}
_FOLD = {ord(sign): plain for plain, signs in _SIGNS.items() for sign in signs}
#: Emoji and some scripts need these two joiners; they are folded, and stay in the text.
_JOINERS = "\u200c\u200d"


def visible(text: str) -> str:
    """The text without signs that no reader sees: control characters but line ends and tabs, marks
    of direction, zero-width signs, tags.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(sign for sign in text if sign in "\n\t\r" or sign in _JOINERS or _seen(sign))


def replaced(pattern: re.Pattern[str], text: str, change: Callable[[str], str]) -> str:
    """The text with each place that looks like the pattern (in small letters) changed."""
    result, last = [], 0
    for start, end in _places(pattern, text):
        result += [text[last:start], change(text[start:end])]
        last = end
    return "".join([*result, text[last:]])


def found(pattern: re.Pattern[str], text: str) -> list[str]:
    """The places of a text that look like the pattern, as they stand there."""
    return [text[start:end] for start, end in _places(pattern, text)]


def _places(pattern: re.Pattern[str], text: str) -> Iterator[tuple[int, int]]:
    if text.isascii() and len(text.lower()) == len(text):
        yield from (match.span() for match in pattern.finditer(text.lower()) if match[0])
        return
    signs, places = [], []
    for place, sign in enumerate(text):
        plain = unicodedata.normalize("NFKD", sign).lower().translate(_FOLD)
        for item in unicodedata.normalize("NFKD", plain):
            if item.isspace() or (_seen(item) and unicodedata.category(item)[0] != "M"):
                signs.append(item)
                places.append(place)
    for match in pattern.finditer("".join(signs)):
        if match[0]:
            yield places[match.start()], places[match.end() - 1] + 1


def _seen(sign: str) -> bool:
    return unicodedata.category(sign) not in ("Cc", "Cf", "Cs") and sign != "\u034f"

"""Text files: UTF-8 without NUL, and nothing is believed of them but that."""

import codecs
import json
from pathlib import Path

from medley.errors import BrokenMedia
from medley.media.facts import Facts
from medley.modality import Modality
from medley.parts import MAX_TEXT

PLAIN, LINES = "text/plain", "application/jsonl"
_BLOCK = 1 << 20
_LONGEST_LINE = 64 << 20


def examine_words(path: Path) -> Facts | None:
    """Facts of a text file, whose first line says whether it is JSON lines; None for anything else.

    Reads it to its end, a block at a time.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    with path.open("rb") as file:
        try:
            while block := file.read(_BLOCK):
                if "\0" in decoder.decode(block):
                    return None
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return None
        file.seek(0)
        first = file.readline(_LONGEST_LINE)
    return Facts(modality=Modality.TEXT, media_type=LINES if _is_object(first) else PLAIN)


def read_words(path: Path) -> str:
    """The text of such a file, as much as one step may read. Raises `BrokenMedia`."""
    try:
        with path.open(encoding="utf-8-sig") as file:
            text = file.read(MAX_TEXT)
    except UnicodeDecodeError as error:
        raise BrokenMedia(f"The file is no text: {error}") from None
    return text


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False

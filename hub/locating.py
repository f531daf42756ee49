"""Where things are, as language models write it: location tokens between the words.

Each family has its own way. A box comes out as `[x0, y0, x1, y1]` in pixels, its score as the
geometric mean of the probabilities of its location tokens: these models give no other confidence.
"""

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

#: What was written, the name that was asked for, width and height of the picture -> boxes.
Boxes = Callable[["Written", str, tuple[int, int]], list[dict[str, Any]]]
_PLACE = re.compile(r"<(?:loc_?|patch_index_)(\d+)>")
_MARK = re.compile(r"</?\w+/?>")
_PATCHES = 32  # Kosmos-2 names the patches of a grid of 32 x 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """Written tokens, the logarithms of their probabilities, and how token ids become words."""

    tokens: Sequence[int]
    sure: Sequence[float]
    tokenizer: Any


def named_after(written: Written, asked: str, size: tuple[int, int]) -> list[dict[str, Any]]:
    """Florence-2: a name, then four numbers (x0, y0, x1, y1 of 1,000) for each place of it."""
    found, name = [], asked
    for words, places, sure in _runs(written):
        name = words or name
        for start in range(0, len(places) - 3, 4):
            x0, y0, x1, y1 = ((place + 0.5) / 1000 for place in places[start : start + 4])
            found.append(_box(name, (x0, y0, x1, y1), sure[start : start + 4], size))
    return found


def corner_bins(written: Written, asked: str, size: tuple[int, int]) -> list[dict[str, Any]]:
    """PaliGemma: four numbers (y0, x0, y1, x1 of 1,024), then the name; ` ; ` between things."""
    found, runs = [], list(_runs(written))
    for (_, places, sure), (words, *_rest) in zip(runs, [*runs[1:], ("", [], [])], strict=True):
        if len(places) >= 4:
            y0, x0, y1, x1 = (place / 1024 for place in places[-4:])
            name = words.partition(";")[0].strip() or asked
            found.append(_box(name, (x0, y0, x1, y1), sure[-4:], size))
    return found


def patch_pairs(written: Written, asked: str, size: tuple[int, int]) -> list[dict[str, Any]]:
    """Kosmos-2: pairs of patches, upper left and lower right, of the phrase that was asked for."""
    from transformers.models.kosmos2.processing_kosmos2 import patch_index_to_coordinate

    found = []
    for _, places, sure in _runs(written):
        for start in range(0, len(places) - 1, 2):
            corners = patch_index_to_coordinate(places[start], places[start + 1], _PATCHES)
            found.append(_box(asked, corners, sure[start : start + 2], size))
    return found


def _runs(written: Written) -> Iterator[tuple[str, list[int], list[float]]]:
    """Words, and the numbers that directly follow them; the last words may have none."""
    words: list[int] = []
    places: list[int] = []
    sure: list[float] = []
    for token, one in zip(written.tokens, written.sure, strict=True):
        spelt = str(written.tokenizer.convert_ids_to_tokens(token))
        place = _PLACE.fullmatch(spelt)
        if place:
            places.append(int(place[1]))
            sure.append(one)
            continue
        if places:
            yield _words(written, words), places, sure
            words, places, sure = [], [], []
        if not _MARK.fullmatch(spelt):  # of a mask, or around a phrase
            words.append(token)
    yield _words(written, words), places, sure


def _words(written: Written, tokens: list[int]) -> str:
    return str(written.tokenizer.decode(tokens, skip_special_tokens=True)).strip(" ,.;")


def _box(
    name: str, corners: Sequence[float], sure: Sequence[float], size: tuple[int, int]
) -> dict[str, Any]:
    x0, y0, x1, y1 = (min(max(corner, 0.0), 1.0) for corner in corners)
    (left, right), (top, bottom) = sorted((x0, x1)), sorted((y0, y1))
    width, height = size
    box = [left * width, top * height, right * width, bottom * height]
    return {
        "label": name,
        "score": round(math.exp(sum(sure) / len(sure)), 4),
        "box": [round(side, 1) for side in box],
    }

"""Boxes out of what models write: tokens in, pixels out."""

import math

import pytest

from hub.locating import Boxes, Written, corner_bins, named_after, patch_pairs


class Spelling:
    """A tokenizer whose tokens are their own words."""

    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens

    def convert_ids_to_tokens(self, token: int) -> str:
        """The token."""
        return self._tokens[token]

    def decode(self, tokens: list[int], skip_special_tokens: bool) -> str:
        """Words with blanks between, without marks."""
        assert skip_special_tokens
        return " ".join(self._tokens[token] for token in tokens if self._tokens[token] != "</s>")


def boxes(read: Boxes, tokens: list[str], sure: float = math.log(0.5)) -> list[tuple[str, list]]:
    written = Written(
        tokens=list(range(len(tokens))), sure=[sure] * len(tokens), tokenizer=Spelling(tokens)
    )
    found = read(written, "asked", (200, 100))
    assert all(box["score"] == pytest.approx(math.exp(sure), abs=1e-4) for box in found)
    return [(box["label"], box["box"]) for box in found]


def test_florence_names_a_thing_and_then_its_places() -> None:
    places = ["<loc_0>", "<loc_0>", "<loc_499>", "<loc_999>"]
    more = ["<loc_250>", "<loc_250>", "<loc_750>", "<loc_750>"]
    found = boxes(named_after, ["</s>", "cat", *places, *more, "dog", *places[::-1], "bird"])
    assert [name for name, _ in found] == ["cat", "cat", "dog"]
    assert found[0][1] == pytest.approx([0.1, 0.05, 99.9, 99.95], abs=0.1)
    assert found[2][1] == pytest.approx([0.1, 0.05, 199.9, 49.95], abs=0.1)  # corners in order


def test_paligemma_writes_places_before_the_name() -> None:
    first = ["<loc0000>", "<loc0256>", "<loc0512>", "<loc0768>"]
    found = boxes(corner_bins, [*first, "cat", ";", *first, "dog"])
    assert found == [("cat", [50.0, 0.0, 150.0, 50.0]), ("dog", [50.0, 0.0, 150.0, 50.0])]


def test_kosmos_names_two_patches() -> None:
    marks = ["<object>", "<patch_index_0000>", "<patch_index_1023>", "</object>"]
    ((name, box),) = boxes(patch_pairs, marks)
    assert name == "asked"
    assert box == pytest.approx([3.1, 1.6, 196.9, 98.4], abs=0.1)


@pytest.mark.parametrize("read", [named_after, corner_bins, patch_pairs])
def test_half_a_place_is_none(read: Boxes) -> None:
    assert boxes(read, []) == []
    assert boxes(read, ["cat", "<loc_3>"]) == []

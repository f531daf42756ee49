"""The starter's concepts: names that people say, each with one meaning."""

from collections import Counter

import pytest

from starter.concepts import label_of, load_concepts
from starter.sounds import SOUNDS


def test_there_are_about_160_concepts_with_unlike_emoji() -> None:
    concepts = load_concepts()
    assert len(concepts) == 160
    assert len({c.hexcode for c in concepts}) == len({c.id for c in concepts}) == 160
    assert all(c.emoji == chr(int(c.hexcode, 16)) for c in concepts)


def test_no_word_names_two_concepts() -> None:
    words = Counter(word for c in load_concepts() for word in (*c.english, *c.chinese))
    assert [word for word, count in words.items() if count > 1] == []


def test_chinese_names_are_written_in_chinese_characters() -> None:
    for concept in load_concepts():
        assert all("\u4e00" <= letter <= "\u9fff" for letter in concept.zh), concept.id


def test_a_label_is_the_place_in_the_list() -> None:
    assert [label_of(c.id) for c in load_concepts()] == list(range(160))
    with pytest.raises(KeyError):
        label_of("no such thing")


def test_every_sound_belongs_to_a_concept() -> None:
    assert set(SOUNDS) <= {c.id for c in load_concepts()}

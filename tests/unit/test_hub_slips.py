"""Slips, talk and habits of the synthetic requests."""

import itertools
import random
import re

from starter import requests_compose
from starter.requests import Writer, draw_assets
from starter.requests_slips import slip
from starter.requests_talk import babble, row_of_words


def test_slips_keep_the_marks_of_quotable_pieces() -> None:
    rng = random.Random(0)
    text = "please draw \ue000a red kite in the sky\ue001, and then say it's name"
    for _ in range(500):
        assert re.findall("[\ue000\ue001]", slip(rng, text)) == ["\ue000", "\ue001"]


def test_any_words_and_invented_names_are_never_empty() -> None:
    rng = random.Random(1)
    assert all(babble(rng) and row_of_words(rng, ["kite", "drum"], False) for _ in range(100))


def test_a_usual_sequence_uses_what_its_first_step_made() -> None:
    rng = random.Random(2)
    made = []
    while len(made) < 60:
        writer = Writer(rng, "en", draw_assets(rng, "en", "v"))
        sample = requests_compose._habit(writer)
        if sample is not None and sample.steps[0]["tool"] == "extract_audio":
            made.append(sample)
    assert all("s1.audio" in str(sample.steps[1]) for sample in made)


def test_requests_hold_no_pieces_of_their_patterns() -> None:
    for sample in itertools.islice(requests_compose.stream(3), 400):
        assert not re.search(r"[|{}\[\]]", sample.request)

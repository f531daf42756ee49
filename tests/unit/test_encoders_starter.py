"""The recipe of the starter encoder: its words, losses and batches."""

import random

import pytest

torch = pytest.importorskip("torch")

from starter.concepts import load_concepts  # noqa: E402
from starter.encoder_parts import concept_loss, peers_loss, score  # noqa: E402
from starter.encoder_pictures import cut_out  # noqa: E402
from starter.encoder_text import (  # noqa: E402
    CHINESE,
    ENGLISH,
    HELD_OUT_CHINESE,
    HELD_OUT_ENGLISH,
    phrase,
    train_tokenizer,
)
from starter.train_encoder import with_others  # noqa: E402

POINTS = torch.eye(6)


def test_held_out_phrases_are_not_trained_on() -> None:
    assert not set(HELD_OUT_ENGLISH) & set(ENGLISH)
    assert not set(HELD_OUT_CHINESE) & set(CHINESE)


def test_a_phrase_names_its_concept() -> None:
    dice, concept = random.Random(0), load_concepts()[0]
    for _ in range(50):
        said = phrase(concept, dice)
        assert any(word in said for word in (*concept.english, *concept.chinese))


def test_the_end_of_a_text_has_the_highest_id() -> None:
    tokenizer = train_tokenizer(load_concepts()[:20])
    for text in ("a picture of a dog", "画一只狗", "Ωμέγα ✓"):
        ids = tokenizer(text)["input_ids"]
        assert ids[-1] == tokenizer.eos_token_id == max(ids) == len(tokenizer) - 1


def test_the_loss_is_least_where_items_lie_on_their_concepts() -> None:
    labels = torch.tensor([0, 1, 2, 2])
    right = concept_loss(POINTS[labels], labels, POINTS, 20.0)
    wrong = concept_loss(POINTS[labels.flip(0)], labels, POINTS, 20.0)
    assert right < wrong


def test_items_of_one_concept_attract_each_other() -> None:
    labels = torch.tensor([0, 0, 1, 1])
    together = peers_loss(POINTS[labels], labels)
    apart = peers_loss(POINTS[torch.tensor([0, 1, 0, 1])], labels)
    assert together < apart


def test_a_score_counts_the_nearest() -> None:
    labels = torch.tensor([0, 1, 2])
    assert score(POINTS[labels], labels, POINTS) == 1.0
    assert score(POINTS[[3, 1, 4]], labels, POINTS) == pytest.approx(1 / 3)


def test_a_batch_meets_the_words_of_its_own_and_of_other_concepts() -> None:
    labels = torch.tensor([7, 7, 3])
    rows, places = with_others(labels, 20, 8)
    assert len(rows) == len(set(rows.tolist())) == 8
    assert rows[places].tolist() == labels.tolist()


def test_some_pictures_are_partly_covered_and_none_wholly() -> None:
    pictures = torch.ones(64, 3, 64, 64)
    covered = (cut_out(pictures, torch.Generator().manual_seed(0)) == 0.5).float().mean((1, 2, 3))
    assert 0 < (covered > 0).float().mean() < 0.6
    assert covered.max() < 0.25

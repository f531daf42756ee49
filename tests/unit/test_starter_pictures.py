"""Augmentation and flattening of the starter's pictures."""

import pytest
import torch

from starter import pictures


@pytest.fixture
def discs() -> torch.Tensor:
    """Four red discs on nothing, (4, 4, 128, 128) uint8."""
    axis = torch.linspace(-1, 1, 128)
    inside = (axis[:, None] ** 2 + axis[None, :] ** 2 < 0.8).to(torch.uint8) * 255
    one = torch.stack([inside, inside * 0, inside * 0, inside])
    return one.repeat(4, 1, 1, 1)


@pytest.mark.parametrize("size", [32, 64, 128])
def test_renderings_have_the_asked_size_and_stay_in_range(discs: torch.Tensor, size: int) -> None:
    made = pictures.augment(discs, size, torch.Generator().manual_seed(1))
    assert made.shape == (4, 3, size, size)
    assert made.isfinite().all()
    assert 0 <= made.min() <= made.max() <= 1


def test_an_equal_seed_gives_equal_renderings_and_another_seed_others(discs: torch.Tensor) -> None:
    first, again, other = (
        pictures.augment(discs, 64, torch.Generator().manual_seed(seed)) for seed in (3, 3, 4)
    )
    assert torch.equal(first, again)
    assert not torch.allclose(first, other)


def test_equal_drawings_are_rendered_differently_within_one_batch(discs: torch.Tensor) -> None:
    made = pictures.augment(discs, 64, torch.Generator().manual_seed(5))
    assert not torch.allclose(made[0], made[1])


def test_flattening_shows_the_drawing_on_the_chosen_background(discs: torch.Tensor) -> None:
    white = pictures.flatten(discs, 64)
    assert torch.equal(white[:, :, 0, 0], torch.ones(4, 3))
    assert torch.equal(white[:, :, 32, 32], torch.tensor([1.0, 0, 0]).repeat(4, 1))
    assert torch.equal(pictures.flatten(discs, 64, 0.0)[:, :, 0, 0], torch.zeros(4, 3))


def test_the_held_out_vendor_is_in_no_training_set() -> None:
    assert pictures.HELD_OUT_VENDOR not in pictures.TRAIN_VENDORS
    assert pictures.HELD_OUT_VENDOR not in pictures.MONO_VENDORS
    assert pictures.HELD_OUT_VENDOR not in pictures.GENERATOR_VENDORS


def test_the_judge_never_sees_what_the_generator_learns() -> None:
    assert not set(pictures.JUDGE_VENDORS) & set(pictures.GENERATOR_VENDORS)

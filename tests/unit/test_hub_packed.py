"""Packing rows for the hub's training changes nothing: the loss is that of each row on its own."""

import itertools

import pytest

torch = pytest.importorskip("torch")

from starter.hub_data import Row  # noqa: E402
from starter.hub_packed import LENGTH, SEQUENCES, PackedHub, packed  # noqa: E402
from starter.train_hub import loss_of, make_model  # noqa: E402

ROWS = [Row(list(range(10, 10 + size)), size // 2) for size in (20, 35, 50, 64, 90)]


def test_a_batch_holds_whole_rows_that_see_only_themselves() -> None:
    batch = next(packed(itertools.cycle(ROWS)))
    assert batch.ids.shape == (SEQUENCES, LENGTH)
    kept = batch.wanted != -100
    assert torch.equal(batch.ids.view(-1)[batch.at[kept] + 1], batch.wanted[kept])
    for places, rows in zip(batch.places, batch.rows, strict=True):
        for number in rows[rows >= 0].unique():
            mine = places[rows == number]
            assert mine.tolist() == list(range(len(mine)))


def test_the_packed_loss_is_the_padded_one() -> None:
    hub = make_model()
    padded = loss_of(hub, ROWS, words=0.0)
    once = itertools.chain(ROWS, itertools.repeat(Row([1] * 5, 5)))
    batch = next(packed(once))
    ours = PackedHub(hub)(batch.ids, batch.places, batch.rows, batch.at, batch.wanted)
    assert ours.item() == pytest.approx(padded.item(), rel=0.02)

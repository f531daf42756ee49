"""Decoding a batch: rows that are over leave it, and nobody notices but the clock."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hub.decoding import FreeGuide
from hub.generating import Row, generate, has_plain_cache
from hub.local import LocalHub
from medley.errors import StepStopped
from tests.contract.hub_fixtures import Recorder, loaded_hub

WORDS = ["a cat", "a red dog on a hill", "x", "draw me something that is not a cat"]


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> LocalHub:
    return loaded_hub(tmp_path_factory.mktemp("hub"), compact=False)


@pytest.fixture
def sizes(hub: LocalHub) -> Iterator[list[int]]:
    """How many rows each call of the model had."""
    seen: list[int] = []
    told = hub._model.get_input_embeddings().register_forward_hook(
        lambda module, given, out: seen.append(out.shape[0])
    )
    yield seen
    told.remove()


def rows(hub: LocalHub, *limits: int) -> list[Row]:
    reading = hub._known
    return [
        Row(guide=FreeGuide(reading.guided, [], limit), limit=100, place=place)
        for place, limit in enumerate(limits)
    ]


def prompt(hub: LocalHub, *words: str, embedded: bool = False) -> dict[str, Any]:
    """Left-padded inputs."""
    import torch

    tokenizer = hub._known.tokenizer
    tokenizer.padding_side = "left"
    found = dict(tokenizer(list(words), return_tensors="pt", padding=True))
    found = {name: found[name] for name in ("input_ids", "attention_mask")}
    if embedded:
        with torch.inference_mode():
            ids = found.pop("input_ids")
            found["inputs_embeds"] = hub._model.get_input_embeddings()(ids)
    return found


@pytest.mark.parametrize("embedded", [False, True])
def test_rows_that_are_over_leave_the_batch(
    hub: LocalHub, sizes: list[int], embedded: bool
) -> None:
    limits = (3, 5, 9, 20)
    together = rows(hub, *limits)
    inputs = prompt(hub, *WORDS, embedded=embedded)
    sizes.clear()
    generate(hub._model, inputs, together, Recorder(Path()), pad=hub._known.pad)
    seen = sizes if not embedded else [4, *sizes]  # what is embedded already is not looked up
    assert seen == [4] * 5 + [2] * 4 + [1] * 11
    for words, limit, row in zip(WORDS, limits, together, strict=True):
        (alone,) = rows(hub, limit)
        generate(hub._model, prompt(hub, words), [alone], Recorder(Path()), pad=hub._known.pad)
        assert (row.guide.text, row.written) == (alone.guide.text, limit)


def test_a_row_that_has_to_stop_costs_no_more_tokens(hub: LocalHub, sizes: list[int]) -> None:
    control = Recorder(Path(), stop_at=2, leaving=frozenset({0}))
    left, stays = rows(hub, 50, 8)
    generate(hub._model, prompt(hub, "a", "b"), [left, stays], control, pad=hub._known.pad)
    assert (left.written, left.stopped, stays.written) == (2, True, 8)
    assert sizes == [2] * 2 + [1] * 6


def test_a_stop_of_all_is_heard_at_the_next_token(hub: LocalHub, sizes: list[int]) -> None:
    with pytest.raises(StepStopped):
        generate(
            hub._model, prompt(hub, "a", "b"), rows(hub, 50, 50), Recorder(Path(), stop_at=4), pad=0
        )
    assert len(sizes) == 4


def test_a_drawn_row_draws_the_same_whatever_is_beside_it(hub: LocalHub) -> None:
    def drawn(*beside: str) -> str:
        found = rows(hub, 12, *[4 for _ in beside])
        found[0].temperature, found[0].seed = 0.7, 5
        generate(hub._model, prompt(hub, "a", *beside), found, Recorder(Path()), pad=hub._known.pad)
        return found[0].guide.text

    assert drawn() == drawn("b", "c c c")
    (greedy,) = rows(hub, 12)
    generate(hub._model, prompt(hub, "a"), [greedy], Recorder(Path()), pad=hub._known.pad)
    assert drawn() != greedy.guide.text


def test_a_model_that_forgets_old_tokens_keeps_its_batch_together(hub: LocalHub) -> None:
    from transformers import MistralConfig, MistralForCausalLM

    small = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "vocab_size": 8}
    heads = {"num_attention_heads": 1, "num_key_value_heads": 1}
    sliding = MistralForCausalLM(MistralConfig(**small, **heads, sliding_window=4))
    assert has_plain_cache(hub._model)
    assert not has_plain_cache(sliding)

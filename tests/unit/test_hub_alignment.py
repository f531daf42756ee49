"""Alignment: the loss, the order of the pairs, the rate; with every kind of text hub."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers

from hub.alignment import Alignment, Pair, Recipe, fresh, in_turn, loss_of
from hub.connectors import Connector, ConnectorConfig
from hub.loss_curve import loss_curve, running_mean
from medley.errors import BackendError

HUBS = ("Llama", "Qwen3", "Mistral")


def make_hub(family: str) -> Any:
    """A tiny one with frozen weights."""
    torch.manual_seed(0)
    more = {"head_dim": 8} if family != "Llama" else {}
    config = getattr(transformers, f"{family}Config")(
        vocab_size=40,
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        **more,
    )
    hub = transformers.AutoModelForCausalLM.from_config(config).eval()
    return hub.requires_grad_(False)


def make_connector() -> Connector:
    """A small one."""
    torch.manual_seed(1)
    return Connector(ConnectorConfig(kind="mlp", source=6, hidden=16, tokens=2, width=8))


def pairs(count: int = 5) -> list[Pair]:
    """Rows of unlike lengths."""
    dice = np.random.default_rng(0)
    return [
        Pair([1, 2][: k % 3], [3] * (k % 2), [*range(4, 6 + k), 0], dice.random(6, np.float32))
        for k in range(count)
    ]


@pytest.mark.parametrize("family", HUBS)
def test_the_loss_is_that_of_the_targets_alone(family: str) -> None:
    hub, connector = make_hub(family), make_connector()
    total, tokens = 0.0, 0
    for pair in pairs():
        embed = hub.get_input_embeddings()
        soft = connector(torch.from_numpy(pair.vector)[None])[0]
        row = torch.cat(
            [embed(torch.tensor(pair.before, dtype=torch.long)), soft,
             embed(torch.tensor(pair.after + pair.target))]
        )  # fmt: skip
        labels = torch.full((1, len(row)), -100)
        labels[0, -len(pair.target) :] = torch.tensor(pair.target)
        total += hub(inputs_embeds=row[None], labels=labels).loss.item() * len(pair.target)
        tokens += len(pair.target)
    assert loss_of(hub, connector, pairs()).item() == pytest.approx(total / tokens, rel=1e-4)


@pytest.mark.parametrize("family", HUBS)
def test_the_connector_learns_and_the_hub_does_not(family: str) -> None:
    hub, connector = make_hub(family), make_connector()
    before = {name: item.clone() for name, item in hub.named_parameters()}
    training = Alignment(hub, connector, Recipe(steps=40, rate=0.02), lambda step: pairs())
    while not training.done:
        training.advance()
    assert training.losses[-1] < training.losses[0]
    assert all(torch.equal(item, before[name]) for name, item in hub.named_parameters())


def test_what_of_the_hub_may_learn_is_trained_and_kept_along(tmp_path: Path) -> None:
    def begin() -> Alignment:
        hub = make_hub("Llama")
        hub.model.norm.requires_grad_(True)
        return Alignment(hub, make_connector(), Recipe(steps=6), lambda step: pairs())

    whole, part, rest = begin(), begin(), begin()
    while not whole.done:
        whole.advance()
    for _ in range(3):
        part.advance()
    part.save(tmp_path / "c.safetensors", "about")
    assert not rest.resume(tmp_path / "c.safetensors", "something else")
    assert rest.resume(tmp_path / "c.safetensors", "about")
    while not rest.done:
        rest.advance()
    np.testing.assert_allclose(rest.losses, whole.losses, atol=1e-6)
    torch.testing.assert_close(rest.hub.model.norm.weight, whole.hub.model.norm.weight)
    assert not torch.equal(rest.hub.model.norm.weight, torch.ones(16))


def test_a_loss_that_is_no_number_ends_the_training() -> None:
    connector = make_connector()
    with torch.no_grad():
        next(iter(connector.parameters())).fill_(float("nan"))
    training = Alignment(make_hub("Llama"), connector, Recipe(steps=2), lambda step: pairs())
    with pytest.raises(BackendError, match="smaller rate"):
        training.advance()


def test_every_pair_has_its_turn_before_any_has_a_second() -> None:
    given = pairs(5)
    batch = in_turn(given, 3, seed=0)
    seen = [given.index(pair) for step in range(5) for pair in batch(step)]
    turns = [seen[k : k + 5] for k in (0, 5, 10)]
    assert all(sorted(turn) == [0, 1, 2, 3, 4] for turn in turns)
    assert len({tuple(turn) for turn in turns}) > 1


def test_the_rate_rises_then_falls_to_its_floor() -> None:
    recipe = Recipe(steps=100, rate=1.0, warmup=10, floor=0.1)
    rates = [recipe.rate_at(step) for step in range(100)]
    assert rates[0] < rates[9]
    assert rates[20] > rates[60] > rates[99] == 0.1


def test_a_fresh_connector_speaks_as_loud_as_the_hubs_words() -> None:
    hub, vectors = make_hub("Llama"), np.stack([pair.vector for pair in pairs()])
    connector = fresh(make_connector(), hub, vectors)
    wanted = hub.get_input_embeddings().weight.norm(dim=-1).mean()
    torch.testing.assert_close(
        connector(torch.from_numpy(vectors)).norm(dim=-1).mean(), wanted, rtol=1e-4, atol=0
    )


@pytest.mark.parametrize("losses", [[], [2.0], [3.0, 2.0, 1.0], [0.0, 0.0]])
def test_any_losses_can_be_drawn(losses: list[float]) -> None:
    assert loss_curve(losses).size == (800, 400)
    assert len(running_mean(losses)) == len(losses)


def test_a_falling_loss_is_drawn_falling() -> None:
    sheet = np.asarray(loss_curve([float(100 - k) for k in range(100)]))
    ink = (sheet == (46, 92, 138)).all(-1)[:, 70:780]
    assert ink[:200, :300].sum() > 0
    assert ink[220:350, 500:].sum() > 0
    assert ink[30:180, 500:].sum() == 0

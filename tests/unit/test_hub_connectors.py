"""Connectors: from a shared space to soft tokens, and back from their folder."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from hub.connectors import CONFIG, WEIGHTS, Connector, ConnectorConfig, Kind
from medley.errors import Unavailable

KINDS: tuple[Kind, ...] = ("linear", "mlp", "qformer", "resampler", "upm")
READERS: tuple[Kind, ...] = ("qformer", "resampler", "upm")


def make(kind: Kind, **more: Any) -> Connector:
    """A small one."""
    torch.manual_seed(0)
    config = ConnectorConfig(kind=kind, source=6, hidden=10, tokens=3, width=8, heads=2, **more)
    return Connector(config).eval()


@pytest.mark.parametrize("kind", KINDS)
def test_a_vector_becomes_k_soft_tokens(kind: Kind) -> None:
    assert make(kind)(torch.randn(4, 6)).shape == (4, 3, 10)


@pytest.mark.parametrize(
    ("kind", "tokens"),
    [("linear", 15), ("mlp", 15), ("qformer", 3), ("resampler", 3), ("upm", 3)],
)
def test_many_tokens_become_k_each_or_k_in_all(kind: Kind, tokens: int) -> None:
    assert make(kind)(torch.randn(2, 5, 6)).shape == (2, tokens, 10)


@pytest.mark.parametrize("kind", READERS)
def test_masked_tokens_do_not_count(kind: Kind) -> None:
    connector, source = make(kind), torch.randn(1, 5, 6)
    mask = torch.tensor([[True, True, False, False, False]])
    other = source.clone()
    other[:, 2:] = 9.0
    torch.testing.assert_close(connector(source, mask), connector(other, mask))


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_says_what_its_rows_say_alone(kind: Kind) -> None:
    connector, source = make(kind, modalities=("image", "audio")), torch.randn(3, 6)
    of = ["audio", "image", "audio"]
    alone = [connector(source[k : k + 1], None, of[k : k + 1])[0] for k in range(3)]
    torch.testing.assert_close(connector(source, None, of), torch.stack(alone))


@pytest.mark.parametrize("kind", KINDS)
def test_each_modality_has_its_own_way_where_the_config_says_so(kind: Kind) -> None:
    connector, source = make(kind, modalities=("image", "audio")), torch.randn(1, 6)
    seen, heard = connector(source, None, ["image"]), connector(source, None, ["audio"])
    assert not torch.allclose(seen, heard)
    for unknown in (["video"], [""], []):
        with pytest.raises(ValueError, match="image, audio"):
            connector(source, None, unknown)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("modalities", [(), ("image", "audio")])
def test_a_saved_connector_says_the_same(
    kind: Kind, modalities: tuple[str, ...], tmp_path: Path
) -> None:
    connector, source = make(kind, modalities=modalities, space="s", hub="h"), torch.randn(2, 6)
    connector.save_pretrained(tmp_path)
    again, of = Connector.from_pretrained(tmp_path), ["audio", "image"]
    assert again.config == connector.config
    torch.testing.assert_close(again(source, None, of), connector(source, None, of))


@pytest.mark.parametrize("kind", KINDS)
def test_soft_tokens_become_as_long_as_wanted(kind: Kind) -> None:
    connector, source = make(kind), torch.randn(20, 6)
    connector.fit_length(source, 2.5)
    assert connector(source).norm(dim=-1).mean().item() == pytest.approx(2.5, rel=1e-4)


def test_the_router_shares_out_one_whole_among_the_experts() -> None:
    connector = make("upm", experts=4)
    shares = connector.body.weights(torch.randn(5, 7, 8), None)  # type: ignore[operator]
    assert shares.shape == (5, 4)
    torch.testing.assert_close(shares.sum(-1), torch.ones(5))


def test_every_expert_learns() -> None:
    connector = make("upm", experts=3)
    connector(torch.randn(4, 6)).square().sum().backward()
    grown = {name: part.grad for name, part in connector.named_parameters()}
    assert all(found is not None and found.abs().sum() > 0 for found in grown.values()), grown


def test_another_width_is_refused() -> None:
    with pytest.raises(ValueError, match="expected"):
        make("mlp")(torch.randn(2, 7))


def test_the_length_of_a_vector_does_not_matter() -> None:
    connector, source = make("mlp"), torch.randn(2, 6)
    torch.testing.assert_close(connector(source), connector(5 * source))


def test_a_connector_without_files_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="no connector"):
        Connector.from_pretrained(tmp_path)


@pytest.mark.parametrize("config", ["", "[]", '{"kind": "linear"}', '{"kind": "other"}'])
def test_a_config_that_cannot_be_read_is_unavailable(config: str, tmp_path: Path) -> None:
    make("linear").save_pretrained(tmp_path)
    (tmp_path / CONFIG).write_text(config)
    with pytest.raises(Unavailable, match="no connector"):
        Connector.from_pretrained(tmp_path)


def test_weights_of_another_shape_are_unavailable_and_both_shapes_named(tmp_path: Path) -> None:
    connector = make("linear")
    connector.save_pretrained(tmp_path)
    wider = asdict(replace(connector.config, source=7))
    (tmp_path / CONFIG).write_text(json.dumps(wider))
    with pytest.raises(Unavailable, match=r"\(30, 6\), expected \(30, 7\)"):
        Connector.from_pretrained(tmp_path)


def test_weights_that_lack_a_tensor_are_unavailable(tmp_path: Path) -> None:
    make("mlp").save_pretrained(tmp_path)
    weights = load_file(tmp_path / WEIGHTS)
    weights.pop("body.project.0.bias")
    save_file(weights, tmp_path / WEIGHTS)
    with pytest.raises(Unavailable, match=r"project\.0\.bias is missing"):
        Connector.from_pretrained(tmp_path)

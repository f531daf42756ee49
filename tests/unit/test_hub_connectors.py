"""Connectors: from a shared space to soft tokens, and back from their folder."""

from pathlib import Path

import pytest
import torch

from hub.connectors import Connector, ConnectorConfig, Kind

KINDS: tuple[Kind, ...] = ("linear", "mlp", "qformer", "resampler")


def make(kind: Kind) -> Connector:
    """A small one."""
    torch.manual_seed(0)
    config = ConnectorConfig(kind=kind, source=6, hidden=10, tokens=3, width=8, heads=2)
    return Connector(config).eval()


@pytest.mark.parametrize("kind", KINDS)
def test_a_vector_becomes_k_soft_tokens(kind: Kind) -> None:
    assert make(kind)(torch.randn(4, 6)).shape == (4, 3, 10)


@pytest.mark.parametrize(
    ("kind", "tokens"), [("linear", 15), ("mlp", 15), ("qformer", 3), ("resampler", 3)]
)
def test_many_tokens_become_k_each_or_k_in_all(kind: Kind, tokens: int) -> None:
    assert make(kind)(torch.randn(2, 5, 6)).shape == (2, tokens, 10)


@pytest.mark.parametrize("kind", ["qformer", "resampler"])
def test_masked_tokens_do_not_count(kind: Kind) -> None:
    connector, source = make(kind), torch.randn(1, 5, 6)
    mask = torch.tensor([[True, True, False, False, False]])
    other = source.clone()
    other[:, 2:] = 9.0
    torch.testing.assert_close(connector(source, mask), connector(other, mask))


@pytest.mark.parametrize("kind", KINDS)
def test_a_saved_connector_says_the_same(kind: Kind, tmp_path: Path) -> None:
    connector, source = make(kind), torch.randn(2, 6)
    connector.save_pretrained(tmp_path)
    torch.testing.assert_close(Connector.from_pretrained(tmp_path)(source), connector(source))


def test_another_width_is_refused() -> None:
    with pytest.raises(ValueError, match="expected"):
        make("mlp")(torch.randn(2, 7))


def test_the_length_of_a_vector_does_not_matter() -> None:
    connector, source = make("mlp"), torch.randn(2, 6)
    torch.testing.assert_close(connector(source), connector(5 * source))

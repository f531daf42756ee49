"""Connectors: from a shared-space embedding (B, d) or an encoder's tokens (B, T, d) to soft tokens
(B, K, hidden) of a hub.

Four members, by `kind`: `linear` and `mlp` give K tokens for each vector (PandaGPT, LLaVA-1.5);
`qformer` and `resampler` read any number of tokens with K learnt queries (BLIP-2, Flamingo).
Weights and `config.json` lie in one folder.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize, scaled_dot_product_attention

Kind = Literal["linear", "mlp", "qformer", "resampler"]
WEIGHTS, CONFIG = "connector.safetensors", "config.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectorConfig:
    """Shape of a connector: input width, the hub's hidden width, number of soft tokens; `space` is
    what it reads.
    """

    kind: Kind
    source: int
    hidden: int
    tokens: int = 1
    width: int = 256
    layers: int = 2
    heads: int = 4
    space: str = ""
    normalise: bool = True  # bring each input vector to length sqrt(source) first


class Connector(nn.Module):
    """Projects what an encoder means into a hub's input embeddings."""

    def __init__(self, config: ConnectorConfig) -> None:
        super().__init__()
        self.config = config
        make = {"linear": _Linear, "mlp": _Mlp, "qformer": _QFormer, "resampler": _Resampler}[
            config.kind
        ]
        self.body = make(config)

    def forward(self, source: Tensor, mask: Tensor | None = None) -> Tensor:
        """Soft tokens (B, K, hidden) of `source` (B, d) or (B, T, d); `mask` (B, T) is true where a
        token counts.

        Linear and MLP connectors give K soft tokens for each of the T tokens. Raises `ValueError`
        for another width.
        """
        tokens = source.unsqueeze(1) if source.ndim == 2 else source
        if tokens.ndim != 3 or tokens.shape[-1] != self.config.source:
            raise ValueError(
                f"expected (B, {self.config.source}) or (B, T, {self.config.source}), "
                f"got {tuple(source.shape)}"
            )
        if self.config.normalise:
            tokens = normalize(tokens, dim=-1) * self.config.source**0.5
        result: Tensor = self.body(tokens, mask)
        return result

    def save_pretrained(self, folder: Path | str) -> None:
        """Writes `connector.safetensors` and `config.json`."""
        from safetensors.torch import save_file

        target = Path(folder)
        target.mkdir(parents=True, exist_ok=True)
        save_file(
            {name: value.contiguous() for name, value in self.state_dict().items()},
            target / WEIGHTS,
        )
        (target / CONFIG).write_text(
            json.dumps(asdict(self.config), indent=2) + "\n", encoding="utf-8"
        )

    @classmethod
    def from_pretrained(cls, folder: Path | str) -> "Connector":
        """Reads such a folder. Raises `FileNotFoundError`, or `RuntimeError` when weights and shape
        do not fit.
        """
        from safetensors.torch import load_file

        source = Path(folder)
        connector = cls(
            ConnectorConfig(**json.loads((source / CONFIG).read_text(encoding="utf-8")))
        )
        connector.load_state_dict(load_file(source / WEIGHTS))
        return connector.eval()


class _Linear(nn.Module):
    def __init__(self, config: ConnectorConfig) -> None:
        super().__init__()
        self.tokens = config.tokens
        self.project = nn.Linear(config.source, config.tokens * config.hidden)

    def forward(self, source: Tensor, mask: Tensor | None) -> Tensor:
        del mask
        projected: Tensor = self.project(source)
        return _spread(projected, self.tokens)


class _Mlp(nn.Module):
    def __init__(self, config: ConnectorConfig) -> None:
        super().__init__()
        self.tokens = config.tokens
        self.project = nn.Sequential(
            nn.Linear(config.source, config.width),
            nn.GELU(),
            nn.Linear(config.width, config.tokens * config.hidden),
        )

    def forward(self, source: Tensor, mask: Tensor | None) -> Tensor:
        del mask
        projected: Tensor = self.project(source)
        return _spread(projected, self.tokens)


class _Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)

    def forward(self, asking: Tensor, asked: Tensor, mask: Tensor | None = None) -> Tensor:
        key, value = self.key_value(asked).chunk(2, dim=-1)
        allowed = None if mask is None else mask[:, None, None, :]
        mixed = scaled_dot_product_attention(
            self._split(self.query(asking)), self._split(key), self._split(value), attn_mask=allowed
        )
        out: Tensor = self.out(mixed.transpose(1, 2).flatten(2))
        return out

    def _split(self, tokens: Tensor) -> Tensor:
        split: Tensor = tokens.unflatten(-1, (self.heads, -1)).transpose(1, 2)
        return split


def _feed_forward(width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
    )


class _QFormerLayer(nn.Module):
    """Queries look at each other, then at the source (BLIP-2, Li et al. 2023)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.among = _Attention(width, heads)
        self.across = _Attention(width, heads)
        self.feed_forward = _feed_forward(width)

    def forward(self, queries: Tensor, source: Tensor, mask: Tensor | None) -> Tensor:
        normed = self.norms[0](queries)
        queries = queries + self.among(normed, normed)
        queries = queries + self.across(self.norms[1](queries), source, mask)
        fed: Tensor = self.feed_forward(queries)
        return queries + fed


class _ResamplerLayer(nn.Module):
    """Latents look at source and latents together (Flamingo's Perceiver resampler, Alayrac et al.
    2022).
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.across = _Attention(width, heads)
        self.feed_forward = _feed_forward(width)

    def forward(self, queries: Tensor, source: Tensor, mask: Tensor | None) -> Tensor:
        latents = self.norms[0](queries)
        both = torch.cat((self.norms[1](source), latents), dim=1)
        if mask is not None:
            mask = torch.cat((mask, mask.new_ones(mask.shape[0], latents.shape[1])), dim=1)
        queries = queries + self.across(latents, both, mask)
        fed: Tensor = self.feed_forward(queries)
        return queries + fed


class _Queries(nn.Module):
    layer: type[_QFormerLayer] | type[_ResamplerLayer]

    def __init__(self, config: ConnectorConfig) -> None:
        super().__init__()
        self.queries = nn.Parameter(torch.randn(config.tokens, config.width) * 0.02)
        self.enter = nn.Linear(config.source, config.width)
        self.layers = nn.ModuleList(
            self.layer(config.width, config.heads) for _ in range(config.layers)
        )
        self.leave = nn.Sequential(
            nn.LayerNorm(config.width), nn.Linear(config.width, config.hidden)
        )

    def forward(self, source: Tensor, mask: Tensor | None) -> Tensor:
        entered = self.enter(source)
        queries = self.queries.expand(source.shape[0], -1, -1)
        for layer in self.layers:
            queries = layer(queries, entered, mask)
        out: Tensor = self.leave(queries)
        return out


class _QFormer(_Queries):
    layer = _QFormerLayer


class _Resampler(_Queries):
    layer = _ResamplerLayer


def _spread(projected: Tensor, tokens: int) -> Tensor:
    """(B, T, K * hidden) to (B, T * K, hidden)."""
    spread: Tensor = projected.unflatten(-1, (tokens, -1)).flatten(1, 2)
    return spread

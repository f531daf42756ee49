"""What connectors are made of: each takes tokens (B, T, source), a mask (B, T) and the place of
each row's modality (B,), and gives soft tokens (B, K, hidden).

Linear (PandaGPT, Su et al. 2023), two layers (LLaVA-1.5, Liu et al. 2023), Q-Former (BLIP-2, Li et
al. 2023), Perceiver resampler (Flamingo, Alayrac et al. 2022; ChatBridge, Zhao et al. 2023), and
the universal projection module (OneLLM, Han et al. 2024).
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

if TYPE_CHECKING:
    from hub.connectors import ConnectorConfig


class Linear(nn.Module):
    """One linear layer, K tokens for each vector."""

    def __init__(self, config: "ConnectorConfig") -> None:
        super().__init__()
        self.tokens = config.tokens
        self.project = nn.Linear(config.source, config.tokens * config.hidden)

    @property
    def last(self) -> nn.Linear:
        """The layer that writes the soft tokens."""
        return self.project

    def forward(self, source: Tensor, mask: Tensor | None, of: Tensor) -> Tensor:
        """(B, T, source) to (B, T * K, hidden)."""
        del mask, of
        projected: Tensor = self.project(source)
        return _spread(projected, self.tokens)


class Mlp(nn.Module):
    """Two layers, K tokens for each vector."""

    def __init__(self, config: "ConnectorConfig") -> None:
        super().__init__()
        self.tokens = config.tokens
        self.project = nn.Sequential(
            nn.Linear(config.source, config.width),
            nn.GELU(),
            nn.Linear(config.width, config.tokens * config.hidden),
        )

    @property
    def last(self) -> nn.Module:
        """The layer that writes the soft tokens."""
        return self.project[2]

    def forward(self, source: Tensor, mask: Tensor | None, of: Tensor) -> Tensor:
        """(B, T, source) to (B, T * K, hidden)."""
        del mask, of
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
    """Queries look at each other, then at the source."""

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
    """Latents look at source and latents together."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.across = _Attention(width, heads)
        self.feed_forward = _feed_forward(width)

    def forward(self, queries: Tensor, source: Tensor, mask: Tensor | None) -> Tensor:
        latents = self.norms[0](queries)
        both = torch.cat((self.norms[1](source), latents), dim=1)
        queries = queries + self.across(latents, both, _with_queries(mask, queries, after=True))
        fed: Tensor = self.feed_forward(queries)
        return queries + fed


class _Queries(nn.Module):
    layer: type[_QFormerLayer] | type[_ResamplerLayer]

    def __init__(self, config: "ConnectorConfig") -> None:
        super().__init__()
        self.queries = nn.Parameter(torch.randn(config.tokens, config.width) * 0.02)
        self.enter = nn.Linear(config.source, config.width)
        self.layers = nn.ModuleList(
            self.layer(config.width, config.heads) for _ in range(config.layers)
        )
        self.leave = nn.Sequential(
            nn.LayerNorm(config.width), nn.Linear(config.width, config.hidden)
        )

    @property
    def last(self) -> nn.Module:
        """The layer that writes the soft tokens."""
        return self.leave[1]

    def forward(self, source: Tensor, mask: Tensor | None, of: Tensor) -> Tensor:
        """(B, T, source) to (B, K, hidden)."""
        del of
        entered = self.enter(source)
        queries = self.queries.expand(source.shape[0], -1, -1)
        for layer in self.layers:
            queries = layer(queries, entered, mask)
        out: Tensor = self.leave(queries)
        return out


class QFormer(_Queries):
    """Queries that look at each other and, across, at the source; then one linear layer."""

    layer = _QFormerLayer


class Resampler(_Queries):
    """Latents that look at the source and themselves; then one linear layer."""

    layer = _ResamplerLayer


class _ExpertLayer(nn.Module):
    """A plain block: all tokens look at all tokens."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.among = _Attention(width, heads)
        self.feed_forward = _feed_forward(width)

    def forward(self, tokens: Tensor, mask: Tensor | None) -> Tensor:
        normed = self.norm(tokens)
        tokens = tokens + self.among(normed, normed, mask)
        fed: Tensor = self.feed_forward(tokens)
        return tokens + fed


class Mixture(nn.Module):
    """The universal projection module: K queries of the row's modality and its tokens go through
    every expert; a router looks at their mean and weighs what the experts say by a softmax. The
    queries are what is kept.
    """

    def __init__(self, config: "ConnectorConfig") -> None:
        super().__init__()
        kinds = max(1, len(config.modalities))
        self.queries = nn.Parameter(torch.randn(kinds, config.tokens, config.width) * 0.02)
        self.enter = nn.Linear(config.source, config.width)
        self.experts = nn.ModuleList(
            nn.ModuleList(_ExpertLayer(config.width, config.heads) for _ in range(config.layers))
            for _ in range(config.experts)
        )
        self.router = nn.Sequential(
            nn.Linear(config.width, config.width),
            nn.GELU(),
            nn.Linear(config.width, config.experts),
        )
        self.leave = nn.Sequential(
            nn.LayerNorm(config.width), nn.Linear(config.width, config.hidden)
        )

    @property
    def last(self) -> nn.Module:
        """The layer that writes the soft tokens."""
        return self.leave[1]

    def forward(self, source: Tensor, mask: Tensor | None, of: Tensor) -> Tensor:
        """(B, T, source) to (B, K, hidden)."""
        queries = self.queries[of]
        tokens = torch.cat((queries, self.enter(source)), dim=1)
        mask = _with_queries(mask, queries, after=False)
        said = []
        for expert in self.experts:
            spoken = tokens
            for layer in expert:  # type: ignore[attr-defined]
                spoken = layer(spoken, mask)
            said.append(spoken[:, : queries.shape[1]])
        mixed = torch.einsum("be,ebkw->bkw", self.weights(tokens, mask), torch.stack(said))
        out: Tensor = self.leave(mixed)
        return out

    def weights(self, tokens: Tensor, mask: Tensor | None) -> Tensor:
        """The share of each expert, (B, experts); shares add up to 1."""
        counts = tokens.new_ones(tokens.shape[:2]) if mask is None else mask.to(tokens.dtype)
        mean = (tokens * counts[..., None]).sum(1) / counts.sum(1, keepdim=True)
        return torch.softmax(self.router(mean), dim=-1)


class Apart(nn.Module):
    """A connector of its own for each modality."""

    def __init__(self, parts: Iterable[nn.Module]) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)

    def forward(self, source: Tensor, mask: Tensor | None, of: Tensor) -> Tensor:
        """Each row goes through the connector of its modality."""
        rows: list[Tensor | None] = [None] * len(source)
        for place, part in enumerate(self.parts):
            mine = (of == place).nonzero()[:, 0]
            if len(mine):
                said = part(source[mine], None if mask is None else mask[mine], of[mine])
                for row, tokens in zip(mine.tolist(), said, strict=True):
                    rows[row] = tokens
        return torch.stack([row for row in rows if row is not None])


def _with_queries(mask: Tensor | None, queries: Tensor, *, after: bool) -> Tensor | None:
    """The mask of source tokens with places for the queries, which always count."""
    if mask is None:
        return None
    ours = mask.new_ones(mask.shape[0], queries.shape[1])
    return torch.cat((mask, ours) if after else (ours, mask), dim=1)


def _spread(projected: Tensor, tokens: int) -> Tensor:
    """(B, T, K * hidden) to (B, T * K, hidden)."""
    spread: Tensor = projected.unflatten(-1, (tokens, -1)).flatten(1, 2)
    return spread

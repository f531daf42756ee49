"""The Transformer of every ImageBind tower: pre-norm blocks, fused projections, optional learned
key and value.

Parameter names are those of the published checkpoint.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from encoders.imagebind.configuration import ImageBindTowerConfig

NORM_EPS = 1e-6


class Attention(nn.Module):
    """Multi-head self-attention over (B, L, D); `bias_kv` appends one learned key and value."""

    def __init__(self, width: int, heads: int, bias_kv: bool) -> None:
        super().__init__()
        self.heads = heads
        self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.bias_k = nn.Parameter(torch.empty(1, 1, width)) if bias_kv else None
        self.bias_v = nn.Parameter(torch.empty(1, 1, width)) if bias_kv else None
        self.out_proj = nn.Linear(width, width)

    def forward(self, tokens: Tensor, causal: bool) -> Tensor:
        batch, length, width = tokens.shape
        query, key, value = F.linear(tokens, self.in_proj_weight, self.in_proj_bias).chunk(
            3, dim=-1
        )
        if self.bias_k is not None and self.bias_v is not None:
            key = torch.cat([key, self.bias_k.to(key.dtype).expand(batch, 1, width)], dim=1)
            value = torch.cat([value, self.bias_v.to(value.dtype).expand(batch, 1, width)], dim=1)
        mixed = self._mix(self._split(query), self._split(key), self._split(value), causal)
        out: Tensor = self.out_proj(mixed.transpose(1, 2).reshape(batch, length, width))
        return out

    def _mix(self, query: Tensor, key: Tensor, value: Tensor, causal: bool) -> Tensor:
        # On CPUs the backward pass of the fused kernel takes longer than all the rest of a small
        # tower.
        if self.training and query.device.type == "cpu":
            scores = (query * query.shape[-1] ** -0.5) @ key.transpose(-1, -2)
            if causal:
                above = torch.ones(scores.shape[-2:], dtype=torch.bool).triu_(1)
                scores = scores.masked_fill(above, float("-inf"))
            mixed: Tensor = scores.softmax(dim=-1).to(value.dtype) @ value
            return mixed
        return F.scaled_dot_product_attention(query, key, value, is_causal=causal)

    def _split(self, x: Tensor) -> Tensor:
        batch, length, width = x.shape
        return x.view(batch, length, self.heads, width // self.heads).transpose(1, 2)


class Mlp(nn.Module):
    """Two linear layers around a GELU, four times as wide inside."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, 4 * width)
        self.fc2 = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.fc2(F.gelu(self.fc1(x)))
        return out


def drop_path(x: Tensor, chance: float, training: bool) -> Tensor:
    """Zero the whole residual of some samples (stochastic depth, Huang et al., 2016)."""
    if chance == 0.0 or not training:
        return x
    keep = torch.rand(x.shape[0], 1, 1, device=x.device) >= chance
    return x * keep.to(x.dtype) / (1.0 - chance)


class Block(nn.Module):
    """Attention, then MLP, each behind its norm and added to the stream."""

    def __init__(self, width: int, heads: int, bias_kv: bool, chance_to_drop: float) -> None:
        super().__init__()
        self.attn = Attention(width, heads, bias_kv)
        self.norm_1 = nn.LayerNorm(width, eps=NORM_EPS)
        self.mlp = Mlp(width)
        self.norm_2 = nn.LayerNorm(width, eps=NORM_EPS)
        self.chance_to_drop = chance_to_drop

    def forward(self, tokens: Tensor, causal: bool) -> Tensor:
        mixed = self.attn(self.norm_1(tokens), causal)
        tokens = tokens + drop_path(mixed, self.chance_to_drop, self.training)
        return tokens + drop_path(self.mlp(self.norm_2(tokens)), self.chance_to_drop, self.training)


class Trunk(nn.Module):
    """The blocks of one tower: (B, L, D) to (B, L, D)."""

    def __init__(self, config: ImageBindTowerConfig, causal: bool) -> None:
        super().__init__()
        width, depth = config.hidden_size, config.num_hidden_layers
        self.causal = causal
        first = nn.LayerNorm(width, eps=NORM_EPS) if config.pre_norm else nn.Identity()
        self.pre_transformer_layer = nn.Sequential(first)
        drops = torch.linspace(0, config.drop_path, depth, device="cpu").tolist()
        self.blocks = nn.ModuleList(
            Block(width, config.num_attention_heads, config.bias_kv, drop) for drop in drops
        )

    def forward(self, tokens: Tensor) -> Tensor:
        tokens = self.pre_transformer_layer(tokens)
        for block in self.blocks:
            tokens = block(tokens, self.causal)
        return tokens

"""From tokens to one vector in the shared space, and its scale.

Parameter names are those of the published checkpoint (`modality_heads.*`,
`modality_postprocessors.*`).
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from encoders.imagebind.configuration import ImageBindTowerConfig
from encoders.imagebind.layers import NORM_EPS

MAX_LOGIT_SCALE = 100.0


class FirstToken(nn.Module):
    """The class token of (B, L, D)."""

    def forward(self, tokens: Tensor) -> Tensor:
        return tokens[:, 0]


class EndTokenHead(nn.Module):
    """Projects the token at the end of the text: the place of the highest id."""

    def __init__(self, width: int, out: int) -> None:
        super().__init__()
        norm = nn.LayerNorm(width, eps=NORM_EPS)
        self.proj = nn.Sequential(norm, nn.Linear(width, out, bias=False))

    def forward(self, tokens: Tensor, ids: Tensor) -> Tensor:
        ends = tokens[torch.arange(len(ids), device=ids.device), ids.argmax(dim=-1)]
        out: Tensor = self.proj(ends)
        return out


def class_token_head(width: int, out: int, dropout: float | None = None) -> nn.Sequential:
    """Norm, class token, perhaps dropout, projection; a dropout moves the projection's number, as
    published.
    """
    middle = [] if dropout is None else [nn.Dropout(dropout)]
    norm = nn.LayerNorm(width, eps=NORM_EPS)
    return nn.Sequential(norm, FirstToken(), *middle, nn.Linear(width, out, bias=False))


class Unit(nn.Module):
    """Onto the unit sphere."""

    def forward(self, x: Tensor) -> Tensor:
        return F.normalize(x, dim=-1)


class LogitScale(nn.Module):
    """A factor kept as its logarithm, learned or fixed, 100 at most."""

    log_logit_scale: Tensor

    def __init__(self, scale: float, learned: bool) -> None:
        super().__init__()
        self.initial = math.log(scale)
        value = torch.full([], self.initial)
        if learned:
            self.log_logit_scale = nn.Parameter(value)
        else:
            self.register_buffer("log_logit_scale", value)

    def forward(self, x: Tensor) -> Tensor:
        return self.log_logit_scale.exp().clamp(max=MAX_LOGIT_SCALE) * x


def postprocessor(config: ImageBindTowerConfig) -> nn.Module:
    """Unit length, then the tower's scale if it has one."""
    if config.logit_scale is None:
        return Unit()
    return nn.Sequential(Unit(), LogitScale(config.logit_scale, config.learn_logit_scale))

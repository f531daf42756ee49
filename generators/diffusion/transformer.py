"""The starter generator's network: a transformer over pixel patches that predicts the clean
picture.

A diffusion transformer (DiT, Peebles & Xie 2023, https://arxiv.org/abs/2212.09748) without a latent
space: patches of pixels are its tokens, and it predicts the clean picture instead of noise or
velocity (Li & He 2025, "Back to Basics", https://arxiv.org/abs/2511.13720). Time, words and a
shared-space embedding modulate each block through adaLN-zero, squeezed through a narrow layer so
that modulation does not take a third of the weights.
"""

import math

import torch
import torch.nn.functional as functional
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn


class PixelTransformer(ModelMixin, ConfigMixin):  # type: ignore[misc]
    """Predicts the clean picture from a noisy one, its time, and any of two conditions.

    Args:
        sample_size: side of the square picture in pixels; a multiple of `patch_size`.
        patch_size: side of a patch in pixels.
        width: features of a token.
        depth: number of blocks.
        heads: attention heads; divides `width`.
        condition_width: features of the condition that modulates the blocks.
        text_dim: features of the pooled words.
        embed_dim: features of the shared-space embedding (a unit vector).
        embed_slots: meanings that an embedding can be recognised as, see `SlotLookup`.
        embed_space: name of that space.
    """

    _supports_gradient_checkpointing = False

    @register_to_config  # type: ignore[untyped-decorator]
    def __init__(
        self,
        sample_size: int = 64,
        patch_size: int = 8,
        in_channels: int = 3,
        width: int = 256,
        depth: int = 7,
        heads: int = 4,
        condition_width: int = 128,
        text_dim: int = 128,
        embed_dim: int = 256,
        embed_slots: int = 160,
        embed_space: str = "",
    ) -> None:
        super().__init__()
        self.embed_dim = embed_dim
        self.patch_size = patch_size
        patch = in_channels * patch_size * patch_size
        side = sample_size // patch_size
        self.patch_in = nn.Linear(patch, width)
        self.position = nn.Parameter(grid_positions(side, width))
        self.time_in = ConditionMlp(width, width)
        self.text_in = ConditionMlp(text_dim, width)
        self.embed_in = SlotLookup(embed_dim, width, embed_slots)
        self.no_text = nn.Parameter(torch.zeros(width))
        self.no_embed = nn.Parameter(torch.zeros(width))
        self.squeeze = nn.Linear(width, condition_width)
        self.blocks = nn.ModuleList(Block(width, heads, condition_width) for _ in range(depth))
        self.modulate_out = zero_linear(condition_width, 2 * width)
        self.patch_out = zero_linear(width, patch)

    def forward(
        self,
        sample: Tensor,
        timestep: Tensor,
        *,
        text: Tensor | None = None,
        text_kept: Tensor | None = None,
        embeds: Tensor | None = None,
        embeds_kept: Tensor | None = None,
    ) -> Tensor:
        """The clean picture that the network expects behind the noise.

        Args:
            sample: noisy pictures (B, C, S, S), roughly in [-1, 1] plus noise.
            timestep: (B,) in [0, 1000]; 1000 is pure noise.
            text: pooled words (B, text_dim), or None for "no words".
            text_kept: bool (B,); False replaces that item's words by "no words".
            embeds: unit vectors (B, embed_dim), or None for "no embedding".
            embeds_kept: bool (B,); False replaces that item's embedding by "no embedding".

        Returns:
            (B, C, S, S), roughly in [-1, 1].
        """
        batch = sample.shape[0]
        condition = self.time_in(time_features(timestep, self.config.width).to(sample.dtype))
        scaled = None if embeds is None else embeds * math.sqrt(self.embed_dim)
        condition = condition + self._or_none(self.text_in, text, text_kept, self.no_text, batch)
        condition = condition + self._or_none(
            self.embed_in, scaled, embeds_kept, self.no_embed, batch
        )
        condition = functional.silu(self.squeeze(functional.silu(condition)))

        tokens = self.patch_in(self._to_patches(sample)) + self.position
        for block in self.blocks:
            tokens = block(tokens, condition)
        shift, scale = self.modulate_out(condition).unsqueeze(1).chunk(2, dim=-1)
        return self._to_picture(self.patch_out(normed(tokens) * (1 + scale) + shift))

    @staticmethod
    def _or_none(
        project: nn.Module, value: Tensor | None, kept: Tensor | None, nothing: Tensor, batch: int
    ) -> Tensor:
        if value is None:
            return nothing.expand(batch, -1)
        features: Tensor = project(value)
        if kept is None:
            return features
        return torch.where(kept[:, None], features, nothing.to(features.dtype))

    def _to_patches(self, sample: Tensor) -> Tensor:
        side = self.patch_size
        return functional.pixel_unshuffle(sample, side).flatten(2).transpose(1, 2)

    def _to_picture(self, patches: Tensor) -> Tensor:
        side = math.isqrt(patches.shape[1])
        grid = patches.transpose(1, 2).unflatten(2, (side, side))
        picture: Tensor = functional.pixel_shuffle(grid, self.patch_size)
        return picture


class Block(nn.Module):
    """Attention and MLP, each shifted, scaled and gated by the condition; the gates start at
    zero.
    """

    def __init__(self, width: int, heads: int, condition_width: int) -> None:
        super().__init__()
        self.heads = heads
        self.scale = (width // heads) ** -0.5
        self.modulate = zero_linear(condition_width, 6 * width)
        self.qkv = nn.Linear(width, 3 * width)
        self.attention_out = nn.Linear(width, width)
        self.mlp_in = nn.Linear(width, 4 * width)
        self.mlp_out = nn.Linear(4 * width, width)

    def forward(self, tokens: Tensor, condition: Tensor) -> Tensor:
        """Tokens (B, N, width) and condition (B, condition_width) to tokens (B, N, width)."""
        changes = self.modulate(condition).unsqueeze(1).chunk(6, dim=-1)
        shift, scale, gate, shift_mlp, scale_mlp, gate_mlp = changes
        tokens = tokens + gate * self._attend(normed(tokens) * (1 + scale) + shift)
        hidden = functional.relu(self.mlp_in(normed(tokens) * (1 + scale_mlp) + shift_mlp)).square()
        out: Tensor = tokens + gate_mlp * self.mlp_out(hidden)
        return out

    def _attend(self, tokens: Tensor) -> Tensor:
        query, key, value = (
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part in self.qkv(tokens).chunk(3, dim=-1)
        )
        # Plain products: for 64 tokens they are several times faster on a CPU than the fused
        # kernel.
        weights = torch.softmax(query @ key.transpose(-2, -1) * self.scale, dim=-1)
        mixed = weights @ value
        out: Tensor = self.attention_out(mixed.transpose(1, 2).flatten(2))
        return out


class ConditionMlp(nn.Module):
    """Brings one condition to the width of the tokens."""

    def __init__(self, given: int, width: int) -> None:
        super().__init__()
        self.first = nn.Linear(given, width)
        self.second = nn.Linear(width, width)

    def forward(self, value: Tensor) -> Tensor:
        """(B, given) to (B, width)."""
        out: Tensor = self.second(functional.silu(self.first(value)))
        return out


class SlotLookup(nn.Module):
    """Recognises what an embedding means, then recalls the condition of that meaning.

    Attention over learned slots, nearly hard: an embedding between two meanings is taken for the
    likelier one. A plain projection draws a blur of both instead, and the embeddings of a small
    encoder often lie in between.
    """

    def __init__(self, given: int, width: int, slots: int) -> None:
        super().__init__()
        self.keys = nn.Linear(given, slots)
        self.values = nn.Linear(slots, width, bias=False)

    def forward(self, value: Tensor) -> Tensor:
        """(B, given) to (B, width)."""
        out: Tensor = self.values(torch.softmax(self.keys(value), dim=-1))
        return out


def zero_linear(given: int, wanted: int) -> nn.Linear:
    """A linear layer that starts as zero."""
    layer = nn.Linear(given, wanted)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def normed(tokens: Tensor) -> Tensor:
    """Layer norm without learned scale or shift."""
    return functional.layer_norm(tokens, tokens.shape[-1:], eps=1e-6)


def time_features(timestep: Tensor, width: int) -> Tensor:
    """Sines and cosines of times in [0, 1000]: (B,) to float32 (B, width)."""
    half = width // 2
    rates = torch.exp(-math.log(10_000) * torch.arange(half, device=timestep.device) / half)
    angles = timestep.float()[:, None] * rates
    return torch.cat([angles.cos(), angles.sin()], dim=-1)


def grid_positions(side: int, width: int) -> Tensor:
    """Sines and cosines of row and column: (side * side, width), the start of the learned
    positions.
    """
    quarter = width // 4
    rates = 1.0 / 10_000 ** (torch.arange(quarter) / quarter)
    waves = torch.arange(side)[:, None] * rates
    line = torch.cat([waves.sin(), waves.cos()], dim=-1)
    rows = line[:, None].expand(side, side, -1)
    columns = line[None, :].expand(side, side, -1)
    return torch.cat([rows, columns], dim=-1).reshape(side * side, width)

"""From raw tensors to tokens: the stem of each tower, with its class token and learned places.

Parameter names are those of the published checkpoint (`modality_preprocessors.*`).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from encoders.imagebind.configuration import (
    AudioTowerConfig,
    DepthTowerConfig,
    ImuTowerConfig,
    TextTowerConfig,
    ThermalTowerConfig,
    VisionTowerConfig,
)


def pair(size: int | list[int] | tuple[int, ...]) -> tuple[int, int]:
    """One number for both directions, or (rows, columns)."""
    return (size, size) if isinstance(size, int) else (size[0], size[1])


class Still(nn.Module):
    """Turns a picture (B, C, H, W) into a clip (B, C, frames, H, W) by repeating it; a clip
    passes.
    """

    def __init__(self, frames: int) -> None:
        super().__init__()
        self.frames = frames

    def forward(self, x: Tensor) -> Tensor:
        if x.ndim == 4:
            x = x.unsqueeze(2)
        return x.repeat(1, 1, self.frames, 1, 1) if x.shape[2] == 1 else x


class Residual(nn.Module):
    """Two 3x3 convolutions around which the input passes (He et al., 2016)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first, self.second = convolution(channels, channels), convolution(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.second(F.relu(self.first(x))))


def convolution(channels_in: int, channels: int, stride: int = 1) -> nn.Sequential:
    """A 3x3 convolution and its norm."""
    conv = nn.Conv2d(channels_in, channels, 3, stride=stride, padding=1, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(channels))


def early_convolutions(
    channels_in: int, channels: Sequence[int], blocks: int | Sequence[int]
) -> nn.Module | None:
    """Halves height and width once for each number of channels, `blocks` residual blocks behind
    each.

    None when there are no channels, as in the published model.
    """
    layers: list[nn.Module] = []
    each = [blocks] * len(channels) if isinstance(blocks, int) else blocks
    for out, count in zip(channels, each, strict=True):
        layers += [convolution(channels_in, out, stride=2), nn.ReLU()]
        layers += [Residual(out) for _ in range(count)]
        channels_in = out
    return nn.Sequential(*layers) if layers else None


class Patches(nn.Module):
    """A convolution whose stride cuts patches, flattened to (B, patches, D), then perhaps a norm.

    `early` runs on each frame before it and is absent in the published model.
    """

    def __init__(
        self, proj: nn.Module, norm_layer: nn.Module | None, early: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.proj = proj
        self.norm_layer = norm_layer
        self.early = early

    def forward(self, x: Tensor) -> Tensor:
        if self.early is not None:
            frames = x.transpose(1, 2).flatten(0, 1) if x.ndim == 5 else x
            mapped: Tensor = self.early(frames.contiguous(memory_format=torch.channels_last))
            x = mapped.unflatten(0, (len(x), -1)).transpose(1, 2) if x.ndim == 5 else mapped
        tokens: Tensor = self.proj(x).flatten(2).transpose(1, 2)
        return tokens if self.norm_layer is None else self.norm_layer(tokens)


class Places(nn.Module):
    """Holds the learned places of a class token and the patches."""

    def __init__(self, patches: int, width: int) -> None:
        super().__init__()
        self.pos_embed = nn.Parameter(torch.empty(1, 1 + patches, width))


class PatchStem(nn.Module):
    """Pictures, clips, spectrograms: patches behind a class token, plus places."""

    def __init__(
        self, stem: Patches, name: str, patches: int, width: int, shape: tuple[int, ...]
    ) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(torch.empty(1, 1, width))
        self.stem_name = name
        self.shape = shape
        self.add_module(name, stem)
        self.pos_embedding_helper = Places(patches, width)

    def forward(self, x: Tensor) -> Tensor:
        if tuple(x.shape[-len(self.shape) :]) != self.shape:
            raise ValueError(f"this tower takes (..., {self.shape}), got {tuple(x.shape)}")
        tokens = self.get_submodule(self.stem_name)(x)
        tokens = torch.cat([self.cls_token.to(tokens.dtype).expand(len(x), -1, -1), tokens], dim=1)
        return tokens + self.pos_embedding_helper.pos_embed


class TextStem(nn.Module):
    """Token ids (B, L) to (B, L, D). The mask is kept only because the checkpoint holds it."""

    mask: Tensor

    def __init__(self, config: TextTowerConfig) -> None:
        super().__init__()
        length, width = config.context_length, config.hidden_size
        self.token_embedding = nn.Embedding(config.vocab_size, width)
        self.pos_embed = nn.Parameter(torch.empty(1, length, width))
        self.register_buffer("mask", causal_mask(length))

    def forward(self, ids: Tensor) -> Tensor:
        if ids.shape[1] > self.pos_embed.shape[1]:
            raise ValueError(
                f"a text has at most {self.pos_embed.shape[1]} tokens, got {ids.shape[1]}"
            )
        tokens: Tensor = self.token_embedding(ids) + self.pos_embed[:, : ids.shape[1]]
        return tokens


def causal_mask(length: int) -> Tensor:
    """(L, L): zero where a token may look, minus infinity above the diagonal."""
    return torch.full((length, length), float("-inf")).triu_(1)


class ImuStem(nn.Module):
    """Series (B, channels, steps): each piece of `kernel_size` steps becomes one token."""

    def __init__(self, config: ImuTowerConfig) -> None:
        super().__init__()
        width = config.hidden_size
        self.kernel_size = config.kernel_size
        self.cls_token = nn.Parameter(torch.empty(1, 1, width))
        self.pos_embed = nn.Parameter(torch.empty(1, 1 + config.steps // config.kernel_size, width))
        proj = nn.Linear(config.channels * config.kernel_size, width, bias=False)
        self.imu_stem = nn.ModuleDict({"proj": proj, "norm_layer": nn.LayerNorm(width)})

    def forward(self, x: Tensor) -> Tensor:
        pieces = x.unfold(-1, self.kernel_size, self.kernel_size).permute(0, 2, 1, 3).flatten(2)
        tokens = self.imu_stem["norm_layer"](self.imu_stem["proj"](pieces))
        tokens = torch.cat([self.cls_token.to(tokens.dtype).expand(len(x), -1, -1), tokens], dim=1)
        return tokens + self.pos_embed


def vision_stem(config: VisionTowerConfig) -> PatchStem:
    """Patches over space and the whole short time of a clip."""
    size, patch, frames = config.image_size, config.patch_size, config.frames
    kernel, early = (frames, patch, patch), config.stem_channels
    channels = early[-1] if early else 3
    conv = nn.Conv3d(channels, config.hidden_size, kernel, stride=kernel, bias=False)
    stem = Patches(
        nn.Sequential(Still(frames), conv), None, early_convolutions(3, early, config.stem_blocks)
    )
    patches = (halved(size, len(early)) // patch) ** 2
    return PatchStem(stem, "rgbt_stem", patches, config.hidden_size, (size, size))


def halved(size: int, times: int) -> int:
    """What convolutions of stride 2 and padding 1 leave of a side."""
    for _ in range(times):
        size = (size + 1) // 2
    return size


def audio_stem(config: AudioTowerConfig) -> PatchStem:
    """Overlapping patches of a log-mel picture."""
    kernel, stride = pair(config.patch_size), pair(config.stride)
    width, early = config.hidden_size, config.stem_channels
    conv = nn.Conv2d(early[-1] if early else 1, width, kernel, stride=stride, bias=False)
    shape = (config.mel_bins, config.target_length)
    patches = 1
    for size, k, s in zip(shape, kernel, stride, strict=True):
        patches *= (halved(size, len(early)) - k) // s + 1
    stem = Patches(conv, nn.LayerNorm(width), early_convolutions(1, early, config.stem_blocks))
    return PatchStem(stem, "rgbt_stem", patches, width, (1, *shape))


def plane_stem(config: DepthTowerConfig | ThermalTowerConfig, name: str) -> PatchStem:
    """Patches of a one-channel picture."""
    size, patch, width = config.image_size, config.patch_size, config.hidden_size
    conv = nn.Conv2d(1, width, patch, stride=patch, bias=False)
    stem = Patches(conv, nn.LayerNorm(width))
    return PatchStem(stem, name, (size // patch) ** 2, width, (1, size, size))

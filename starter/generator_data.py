"""What the generator learns from: clean pictures of two vendors, and a bank of conditions for each
concept.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as functional
from torch import Tensor

from starter.pictures import GENERATOR_VENDORS, load_vendor

SIZE = 64


@dataclass(frozen=True)
class Drawings:
    """Renderings (R, 3, 64, 64) uint8, and which rows show each concept."""

    pixels: Tensor
    rows: list[Tensor]

    def draw(self, labels: Tensor, dice: torch.Generator) -> Tensor:
        """One random rendering per label: (B, 3, 64, 64) float32 in [-1, 1]."""
        picks = [
            self.rows[label][torch.randint(len(self.rows[label]), (), generator=dice)]
            for label in labels.tolist()
        ]
        return self.pixels[torch.stack(picks)].float() / 127.5 - 1


def render(variants: int = 12, seed: int = 0) -> Drawings:
    """Each drawing on white, `variants` times: the first as it is, the others a little moved and
    resized.
    """
    dice = torch.Generator().manual_seed(seed)
    pixels: list[Tensor] = []
    labels: list[Tensor] = []
    for vendor in GENERATOR_VENDORS:
        rgba, present = load_vendor(vendor)
        label = present.nonzero().flatten()
        for variant in range(variants):
            pixels.append(moved(rgba[present], dice, still=variant == 0))
            labels.append(label)
    label = torch.cat(labels)
    rows = [(label == concept).nonzero().flatten() for concept in range(int(label.max()) + 1)]
    return Drawings(torch.cat(pixels), rows)


def moved(rgba: Tensor, dice: torch.Generator, *, still: bool) -> Tensor:
    """(B, 4, 128, 128) straight alpha to (B, 3, 64, 64) uint8 on white; 0.86 to 1.0 of the size,
    near the middle.
    """
    count = len(rgba)
    alpha = rgba[:, 3:].float() / 255
    both = torch.cat([rgba[:, :3].float() / 255 * alpha, alpha], dim=1)
    scale = torch.full((count,), 0.94)
    shift = torch.zeros(count, 2)
    if not still:
        scale = 0.86 + 0.14 * torch.rand(count, generator=dice)
        shift = (torch.rand(count, 2, generator=dice) * 2 - 1) * 0.05
    theta = torch.zeros(count, 2, 3)
    theta[:, 0, 0] = theta[:, 1, 1] = 1 / scale
    theta[:, :, 2] = -shift / scale[:, None]
    grid = functional.affine_grid(theta, list(both.shape), align_corners=False)
    both = functional.grid_sample(both, grid, align_corners=False, padding_mode="zeros")
    both = functional.adaptive_avg_pool2d(both, SIZE)
    return ((both[:, :3] + 1 - both[:, 3:]).clamp(0, 1) * 255).round().to(torch.uint8)


@dataclass(frozen=True)
class Bank:
    """Many unit vectors of the shared space for each concept, one array (concepts, K, d) per kind
    of source.
    """

    kinds: dict[str, Tensor]

    def draw(self, labels: Tensor, dice: torch.Generator, noise: float = 2.5) -> Tensor:
        """One vector per label, (B, d), unit length: of one source or between two, then shaken.

        The noise is up to 2.5 times as long as the vector: sounds lie that far from the pictures
        and names that they mean (their cosine is about 0.4), and are recognised better for it.
        """
        first, second = self._pick(labels, dice), self._pick(labels, dice)
        mix = torch.rand(len(labels), 1, generator=dice)
        mix = torch.where(
            torch.rand(len(labels), 1, generator=dice) < 0.6, torch.ones_like(mix), mix
        )
        vector = mix * first + (1 - mix) * second
        strength = noise * torch.rand(len(labels), 1, generator=dice)
        shake = functional.normalize(torch.randn(vector.shape, generator=dice), dim=-1)
        return functional.normalize(functional.normalize(vector, dim=-1) + strength * shake, dim=-1)

    def _pick(self, labels: Tensor, dice: torch.Generator) -> Tensor:
        names = list(self.kinds)
        kinds = torch.randint(len(names), (len(labels),), generator=dice)
        out = torch.empty(len(labels), self.kinds[names[0]].shape[-1])
        for index, name in enumerate(names):
            chosen = kinds == index
            bank = self.kinds[name]
            places = torch.randint(bank.shape[1], (int(chosen.sum()),), generator=dice)
            out[chosen] = bank[labels[chosen], places]
        return out


def load_bank(path: Path) -> Bank:
    """The bank that `starter.generator_embeddings` wrote."""
    with np.load(path) as data:
        return Bank({name: torch.from_numpy(data[name]).float() for name in data.files})

"""What lies behind the drawings in training: plain, soft, patterned and busy backgrounds."""

import torch
from torch import Tensor
from torch.nn import functional as F

from starter.scenes import cut_scenes


class Dice:
    """Random tensors shaped to broadcast over a batch of pictures."""

    def __init__(self, count: int, generator: torch.Generator | None) -> None:
        self.count = count
        self.generator = generator

    def uniform(self, channels: int = 1, low: float = 0.0, high: float = 1.0) -> Tensor:
        """(B, channels, 1, 1) uniform in low..high."""
        value = torch.rand(self.count, channels, 1, 1, generator=self.generator)
        return low + (high - low) * value

    def chance(self, probability: float) -> Tensor:
        """(B, 1, 1, 1) of 0.0 and 1.0, one with this probability."""
        return (self.uniform() < probability).float()

    def noise(self, *shape: int) -> Tensor:
        """(B, *shape) standard normal."""
        return torch.randn(self.count, *shape, generator=self.generator)


def background(size: int, dice: Dice) -> Tensor:
    """Plain colours, gradients, soft noise, stripes and boxes: (B, 3, size, size) in 0..1."""
    first, second = dice.uniform(3), dice.uniform(3)
    axis = torch.linspace(0, 1, size)
    horizontal, vertical = axis.view(1, 1, 1, size), axis.view(1, 1, size, 1)
    angle = dice.uniform(high=6.283)
    ramp = (angle.cos() * (horizontal - 0.5) + angle.sin() * (vertical - 0.5) + 0.5).clamp(0, 1)
    clouds = F.interpolate(dice.noise(1, 5, 5), size=(size, size), mode="bicubic")
    clouds = clouds + 0.5 * F.interpolate(dice.noise(1, 17, 17), size=(size, size), mode="bilinear")
    period = dice.uniform(low=4, high=24)
    phase = dice.uniform()
    stripes = ((vertical * size / period + phase).frac() < 0.35 + 0.3 * phase).float()
    column, row = (horizontal * size / period).floor(), (vertical * size / period).floor()
    boxes = ((column + row) % 2).float()
    kind = dice.uniform()
    mix = torch.where(kind < 0.35, torch.zeros_like(ramp), ramp)
    mix = torch.where(kind > 0.55, (0.5 + 0.35 * clouds).clamp(0, 1), mix)
    mix = torch.where(kind > 0.80, stripes.expand_as(mix), mix)
    mix = torch.where(kind > 0.90, boxes, mix)
    back = first * (1 - mix) + second * mix
    pale = dice.chance(0.35)
    back = back * (1 - pale) + (0.9 + 0.1 * back) * pale
    dark = dice.chance(0.08)
    return back * (1 - dark) + 0.15 * back * dark


def busy_background(size: int, dice: Dice) -> Tensor:
    """The same and, in two of five pictures, a cut of a scene: windows, text, clutter, noise."""
    scene = cut_scenes(dice.count, size, dice.generator)
    return torch.where(dice.chance(0.4) > 0, scene, background(size, dice))

"""The cached emoji pictures as tensors, the split by vendor, and a fast batched augmentation."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from starter.backgrounds import Dice, background, busy_background
from starter.vendors import PICTURES, SIDE

# The split. The encoder trains on TRAIN_VENDORS and never sees HELD_OUT_VENDOR. The generator
# draws GENERATOR_VENDORS (Apache-2.0 and MIT), which the judge of its pictures never sees.
TRAIN_VENDORS = (
    "noto",
    "noto-v1",
    "twemoji",
    "openmoji",
    "emojione",
    "emojione-v1",
    "fluent-emoji",
    "fluent-emoji-flat",
    "fluent-emoji-3d",
    "streamline",
)
HELD_OUT_VENDOR = "fxemoji"
GENERATOR_VENDORS = ("noto", "fluent-emoji-flat")
JUDGE_VENDORS = (
    "twemoji",
    "openmoji",
    "emojione",
    "emojione-v1",
    "noto-v1",
    "fluent-emoji-3d",
    "streamline",
    "fxemoji",
)
# Black line drawings: optional further pictures of the encoder, best with `tint`.
MONO_VENDORS = ("fluent-mono", "emojione-mono", "openmoji-black")


def load_vendor(name: str) -> tuple[Tensor, Tensor]:
    """One vendor's pictures in label order.

    Returns:
        RGBA (concepts, 4, 128, 128) uint8 with straight alpha, and a bool mask (concepts,)
        of those that the vendor has; the others are zeros.

    Raises:
        FileNotFoundError: before `python -m starter.fetch`.
    """
    with np.load(PICTURES / f"{name}.npz") as data:
        return _channels_first(data["rgba"]), torch.from_numpy(data["present"])


def load_vendors(
    names: Sequence[str] = TRAIN_VENDORS, alternates: bool = False, side: int = SIDE
) -> tuple[Tensor, Tensor, Tensor]:
    """All pictures of several vendors as one set, without the absent ones.

    With `alternates`, other emoji of the same thing (`Concept.also`) are appended. With `side`
    64 the pictures come halved, which makes `augment` about twice as fast.

    Returns:
        RGBA (N, 4, side, side) uint8, labels (N,) int64, index into `names` (N,) int64.
    """
    pictures, labels, vendors = [], [], []
    for index, name in enumerate(names):
        with np.load(PICTURES / f"{name}.npz") as data:
            present = data["present"]
            rgba, label = data["rgba"][present], np.flatnonzero(present)
            if alternates:
                rgba = np.concatenate([rgba, data["also_rgba"]])
                label = np.concatenate([label, data["also_label"]])
        pictures.append(_shrink(_channels_first(rgba), side))
        labels.append(torch.from_numpy(label).long())
        vendors.append(torch.full((len(label),), index))
    return torch.cat(pictures), torch.cat(labels), torch.cat(vendors)


def _channels_first(rgba: np.ndarray) -> Tensor:
    return torch.from_numpy(rgba).permute(0, 3, 1, 2).contiguous()


def _shrink(rgba: Tensor, side: int) -> Tensor:
    if side == rgba.shape[-1]:
        return rgba
    colour, alpha = _premultiplied(rgba)
    colour, alpha = (F.adaptive_avg_pool2d(part, side) for part in (colour, alpha))
    straight = colour / alpha.clamp(min=1e-3)
    return (torch.cat([straight, alpha], 1) * 255).round().clamp(0, 255).to(torch.uint8)


def flatten(rgba: Tensor, size: int = 64, background: float = 1.0) -> Tensor:
    """The plain pictures on one background: (B, 4, 128, 128) uint8 to (B, 3, size, size) in 0..1.

    Colours are multiplied by alpha before the area resize, so borders stay clean.
    """
    colour, alpha = _premultiplied(rgba)
    both = F.interpolate(torch.cat([colour, alpha], 1), size=(size, size), mode="area")
    return (both[:, :3] + background * (1 - both[:, 3:])).clamp(0, 1)


def _premultiplied(rgba: Tensor) -> tuple[Tensor, Tensor]:
    alpha = rgba[:, 3:].float() / 255
    return rgba[:, :3].float() / 255 * alpha, alpha


def augment(
    rgba: Tensor,
    size: int = 64,
    generator: torch.Generator | None = None,
    tint: bool = False,
    busy: bool = False,
) -> Tensor:
    """A random rendering of each picture: place, size, turn, background, light, blur, noise.

    Args:
        rgba: (B, 4, side, side) uint8, straight alpha; side 64 or 128.
        size: side of the result in pixels.
        generator: source of all randomness, on the CPU; None takes the global one.
        tint: recolour each drawing with one random colour (for MONO_VENDORS).
        busy: also windows with text, clutter and noise behind the drawings.

    Returns:
        (B, 3, size, size) float32 in 0..1.
    """
    dice = Dice(len(rgba), generator)
    if rgba.shape[-1] >= 2 * size:
        rgba = _shrink(rgba, size)
    colour, alpha = _premultiplied(rgba)
    if tint:
        colour = alpha * dice.uniform(3) * 0.9
    both = _place(torch.cat([colour, alpha], 1), size, dice)
    back = (busy_background if busy else background)(size, dice)
    colour, alpha = both[:, :3], both[:, 3:]
    picture = _light(colour, alpha, dice, foreground=True)
    picture = picture + back * (1 - alpha)
    picture = _light(picture, torch.ones_like(alpha), dice, foreground=False)
    return _degrade(picture, dice).clamp(0, 1)


def _place(both: Tensor, size: int, dice: Dice) -> Tensor:
    """Random size (0.4 to 1.0 of the frame), turn (mostly within 30 degrees), place, flip."""
    count = dice.count
    flip = 1 - 2 * dice.chance(0.15).flatten()
    scale = (0.4 + 0.62 * dice.uniform().flatten().sqrt()).clamp(max=1.02)
    stretch = dice.uniform(low=0.88, high=1.14).flatten()
    turn = dice.uniform(low=-0.52, high=0.52).flatten() * dice.uniform().flatten().sqrt()
    room = (1 - scale * (turn.abs().cos() + 0.5 * turn.abs().sin())).clamp(min=0.04)
    shift = (dice.uniform(2).flatten(1) * 2 - 1) * room[:, None]
    cos, sin = turn.cos() / scale, turn.sin() / scale
    theta = torch.zeros(count, 2, 3)
    theta[:, 0, 0], theta[:, 0, 1] = cos * flip * stretch, sin * flip
    theta[:, 1, 0], theta[:, 1, 1] = -sin * stretch, cos
    theta[:, :, 2] = -torch.einsum("bij,bj->bi", theta[:, :, :2], shift)
    grid = F.affine_grid(theta, [count, 4, size, size], align_corners=False)
    return F.grid_sample(both, grid, align_corners=False, padding_mode="zeros")


def _light(picture: Tensor, alpha: Tensor, dice: Dice, foreground: bool) -> Tensor:
    """Brightness, contrast and colour. `picture` is premultiplied by `alpha`."""
    if not foreground:
        gain, lift = dice.uniform(low=0.7, high=1.25), dice.uniform(low=-0.1, high=0.1)
        return picture * gain + lift
    grey = picture.mean(1, keepdim=True)
    keep = dice.uniform(low=0.35, high=1.35) * (1 - dice.chance(0.1))
    picture = grey + (picture - grey) * keep
    turned = picture * (1 - (amount := 0.55 * dice.uniform() * dice.chance(0.4)))
    picture = turned + amount * picture.roll(1, dims=1)
    contrast = dice.uniform(low=0.65, high=1.35)
    tone = 1 + 0.2 * (dice.uniform(3) - 0.5)
    middle = 0.5 * alpha
    return ((picture - middle) * contrast + middle) * tone


def _degrade(picture: Tensor, dice: Dice) -> Tensor:
    """Blur, coarse resampling and noise, each on some pictures."""
    size = picture.shape[-1]
    blurred = F.avg_pool2d(picture, 3, stride=1, padding=1, count_include_pad=False)
    amount = dice.uniform() * dice.chance(0.35)
    picture = picture * (1 - amount) + blurred * amount
    coarse = F.interpolate(F.avg_pool2d(picture, 2), size=(size, size), mode="bilinear")
    amount = dice.chance(0.12)
    picture = picture * (1 - amount) + coarse * amount
    strength = 0.08 * dice.uniform().square() * dice.chance(0.5)
    return picture + strength * dice.noise(3, size, size)

"""The loss of a training as a picture."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image

_PAPER, _INK, _FAINT, _LINE = (250, 250, 248), (46, 92, 138), (190, 208, 226), (205, 205, 200)
_LEFT, _TOP, _RIGHT, _BOTTOM = 64, 24, 16, 36  # margins in pixels


def loss_curve(losses: Sequence[float], *, width: int = 800, height: int = 400) -> "Image":
    """Each step's loss faintly, their running mean boldly; from nought at the bottom. RGB."""
    from PIL import Image, ImageDraw

    sheet = Image.new("RGB", (width, height), _PAPER)
    draw = ImageDraw.Draw(sheet)
    most = max([*losses, 1e-9])
    inner = (width - _LEFT - _RIGHT, height - _TOP - _BOTTOM)

    def points(values: Sequence[float]) -> list[tuple[float, float]]:
        apart = inner[0] / max(1, len(values) - 1)
        return [
            (_LEFT + place * apart, _TOP + inner[1] * (1 - value / most))
            for place, value in enumerate(values)
        ]

    for part in range(5):
        level = _TOP + inner[1] * part / 4
        draw.line([(_LEFT, level), (width - _RIGHT, level)], fill=_LINE)
        draw.text((8, level - 6), f"{most * (1 - part / 4):.2f}", fill=_INK)
    draw.text((_LEFT, height - 24), "step 1", fill=_INK)
    draw.text((width - _RIGHT - 60, height - 24), f"{len(losses)}", fill=_INK)
    for values, ink, thick in ((losses, _FAINT, 1), (running_mean(losses), _INK, 2)):
        if len(values) > 1:
            draw.line(points(values), fill=ink, width=thick)
    return sheet


def running_mean(losses: Sequence[float], share: float = 0.05) -> list[float]:
    """The mean over the last steps, as many as are this share of all."""
    window = max(1, int(len(losses) * share))
    sums = np.cumsum([0.0, *losses])
    ends = np.arange(1, len(losses) + 1)
    starts = np.maximum(0, ends - window)
    return [float(mean) for mean in (sums[ends] - sums[starts]) / (ends - starts)]

"""Which pieces of a long sound or video are looked at, and which squares of a frame."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def clip_starts(duration: float, clip: float, clips: int) -> list[float]:
    """Starts in seconds of `clips` equal pieces spread over `duration`; the last one touches the
    end.

    A duration shorter than one piece gives zero for each.
    """
    room = max(duration - clip, 0.0)
    return [room * i / max(clips - 1, 1) for i in range(clips)]


def spread(count: int, take: int) -> list[int]:
    """Indices of `take` of `count` frames, evenly, first and last included."""
    return torch.linspace(0, count - 1, take).clamp(0, count - 1).long().tolist()


def short_side(frames: Tensor, size: int) -> Tensor:
    """Scale (N, C, H, W) so that the shorter side is `size`: bilinear, the longer side rounded
    down.
    """
    height, width = frames.shape[-2:]
    if width < height:
        shape = (math.floor(height / width * size), size)
    else:
        shape = (size, math.floor(width / height * size))
    return F.interpolate(frames, size=shape, mode="bilinear", align_corners=False)


def crops(frames: Tensor, size: int, count: int) -> list[Tensor]:
    """One centre square, or three along the longer side, of (..., H, W)."""
    height, width = frames.shape[-2:]
    top, left = math.ceil((height - size) / 2), math.ceil((width - size) / 2)
    if count == 1:
        places = [(top, left)]
    elif height > width:
        places = [(0, left), (top, left), (height - size, left)]
    else:
        places = [(top, 0), (top, left), (top, width - size)]
    return [frames[..., y : y + size, x : x + size] for y, x in places]

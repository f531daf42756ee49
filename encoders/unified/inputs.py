"""Sentences with media in them: token ids, and the tensors of what stands between the words."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from medley.media.values import Video

if TYPE_CHECKING:
    from torch import Tensor

PLACES = 8192
"""Tokens of one input at most; longer words are cut."""
MOST_FRAMES = 32
"""Frames of a video at most; one for each second below that."""


@dataclass(frozen=True, slots=True)
class Input:
    """One sentence: token ids, and the tensors of the media in it."""

    ids: list[int]
    media: "dict[str, Tensor]" = field(default_factory=dict)


def frame_count(video: Video) -> int:
    """One frame a second, 32 at most."""
    return min(MOST_FRAMES, max(1, int(video.seconds)))


def padded(inputs: list[Input], pad: int, device: Any) -> "tuple[Tensor, Tensor]":
    """Ids (B, L), filled up on the right, and their mask."""
    import torch

    longest = max(len(one.ids) for one in inputs)
    ids = [one.ids + [pad] * (longest - len(one.ids)) for one in inputs]
    mask = [[1] * len(one.ids) + [0] * (longest - len(one.ids)) for one in inputs]
    return torch.tensor(ids, device=device), torch.tensor(mask, device=device)


def joined_media(inputs: list[Input], model: Any) -> "dict[str, Tensor]":
    """The media of all inputs one after the other; sounds are filled up to the longest."""
    import torch
    import torch.nn.functional as F

    joined: dict[str, Tensor] = {}
    for name in inputs[0].media:
        parts = [one.media[name] for one in inputs]
        if name.startswith("input_features"):
            longest = max(part.shape[1] for part in parts)
            parts = [
                F.pad(part, [0, 0] * (part.ndim - 2) + [0, longest - part.shape[1]])
                for part in parts
            ]
        values = torch.cat(parts).to(model.device)
        joined[name] = values.to(model.dtype) if values.is_floating_point() else values
    return joined

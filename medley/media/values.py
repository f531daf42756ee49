"""Decoded values: what backends take and give.

text: `str` · image: `PIL.Image.Image` · audio: `Audio` · video: `Video` · embedding: `Embedding` ·
data: JSON.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from PIL.Image import Image
else:
    Image = Any


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Audio:
    """Sound: float32 samples of shape (channels, samples) in [-1, 1], and the sample rate in Hz."""

    samples: npt.NDArray[np.float32]
    rate: int

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return float(self.samples.shape[-1]) / self.rate


@dataclass(frozen=True, slots=True, kw_only=True)
class Video:
    """Moving pictures, left in their file: decode frames as they are needed with
    `medley.media.video`.
    """

    path: Path
    width: int
    height: int
    fps: float
    seconds: float
    has_audio: bool


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Embedding:
    """A float32 vector of shape (d,) and the name of the space it lives in; unlike spaces never
    mix. `of` is the modality of what was embedded, "" where it is a mix or not known.
    """

    vector: npt.NDArray[np.float32]
    space: str
    of: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoded:
    """A value that its backend has already encoded in a chosen file format (`convert_image` to
    WebP, say).

    Exactly one of `data` and `path` is set; the runner checks and stores the bytes as they are.
    """

    media_type: str
    data: bytes = b""
    path: Path | None = None


#: One decoded value; `data` ports carry any JSON value.
Value: TypeAlias = Any

"""Facts: what was measured of a file, and the limits it was measured against."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from medley.modality import Modality

# : a safetensors file: tensor `vector`, metadata `space`
EMBEDDING_TYPE = "application/vnd.medley.embedding"

IMAGE_TYPES = ("image/png", "image/jpeg", "image/webp", "image/gif", "image/bmp", "image/avif")
AUDIO_TYPES = (
    "audio/wav",
    "audio/flac",
    "audio/mpeg",
    "audio/ogg",
    "audio/mp4",
    "audio/aac",
    "audio/aiff",
    "audio/webm",
)
VIDEO_TYPES = (
    "video/mp4",
    "video/quicktime",
    "video/webm",
    "video/x-matroska",
    "video/x-msvideo",
    "video/ogg",
)
#: Media types that an upload may turn out to have.
ACCEPTED = IMAGE_TYPES + AUDIO_TYPES + VIDEO_TYPES


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What decoding found. None: does not apply to this modality, or cannot be known.

    `width`, `height` in pixels as a viewer sees them (turned upright), `seconds` of the longest
    track that was really there, `fps` frames per second, `rate` in Hz, `frames` of an animation or
    a video.
    """

    modality: Modality
    media_type: str
    width: int | None = None
    height: int | None = None
    seconds: float | None = None
    fps: float | None = None
    rate: int | None = None
    channels: int | None = None
    has_audio: bool = False
    frames: int | None = None
    space: str = ""  # of an embedding

    def to_data(self) -> dict[str, Any]:
        """Plain JSON, without what does not apply."""
        data = {name: value for name, value in asdict(self).items() if value not in (None, "")}
        if self.modality is not Modality.VIDEO:
            data.pop("has_audio", None)
        return data | {"modality": self.modality.value}

    @classmethod
    def of_data(cls, data: Mapping[str, Any]) -> "Facts":
        """The opposite of `to_data`."""
        return cls(**{**data, "modality": Modality(data["modality"])})


class _HasLimits(Protocol):
    max_upload_bytes: int
    max_pixels: int
    max_media_seconds: float
    max_frames: int
    probe_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a file may be at most.

    Pixels count for one picture, and for the canvas of a video or animation.
    """

    max_bytes: int = 2 << 30
    max_pixels: int = 64_000_000
    max_seconds: float = 3600.0
    max_frames: int = 36_000
    max_animation_frames: int = 512
    max_streams: int = 8
    max_channels: int = 8
    max_rate: int = 192_000
    probe_seconds: float = 20.0  # of wall clock and of processor time
    probe_memory: int = 2 << 30  # bytes of address space

    @classmethod
    def of(cls, settings: _HasLimits) -> "Limits":
        """The limits that an operator has set."""
        return cls(
            max_bytes=settings.max_upload_bytes,
            max_pixels=settings.max_pixels,
            max_seconds=settings.max_media_seconds,
            max_frames=settings.max_frames,
            probe_seconds=settings.probe_seconds,
        )

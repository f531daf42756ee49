"""Thumbnails: one small WebP for anything that can be seen or heard, drawn in the sandbox."""

import io
from pathlib import Path

from medley.errors import UnsupportedMedia
from medley.media.codec import decode
from medley.media.drawing import waveform
from medley.media.facts import Limits
from medley.media.sandboxed import in_sandbox
from medley.media.video import flat, frames
from medley.modality import Modality

_SHOWN = ("image", "video", "audio")


def thumbnail(
    path: Path,
    modality: Modality,
    media_type: str,
    width: int = 256,
    limits: Limits | None = None,
) -> bytes:
    """WebP bytes, at most `width` pixels wide and high (16 to 1,024).

    The picture, an early frame of a video, the waveform of a sound. Blocks: call it in a thread.
    Raises what `probe` raises; `UnsupportedMedia` also for what cannot be shown.
    """
    if modality.value not in _SHOWN:
        raise UnsupportedMedia(f"a value of modality {modality.value}", _SHOWN)
    options = {"modality": modality.value, "media_type": media_type, "width": width}
    return in_sandbox("thumbnail", path, limits or Limits(), **options)[1]


def draw(path: Path, modality: Modality, media_type: str, width: int) -> bytes:
    """The same without a sandbox."""
    from PIL import Image

    width = max(16, min(width, 1024))
    value = decode(path, modality, media_type)
    if modality is Modality.IMAGE:
        picture = value
    elif modality is Modality.VIDEO:
        picture = next(frames(value, count=1, end=min(2.0, value.seconds)))
    else:
        picture = waveform(value, width=width, height=max(16, width // 3))
    if picture.mode not in ("RGB", "RGBA"):
        picture = flat(picture)
    picture.thumbnail((width, width), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.save(buffer, "WEBP", quality=80, method=3)
    return buffer.getvalue()

"""Thumbnails: one small WebP for anything that can be seen or heard."""

import io
from pathlib import Path

from medley.errors import UnsupportedMedia
from medley.media.codec import decode
from medley.media.drawing import waveform
from medley.media.video import flat, frames
from medley.modality import Modality


def thumbnail(path: Path, modality: Modality, media_type: str, width: int = 256) -> bytes:
    """WebP bytes, at most `width` pixels wide and high: the picture, a video's early frame, a
    sound's waveform.

    Decodes; call it in a thread. Raises `BrokenMedia`; `UnsupportedMedia` for what cannot be shown.
    """
    from PIL import Image

    width = max(16, min(width, 1024))
    value = decode(path, modality, media_type)
    match modality:
        case Modality.IMAGE:
            picture = value
        case Modality.VIDEO:
            picture = next(frames(value, count=1, end=min(2.0, value.seconds)))
        case Modality.AUDIO:
            picture = waveform(value, width=width, height=max(16, width // 3))
        case _:
            raise UnsupportedMedia(
                f"a value of modality {modality.value}", ("image", "video", "audio")
            )
    if picture.mode not in ("RGB", "RGBA"):
        picture = flat(picture)
    picture.thumbnail((width, width), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.save(buffer, "WEBP", quality=80, method=3)
    return buffer.getvalue()

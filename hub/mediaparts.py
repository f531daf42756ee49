"""Media as parts of a chat message: pictures and frames as data URLs, sound as WAV in base64."""

import base64
import io
from collections.abc import Sequence
from typing import Any

from medley.errors import BadInput
from medley.media.values import Audio, Embedding, Video

LONGEST_SIDE, FRAMES, RATE = 1024, 6, 16_000


def media_parts(media: Any) -> list[dict[str, Any]]:
    """The message parts of a picture, a sound or a video (frames and sound). Raises `BadInput` for
    anything else.
    """
    from PIL import Image

    if isinstance(media, Image.Image):
        return [_picture(media)]
    if isinstance(media, Audio):
        return [_sound(media)]
    if isinstance(media, Video):
        return _film(media)
    if isinstance(media, Embedding):
        raise BadInput("This hub reads pictures, sounds and videos, not embeddings.")
    raise BadInput(f"This hub cannot read a {type(media).__name__}.")


def message_content(pieces: Sequence[Any]) -> str | list[dict[str, Any]]:
    """Words and media as the content of one message; plain words where nothing else is in it.
    Raises `BadInput`.
    """
    if all(isinstance(piece, str) for piece in pieces):
        return "\n".join(pieces)
    found: list[dict[str, Any]] = []
    for piece in pieces:
        if isinstance(piece, str):
            found.append({"type": "text", "text": piece})
        else:
            found += media_parts(piece)
    return found


def _picture(picture: Any) -> dict[str, Any]:
    small = picture.convert("RGB")
    small.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=90)
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    return {"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{data}"}}


def _sound(sound: Audio) -> dict[str, Any]:
    from medley.media.sound import mono, resample, write_sound

    data = write_sound(mono(resample(sound, RATE)), "wav")
    return {
        "type": "input_audio",
        "input_audio": {"data": base64.b64encode(data).decode("ascii"), "format": "wav"},
    }


def _film(film: Video) -> list[dict[str, Any]]:
    from medley.media.video import frames, sound

    parts = [_picture(frame) for frame in frames(film, count=FRAMES)]
    heard = sound(film) if film.has_audio else None
    return [*parts, _sound(heard)] if heard is not None else parts

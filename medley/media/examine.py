"""Examine: opens one file and says what it is. Runs only inside the limited process that
`medley.media.probe` starts.

Nothing is believed: a picture is loaded, a track is read to its end and its beginning is decoded,
and the numbers are those that were found there, not those that a header claims. Imports Pillow or
PyAV only when a file needs it.
"""

import mmap
import os
import warnings
from typing import BinaryIO

from medley.errors import BrokenMedia, CallerError, TooLarge, UnsupportedMedia
from medley.media.facts import ACCEPTED, Facts, Limits
from medley.media.signatures import HEAD, head_of, name_of, sniff
from medley.media.trailing import active_tail, end_of_picture, foreign_trailer, hidden_in
from medley.modality import Modality

_TAIL = 65_600
# no honest picture file is larger than its pixels at 16 bits and four channels
_BYTES_PER_PIXEL = 8


def examine(file: BinaryIO, limits: Limits) -> Facts:
    """Facts of the file at its start.

    Raises `UnsupportedMedia`, `BrokenMedia` or `TooLarge`, and nothing else.
    """
    size = os.fstat(file.fileno()).st_size
    if size == 0:
        raise BrokenMedia("The file is empty (0 bytes).")
    if size > limits.max_bytes:
        raise TooLarge(f"The file has {size} bytes; at most {limits.max_bytes} are accepted.")
    reader = sniff(head_of(file))
    head = file.read(HEAD)
    if reader is None:
        raise UnsupportedMedia(name_of(head), ACCEPTED)
    file.seek(max(0, size - _TAIL))
    tail = file.read(_TAIL)
    file.seek(0)
    hidden = hidden_in(head, tail) or (active_tail(tail) if reader.kind == "track" else "")
    if hidden:
        raise BrokenMedia(f"The file is also {hidden}. Save it anew without that part.")
    try:
        if reader.kind == "picture":
            return _picture(file, reader.name, size, limits)
        from medley.media.examine_track import track

        return track(file, reader.name, head, limits)
    except CallerError:
        raise
    except MemoryError as error:
        raise BrokenMedia(
            "Decoding the file takes more memory than it should; it is damaged or hostile."
        ) from error
    except Exception as error:  # decoders raise anything: UnicodeDecodeError, struct.error, …
        raise BrokenMedia(
            f"The file cannot be decoded: {type(error).__name__}: {error}"[:300]
        ) from error


def _picture(file: BinaryIO, kind: str, size: int, limits: Limits) -> Facts:
    from PIL import Image

    warnings.simplefilter("error", Image.DecompressionBombWarning)
    Image.MAX_IMAGE_PIXELS = limits.max_pixels
    if size > limits.max_pixels * _BYTES_PER_PIXEL:
        raise TooLarge(f"A picture of {size} bytes is not accepted.")
    _refuse_trailer(file, kind)
    try:
        with Image.open(file, formats=[kind]) as image:
            width, height = image.size
            if width * height > limits.max_pixels:
                raise TooLarge(
                    f"{width} x {height} pixels; at most {limits.max_pixels} in all are accepted."
                )
            frames = int(getattr(image, "n_frames", 1))
            animated = frames > 1 and kind in ("PNG", "GIF", "WEBP", "AVIF")
            if animated and frames > limits.max_animation_frames:
                raise TooLarge(
                    f"{frames} pictures; at most {limits.max_animation_frames} are accepted."
                )
            if frames > 1:
                image.seek(0)
            image.load()
            if image.getexif().get(0x0112, 1) in (5, 6, 7, 8):  # lying on its side
                width, height = height, width
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise TooLarge(
            f"More pixels than the {limits.max_pixels} that are accepted: {error}"[:300]
        ) from error
    media_type = f"image/{kind.lower()}"
    return Facts(
        modality=Modality.IMAGE,
        media_type=media_type,
        width=width,
        height=height,
        frames=frames if animated else None,
    )


def _refuse_trailer(file: BinaryIO, kind: str) -> None:
    with mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as data:
        end = end_of_picture(kind, data)  # type: ignore[arg-type]  # an mmap reads like bytes
        if end is None:
            raise BrokenMedia("The picture ends too early; the file is truncated or damaged.")
        rest = data[end:]
    if found := foreign_trailer(rest):
        raise BrokenMedia(
            f"Behind the picture's end stand {len(rest)} bytes of {found}. Save the picture anew."
        )

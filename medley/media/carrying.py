"""Carrying: a produced file takes its recipe along, and gives it back.

Pixels and samples stay as they are: pictures are not encoded anew, tracks are copied packet by
packet. Where the notes stand: PNG in iTXt chunks (`medley`, and `parameters` as many programs read
it); JPEG and WebP in EXIF (ImageDescription, UserComment); sound and video in the `comment` tag
(INFO, ID3, Vorbis comment, MP4 and Matroska tags).
"""

import io
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from medley.errors import BrokenMedia, UnsupportedMedia
from medley.media.containers import open_container

DESCRIPTION, COMMENT, EXIF_POINTER = 0x010E, 0x9286, 0x8769
KEY = "medley"
#: Bytes of notes that a file may carry: an EXIF segment of a JPEG ends at 64 KiB.
ROOM = {"image/jpeg": 60_000, "image/webp": 60_000}
MOST = 256 << 10
_UNICODE = b"UNICODE\0"
_TRACKS = {  # media type -> demuxer, muxer
    "audio/wav": ("wav", "wav"),
    "audio/flac": ("flac", "flac"),
    "audio/mpeg": ("mp3", "mp3"),
    "audio/ogg": ("ogg", "ogg"),
    "audio/mp4": ("mp4", "mp4"),
    "video/mp4": ("mp4", "mp4"),
    "video/webm": ("matroska", "webm"),
}
#: Media types that can carry notes.
CARRIERS = frozenset({"image/png", "image/jpeg", "image/webp", *_TRACKS})


def room(media_type: str) -> int:
    """How many bytes of notes a file of this kind takes; 0: none."""
    return ROOM.get(media_type, MOST) if media_type in CARRIERS else 0


def carry(source: Path, target: Path, media_type: str, notes: str, parameters: str) -> None:
    """Writes the file with its notes to `target`. `notes` are ASCII.

    Raises `UnsupportedMedia` for what cannot carry, `BrokenMedia` for what cannot be read.
    """
    try:
        with source.open("rb") as file:
            if media_type in _TRACKS:
                _track(file, target, media_type, notes)
                return
            with target.open("wb") as out:
                _picture(media_type)(file, out, notes, parameters)
    except (UnsupportedMedia, BrokenMedia):
        raise
    except (OSError, ValueError, SyntaxError, EOFError, struct.error) as error:
        raise BrokenMedia(f"The file cannot take its recipe: {error}"[:300]) from error


def notes_in(file: BinaryIO) -> str:
    """The notes of any file, "" where there are none. For the sandbox: the file may be hostile.

    Raises anything that decoders raise.
    """
    head = file.read(12)
    file.seek(0)
    if head.startswith((b"\x89PNG", b"\xff\xd8")) or (head[:4], head[8:]) == (b"RIFF", b"WEBP"):
        return _picture_notes(file)
    for sign, demuxer in (
        (b"RIFF", "wav"),
        (b"fLaC", "flac"),
        (b"OggS", "ogg"),
        (b"\x1aE\xdf\xa3", "matroska"),
    ):
        if head.startswith(sign):
            return _track_notes(file, demuxer)
    if head[4:8] == b"ftyp":
        return _track_notes(file, "mp4")
    if head.startswith((b"ID3", b"\xff\xfb", b"\xff\xf3", b"\xff\xf2")):
        return _track_notes(file, "mp3")
    raise UnsupportedMedia("a file of another kind", CARRIERS)


def _picture(media_type: str) -> Callable[[BinaryIO, BinaryIO, str, str], None]:
    match media_type:
        case "image/png":
            return _png
        case "image/jpeg":
            return _jpeg
        case "image/webp":
            return _webp
        case _:
            raise UnsupportedMedia(media_type, CARRIERS)


def _png(file: BinaryIO, out: BinaryIO, notes: str, parameters: str) -> None:
    from PIL.PngImagePlugin import PngInfo, putchunk

    info = PngInfo()
    info.add_itxt(KEY, notes, zip=len(notes) > 1024)
    if parameters:
        info.add_text("parameters", parameters)
    out.write(file.read(33))  # the signature and IHDR, which is always first and of 25 bytes
    for name, data, *_ in info.chunks:
        putchunk(out, name, data)
    _copy(file, out)


def _jpeg(file: BinaryIO, out: BinaryIO, notes: str, parameters: str) -> None:
    exif = _exif(file, notes, parameters)
    if len(exif) > 65_533:
        raise BrokenMedia("The recipe is too long for a JPEG.")
    out.write(_exact(file, 2))
    segment = b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif
    written = False
    while True:
        marker = _exact(file, 2)
        if not (marker[0] == 0xFF and 0xE0 <= marker[1] <= 0xEF):
            break
        size = _exact(file, 2)
        data = _exact(file, struct.unpack(">H", size)[0] - 2)
        if not written and marker != b"\xff\xe0":  # JFIF comes first, then ours
            out.write(segment)
            written = True
        if not (marker == b"\xff\xe1" and data.startswith(b"Exif\0")):
            out.write(marker + size + data)
    if not written:
        out.write(segment)
    out.write(marker)
    _copy(file, out)


def _webp(file: BinaryIO, out: BinaryIO, notes: str, parameters: str) -> None:
    from PIL import Image

    exif = _exif(file, notes, parameters)
    with Image.open(file, formats=["WEBP"]) as opened:
        (width, height), alpha = opened.size, opened.has_transparency_data
    file.seek(12)
    chunks = list(_riff(file))
    extended = chunks[0][1] if chunks and chunks[0][0] == b"VP8X" else b""
    flags = (extended[0] if extended else (0x10 if alpha else 0)) | 0x08
    canvas = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    kept = [(name, data) for name, data in chunks if name not in (b"VP8X", b"EXIF")]
    head = bytes([flags]) + b"\0\0\0" + (extended[4:10] or canvas)
    body = b"".join(
        name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)
        for name, data in [(b"VP8X", head), *kept, (b"EXIF", exif)]
    )
    out.write(b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body)


def _riff(file: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    while len(head := file.read(8)) == 8:
        size = struct.unpack("<I", head[4:])[0]
        yield head[:4], _exact(file, size)
        file.seek(size % 2, io.SEEK_CUR)


def _exif(file: BinaryIO, notes: str, parameters: str) -> bytes:
    """What the picture's EXIF says already, and ours. Leaves the file at its start."""
    from PIL import Image

    with Image.open(file, formats=["JPEG", "WEBP"]) as opened:
        exif = opened.getexif()
    file.seek(0)
    exif[DESCRIPTION] = notes
    inner = exif.get_ifd(EXIF_POINTER)
    inner[COMMENT] = _UNICODE + parameters.encode("utf-16-be")
    exif[EXIF_POINTER] = inner
    return exif.tobytes()


def _track(file: BinaryIO, target: Path, media_type: str, notes: str) -> None:
    import av

    demuxer, muxer = _TRACKS[media_type]
    options = {"movflags": "+faststart"} if muxer == "mp4" else {}
    try:
        with (
            open_container(file, demuxer) as source,
            av.open(str(target), "w", format=muxer, options=options) as out,
        ):
            out.metadata.update({**source.metadata, "comment": notes})
            kept = [item for item in source.streams if item.type in ("audio", "video")]
            streams = {item.index: out.add_stream_from_template(item) for item in kept}
            for packet in source.demux(kept):
                if packet.dts is not None:
                    packet.stream = streams[packet.stream.index]
                    out.mux(packet)
    except av.FFmpegError as error:
        raise BrokenMedia(f"The file cannot take its recipe: {error}"[:300]) from error


def _picture_notes(file: BinaryIO) -> str:
    from PIL import Image

    with Image.open(file, formats=["PNG", "JPEG", "WEBP"]) as opened:
        if opened.format == "PNG":
            text: dict[str, Any] = getattr(opened, "text", {})
            found = text.get(KEY)
        else:
            found = opened.getexif().get(DESCRIPTION)
    return str(found) if found else ""


def _track_notes(file: BinaryIO, demuxer: str) -> str:
    with open_container(file, demuxer) as source:
        every = [dict(source.metadata), *(dict(item.metadata) for item in source.streams)]
    for tags in every:
        for name, value in tags.items():
            if name.lower() in ("comment", "description") and value.startswith("{"):
                return value
    return ""


def _exact(file: BinaryIO, size: int) -> bytes:
    data = file.read(size)
    if size < 0 or len(data) != size:
        raise BrokenMedia("The file ends too early.")
    return data


def _copy(file: BinaryIO, out: BinaryIO) -> None:
    while piece := file.read(1 << 20):
        out.write(piece)

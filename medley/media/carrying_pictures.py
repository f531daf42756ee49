"""Notes in pictures: put in their place without encoding the picture anew.

PNG in iTXt chunks (`medley`, and `parameters` as many programs read it); JPEG and WebP in EXIF
(ImageDescription, UserComment); GIF in a comment; AVIF in XMP. What makes a picture known as made,
an XMP packet, goes in besides where the kind has a place for it and the picture has none yet.
"""

import io
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

from medley.errors import BrokenMedia
from medley.media.xmp import notes_of, with_notes

DESCRIPTION, COMMENT, EXIF_POINTER = 0x010E, 0x9286, 0x8769
KEY = "medley"
_UNICODE = b"UNICODE\0"
_XMP_PNG, _XMP_JPEG = "XML:com.adobe.xmp", b"http://ns.adobe.com/xap/1.0/\0"
_XMP_BOX = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
_LARGEST = 65_533  #: bytes of a segment of a JPEG


@dataclass(frozen=True, slots=True, kw_only=True)
class Notes:
    """What a picture is to say of itself. `text` is ASCII; `parameters` is for eyes; `xmp` may be
    empty.
    """

    text: str
    parameters: str = ""
    xmp: str = ""


def _png(file: BinaryIO, out: BinaryIO, notes: Notes) -> None:
    from PIL.PngImagePlugin import PngInfo, putchunk

    info = PngInfo()
    info.add_itxt(KEY, notes.text, zip=len(notes.text) > 1024)
    if notes.parameters:
        info.add_text("parameters", notes.parameters)
    if notes.xmp and not _has_xmp(file):
        info.add_itxt(_XMP_PNG, notes.xmp)
    out.write(_exact(file, 33))  # the signature and IHDR, which is always first and of 25 bytes
    for name, data, *_ in info.chunks:
        putchunk(out, name, data)
    _copy(file, out)


def _gif(file: BinaryIO, out: BinaryIO, notes: Notes) -> None:
    """A comment in front of the first picture, behind what says how often they are shown."""
    head = _exact(file, 13)
    out.write(b"GIF89a" + head[6:])
    out.write(_exact(file, 3 << (head[10] & 7) + 1) if head[10] & 0x80 else b"")
    while (sign := _exact(file, 2)) == b"!\xff":  # applications, such as NETSCAPE's loop
        out.write(sign + b"".join(_sub_blocks(file)))
    data = notes.text.encode("ascii")
    pieces = (data[at : at + 255] for at in range(0, len(data), 255))
    out.write(b"!\xfe" + b"".join(bytes([len(one)]) + one for one in pieces) + b"\0" + sign)
    _copy(file, out)


def _sub_blocks(file: BinaryIO) -> Iterator[bytes]:
    while True:
        size = _exact(file, 1)
        yield size + _exact(file, size[0])
        if size == b"\0":
            return


def _avif(file: BinaryIO, out: BinaryIO, notes: Notes) -> None:
    """A box behind all others: what stands in the file is named by its distance from the start."""
    if any(left < 0 for _, left in _boxes(file)):
        raise BrokenMedia("The last box of the file has no end.")
    file.seek(0)
    _copy(file, out)
    data = _XMP_BOX + with_notes(notes.xmp, notes.text).encode()
    out.write(struct.pack(">I", len(data) + 8) + b"uuid" + data)


def _jpeg(file: BinaryIO, out: BinaryIO, notes: Notes) -> None:
    exif, xmp = _exif(file, notes), notes.xmp.encode()
    segment = _segment(exif)
    if xmp and not _has_xmp(file):
        segment += _segment(_XMP_JPEG + xmp)
    out.write(_exact(file, 2))
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


def _segment(data: bytes) -> bytes:
    if len(data) > _LARGEST:
        raise BrokenMedia("The recipe is too long for a JPEG.")
    return b"\xff\xe1" + struct.pack(">H", len(data) + 2) + data


def _webp(file: BinaryIO, out: BinaryIO, notes: Notes) -> None:
    from PIL import Image

    exif = _exif(file, notes)
    with Image.open(file, formats=["WEBP"]) as opened:
        (width, height), alpha = opened.size, opened.has_transparency_data
    file.seek(12)
    chunks = list(_riff(file))
    xmp = [(b"XMP ", notes.xmp.encode())] if notes.xmp else []
    if any(name == b"XMP " for name, _ in chunks):
        xmp = []
    extended = chunks[0][1] if chunks and chunks[0][0] == b"VP8X" else b""
    flags = (extended[0] if extended else (0x10 if alpha else 0)) | (0x0C if xmp else 0x08)
    canvas = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    kept = [(name, data) for name, data in chunks if name not in (b"VP8X", b"EXIF")]
    head = bytes([flags]) + b"\0\0\0" + (extended[4:10] or canvas)
    body = b"".join(
        name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)
        for name, data in [(b"VP8X", head), *kept, (b"EXIF", exif), *xmp]
    )
    out.write(b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body)


def _riff(file: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    while len(head := file.read(8)) == 8:
        size = struct.unpack("<I", head[4:])[0]
        yield head[:4], _exact(file, size)
        file.seek(size % 2, io.SEEK_CUR)


def _exif(file: BinaryIO, notes: Notes) -> bytes:
    """What the picture's EXIF says already, and ours. Leaves the file at its start."""
    from PIL import Image

    with Image.open(file, formats=["JPEG", "WEBP"]) as opened:
        exif = opened.getexif()
    file.seek(0)
    exif[DESCRIPTION] = notes.text
    inner = exif.get_ifd(EXIF_POINTER)
    inner[COMMENT] = _UNICODE + notes.parameters.encode("utf-16-be")
    exif[EXIF_POINTER] = inner
    return exif.tobytes()


def _has_xmp(file: BinaryIO) -> bool:
    """Leaves the file at its start."""
    from PIL import Image

    with Image.open(file, formats=["PNG", "JPEG"]) as opened:
        found = bool({"xmp", _XMP_PNG} & opened.info.keys())
    file.seek(0)
    return found


#: Media type -> what writes the notes.
WRITERS: Mapping[str, Callable[[BinaryIO, BinaryIO, Notes], None]] = {
    "image/png": _png,
    "image/jpeg": _jpeg,
    "image/webp": _webp,
    "image/gif": _gif,
    "image/avif": _avif,
}


def picture_notes(file: BinaryIO) -> str:
    """The notes of a picture, "" where there are none."""
    from PIL import Image

    with Image.open(file, formats=["PNG", "JPEG", "WEBP", "GIF", "AVIF", "BMP"]) as opened:
        kind, info = opened.format, opened.info
        text: dict[str, Any] = getattr(opened, "text", {})
        if kind == "PNG":
            return str(text.get(KEY, ""))
        if kind in ("JPEG", "WEBP"):
            return str(opened.getexif().get(DESCRIPTION) or "")
    if kind == "GIF":
        lines = bytes(info.get("comment", b"")).decode("utf-8", "replace").splitlines()
        return next((line for line in lines if line.startswith("{")), "")
    if kind != "AVIF":
        return ""
    file.seek(0)
    return next(filter(None, map(notes_of, _xmp_boxes(file))), "")


def _boxes(file: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """Names of the outer boxes and how many bytes they hold, with the file at the first of them;
    below 0: to the end of the file.
    """
    while len(head := file.read(8)) == 8:
        left = int.from_bytes(head[:4], "big") - 8
        if left == 1 - 8:
            left = int.from_bytes(_exact(file, 8), "big") - 16
        begin = file.tell()
        yield head[4:], left
        if left < 0:
            return
        file.seek(begin + left)


def _xmp_boxes(file: BinaryIO) -> Iterator[str]:
    for name, left in _boxes(file):
        if name == b"uuid" and (data := file.read(max(left, 0))).startswith(_XMP_BOX):
            yield data.removeprefix(_XMP_BOX).decode("utf-8", "replace")


def _exact(file: BinaryIO, size: int) -> bytes:
    data = file.read(size)
    if size < 0 or len(data) != size:
        raise BrokenMedia("The file ends too early.")
    return data


def _copy(file: BinaryIO, out: BinaryIO) -> None:
    while piece := file.read(1 << 20):
        out.write(piece)

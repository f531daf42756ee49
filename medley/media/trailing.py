"""Where a picture ends: files that are a picture at the front and something else at the back are
refused.

A ZIP, an HTML page or a script behind a picture ("polyglot") makes one file mean two things to two
readers. Padding is harmless, and so are the trailers of phone cameras (a short MP4 of a motion
photo, further JPEGs of a multi-picture file, Samsung's `SEFT` block); everything else behind the
end of the picture is named and refused.
"""

import re
from collections.abc import Callable

# neither a stuffed byte nor a restart marker nor fill
_JPEG_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_ACTIVE = re.compile(rb"<(?:!doctype\s+html|html|script|svg|iframe|\?php)[\s>]", re.IGNORECASE)
_TAIL = 65_557  # a ZIP's end record and its longest comment


def end_of_picture(kind: str, data: bytes) -> int | None:
    """Offset behind the picture's last byte; None when the file ends before its picture does."""
    finders: dict[str, Callable[[bytes], int | None]] = {
        "PNG": _end_of_png,
        "JPEG": _end_of_jpeg,
        "GIF": _end_of_gif,
        "WEBP": _end_of_riff,
        "AVIF": _end_of_boxes,
    }
    return finders[kind](data) if kind in finders else len(data)


def _end_of_png(data: bytes) -> int | None:
    at = 8
    while at + 12 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        name, at = data[at + 4 : at + 8], at + 12 + size
        if name == b"IEND":
            return at if at <= len(data) else None
    return None


def _end_of_jpeg(data: bytes) -> int | None:
    at = 2
    while True:
        found = _JPEG_MARKER.search(data, at)
        if found is None:
            return None
        marker, at = data[found.start() + 1], found.end()
        if marker == 0xD9:
            return at
        if marker in (0x01, 0xD8):  # markers without a segment
            continue
        at += int.from_bytes(data[at : at + 2], "big")


def _end_of_gif(data: bytes) -> int | None:
    if len(data) < 13:
        return None
    at = 13 + _palette(data[10])
    while at < len(data):
        introducer = data[at]
        if introducer == 0x3B:
            return at + 1
        if introducer == 0x21:
            at = _past_sub_blocks(data, at + 2)
        elif introducer == 0x2C and at + 10 <= len(data):
            at = _past_sub_blocks(data, at + 11 + _palette(data[at + 9]))
        else:
            return None
    return None


def _palette(flags: int) -> int:
    return int(3 << ((flags & 7) + 1)) if flags & 0x80 else 0


def _past_sub_blocks(data: bytes, at: int) -> int:
    while at < len(data) and data[at]:
        at += data[at] + 1
    return at + 1


def _end_of_riff(data: bytes) -> int | None:
    size = 8 + int.from_bytes(data[4:8], "little")
    return size + (size & 1 and size < len(data)) if size <= len(data) else None


def _end_of_boxes(data: bytes) -> int | None:
    at = 0
    while at + 8 <= len(data):
        size, name = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        if not name.isascii() or not name.decode("ascii").isprintable():
            return at
        if size == 0:
            return len(data)
        if size == 1:
            size = int.from_bytes(data[at + 8 : at + 16], "big")
        if size < 8:
            return at
        at += size
    return at if at <= len(data) else None


def hidden_in(head: bytes, tail: bytes) -> str:
    """Names a second format that any kind of file carries at its front or back; empty when there is
    none.
    """
    if b"%PDF-" in head[:1024]:
        return "a PDF document"
    tail = tail[-_TAIL:]
    at = tail.rfind(b"PK\x05\x06")
    if at >= 0 and len(tail) - at >= 22 and tail[at + 4 : at + 8] == b"\0\0\0\0":
        return "a ZIP archive"
    return ""


def foreign_trailer(rest: bytes) -> str:
    """Names what stands behind a picture's end; empty when it is harmless."""
    if not rest.strip(b"\0\xff \r\n\t"):
        return ""
    if _ACTIVE.search(rest):
        return "a web page or script"
    if (
        rest[4:8] == b"ftyp"
        or rest.endswith(b"SEFT")
        or rest.lstrip(b"\0").startswith(b"\xff\xd8\xff")
    ):
        return ""
    return "other data"


def active_tail(tail: bytes) -> str:
    """Names a web page or script in the last bytes of a sound or video; empty: there is none."""
    return "a web page or script" if _ACTIVE.search(tail[-4096:]) else ""

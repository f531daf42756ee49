"""Signatures: the first bytes of a file choose the one reader that may open it. Names and claimed
types do not count.

Only readers on this list are ever tried. Playlists and manifests (HLS, DASH, concat, SDP) are not
on it: they make a reader open other files and addresses.
"""

from dataclasses import dataclass
from typing import BinaryIO

HEAD = 4096  #: how many bytes `sniff` wants to see


@dataclass(frozen=True, slots=True)
class Reader:
    """Which library opens the file, and as what: a Pillow format or an FFmpeg demuxer."""

    kind: str  # "picture" or "track"
    name: str


_QUICKTIME = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")
_PICTURE_BRANDS = (b"avif", b"avis")
_FOREIGN = (
    (b"%PDF-", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive or office document"),
    (b"PK\x05\x06", "a ZIP archive"),
    (b"\x1f\x8b", "gzip-compressed data"),
    (b"BZh", "bzip2-compressed data"),
    (b"\xfd7zXZ\x00", "xz-compressed data"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"\x28\xb5\x2f\xfd", "zstandard-compressed data"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
    (b"#!", "a script"),
    (b"#EXTM3U", "a playlist"),
    (b"SIMPLE  =", "a FITS image"),
    (b"8BPS", "a Photoshop image"),
    (b"II*\x00", "a TIFF image"),
    (b"MM\x00*", "a TIFF image"),
    (b"%!PS", "a PostScript document"),
    (b"\x00\x00\x01\x00", "an icon"),
    (b"\x00\x00\x00\x0cjP  ", "a JPEG 2000 image"),
    (b"\xff\x4f\xff\x51", "a JPEG 2000 image"),
    (b"FLV\x01", "a Flash video"),
    (b"MThd", "a MIDI file"),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "a Windows Media file"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"SQLite format 3", "a database"),
)


def sniff(head: bytes) -> Reader | None:
    """The one reader for a file that begins with these bytes; None when it is no kind that is
    accepted.
    """
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return Reader("picture", "PNG")
    if head.startswith(b"\xff\xd8\xff"):
        return Reader("picture", "JPEG")
    if head[:6] in (b"GIF87a", b"GIF89a"):
        return Reader("picture", "GIF")
    if head.startswith(b"BM") and head[14:18] in (
        b"\x28\0\0\0",
        b"\x0c\0\0\0",
        b"\x6c\0\0\0",
        b"\x7c\0\0\0",
    ):
        return Reader("picture", "BMP")
    if head[:4] in (b"RIFF", b"RF64"):
        return _riff(head[8:12])
    if head[4:8] == b"ftyp" and _is_picture_brand(head):
        return Reader("picture", "AVIF")
    demuxer = _track(head)
    return Reader("track", demuxer) if demuxer else None


def _riff(form: bytes) -> Reader | None:
    known = {
        b"WEBP": Reader("picture", "WEBP"),
        b"WAVE": Reader("track", "wav"),
        b"AVI ": Reader("track", "avi"),
    }
    return known.get(form)


def _is_picture_brand(head: bytes) -> bool:
    size = min(int.from_bytes(head[:4], "big"), 64, len(head))
    brands = [head[8:12], *(head[at : at + 4] for at in range(16, size, 4))]
    return brands[0] in _PICTURE_BRANDS or (
        brands[0] == b"mif1" and any(b in _PICTURE_BRANDS for b in brands)
    )


def _track(head: bytes) -> str:
    if head[4:8] in _QUICKTIME:
        return "" if head[8:12] in (b"heic", b"heix", b"mif1", b"msf1") else "mov"
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return "matroska"
    if head.startswith(b"fLaC"):
        return "flac"
    if head.startswith(b"OggS"):
        return "ogg"
    if head.startswith(b"FORM") and head[8:12] in (b"AIFF", b"AIFC"):
        return "aiff"
    if head.startswith(b"ID3"):
        behind = head[_tag_size(head) :]
        return "flac" if behind.startswith(b"fLaC") else "aac" if _is_adts(behind) else "mp3"
    if _is_adts(head):
        return "aac"
    if len(head) > 4 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0 and head[1] & 0x06 == 0x02:
        return "mp3"
    return ""


def _is_adts(head: bytes) -> bool:
    return len(head) > 4 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0


def _tag_size(head: bytes) -> int:
    """Bytes of an ID3 tag; its length stands in its header, seven bits a byte."""
    size = 0
    for byte in head[6:10]:
        size = size << 7 | byte & 0x7F
    return 10 + size


def head_of(file: BinaryIO) -> bytes:
    """What `sniff` wants to see of a file: its beginning, and of a long ID3 tag no more than that
    it is there. Leaves the file at its start.
    """
    head = file.read(HEAD)
    if head.startswith(b"ID3") and (size := _tag_size(head)) + 16 > len(head):
        file.seek(size)
        head = head[:6] + bytes(4) + file.read(HEAD)
    file.seek(0)
    return head


def name_of(head: bytes) -> str:
    """What a refused file seems to be, in words for its sender."""
    for magic, name in _FOREIGN:
        if head.startswith(magic):
            return name
    if head[4:8] == b"ftyp":
        return (
            "a HEIC image"
            if head[8:12] in (b"heic", b"heix", b"mif1", b"msf1")
            else "an unknown ISO media file"
        )
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if b"<svg" in text[:1024]:
        return "an SVG drawing"
    if text.startswith((b"<!doctype html", b"<html", b"<script", b"<head", b"<body")):
        return "an HTML page"
    if text and all(byte >= 32 or byte in b"\t\r\n\f" for byte in head[:512]):
        return "text"
    return "a file of an unknown kind"

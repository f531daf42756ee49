"""Carrying: a produced file takes its recipe along, and gives it back.

Pixels and samples stay as they are: pictures are not encoded anew, tracks are copied packet by
packet. Where the notes stand: for pictures see `carrying_pictures`; sound and video in the
`comment` tag (INFO, ID3, Vorbis comment, MP4 and Matroska tags).
"""

import struct
from pathlib import Path
from typing import BinaryIO

from medley.errors import BrokenMedia, UnsupportedMedia
from medley.media.carrying_pictures import WRITERS, Notes, picture_notes
from medley.media.containers import open_container
from medley.media.signatures import head_of, sniff

#: Bytes of notes that a file may carry: an EXIF segment of a JPEG ends at 64 KiB.
ROOM = {"image/jpeg": 60_000, "image/webp": 60_000}
MOST = 256 << 10
_TRACKS = {  # media type -> demuxer, muxer
    "audio/wav": ("wav", "wav"),
    "audio/flac": ("flac", "flac"),
    "audio/mpeg": ("mp3", "mp3"),
    "audio/aac": ("aac", "adts"),
    "audio/ogg": ("ogg", "ogg"),
    "audio/mp4": ("mp4", "mp4"),
    "video/mp4": ("mp4", "mp4"),
    "video/webm": ("matroska", "webm"),
}
#: Media types that can carry notes.
CARRIERS = frozenset({*WRITERS, *_TRACKS})


def room(media_type: str) -> int:
    """How many bytes of notes a file of this kind takes; 0: none."""
    return ROOM.get(media_type, MOST) if media_type in CARRIERS else 0


def carry(source: Path, target: Path, media_type: str, notes: Notes) -> None:
    """Writes the file with its notes to `target`; sounds and videos take their text alone.

    Raises `UnsupportedMedia` for what cannot carry, `BrokenMedia` for what cannot be read.
    """
    try:
        with source.open("rb") as file:
            if media_type in _TRACKS:
                _track(file, target, media_type, notes.text)
                return
            if media_type not in WRITERS:
                raise UnsupportedMedia(media_type, CARRIERS)
            with target.open("wb") as out:
                WRITERS[media_type](file, out, notes)
    except (UnsupportedMedia, BrokenMedia):
        raise
    except (OSError, ValueError, SyntaxError, EOFError, struct.error) as error:
        raise BrokenMedia(f"The file cannot take its recipe: {error}"[:300]) from error


def notes_in(file: BinaryIO) -> str:
    """The notes of any file, "" where there are none. For the sandbox: the file may be hostile.

    Raises anything that decoders raise.
    """
    reader = sniff(head_of(file))
    if reader is None:
        raise UnsupportedMedia("a file of another kind", CARRIERS)
    return picture_notes(file) if reader.kind == "picture" else _track_notes(file, reader.name)


def _track(file: BinaryIO, target: Path, media_type: str, notes: str) -> None:
    import av

    demuxer, muxer = _TRACKS[media_type]
    options = {"mp4": {"movflags": "+faststart"}, "adts": {"write_id3v2": "1"}}.get(muxer, {})
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


def _track_notes(file: BinaryIO, demuxer: str) -> str:
    with open_container(file, demuxer) as source:
        every = [dict(source.metadata), *(dict(item.metadata) for item in source.streams)]
    for tags in every:
        for name, value in tags.items():
            if name.lower() in ("comment", "description") and value.startswith("{"):
                return value
    return ""

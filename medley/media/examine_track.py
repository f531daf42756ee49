"""Examine a sound or a video: read every packet, decode the beginning, compare with what the
headers claim.
"""

import os
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, BinaryIO

from medley.errors import BrokenMedia, TooLarge, UnsupportedMedia
from medley.media.containers import CODECS, open_container
from medley.media.facts import ACCEPTED, Facts, Limits
from medley.modality import Modality

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.video.stream import VideoStream

_DECODED_FRAMES = 8  # of the picture track
_DECODED_SECONDS = 10.0  # of the sound track
# their claimed length is exact, so a lie shows
#: How far the claimed length may lie above the one that is there: a factor, and seconds. Formats
#: that are not listed only estimate their length.
_SLACK = {
    "mov": (1.1, 1.0),
    "matroska": (1.1, 1.0),
    "avi": (1.1, 1.0),
    "aiff": (1.0, 0.05),
    "flac": (1.0, 0.05),
}
_UNKNOWN_SIZE = 0x7FFF_0000  # what writers to a pipe put where they cannot know the size
_TYPES = {
    "mov": ("audio/mp4", "video/mp4"),
    "matroska": ("audio/webm", "video/x-matroska"),
    "ogg": ("audio/ogg", "video/ogg"),
    "avi": ("audio/x-msvideo", "video/x-msvideo"),
    "wav": ("audio/wav", ""),
    "flac": ("audio/flac", ""),
    "mp3": ("audio/mpeg", ""),
    "aac": ("audio/aac", ""),
    "aiff": ("audio/aiff", ""),
}


@dataclass(slots=True)
class _Found:
    """What one track really holds."""

    packets: int = 0
    start: float | None = None
    end: float = 0.0
    length: float = 0.0  # sum of the packets' durations, for tracks without time stamps
    decoded: int = 0  # frames of pictures, samples of sound
    width: int = 0
    height: int = 0

    def add(self, packet: Any, base: Fraction) -> None:
        """Counts one packet."""
        self.packets += 1
        # FFmpeg gives the last packet of some Ogg files a negative length, as 32 bits without sign.
        known = packet.duration and packet.duration < 1 << 31
        duration = float(packet.duration * base) if known else 0.0
        self.length += duration
        if packet.pts is not None:
            at = float(packet.pts * base)
            self.start = at if self.start is None else min(self.start, at)
            self.end = max(self.end, at + duration)

    @property
    def seconds(self) -> float:
        """Length of the track."""
        return self.length if self.start is None else max(0.0, self.end - self.start)


def track(file: BinaryIO, demuxer: str, head: bytes, limits: Limits) -> Facts:
    """Facts of a sound or video file that this demuxer reads.

    Decoder errors of PyAV pass through.
    """
    if demuxer == "wav":
        _check_wav(file, head)
    with open_container(file, demuxer) as container:
        if len(container.streams) > limits.max_streams:
            raise TooLarge(
                f"{len(container.streams)} tracks; at most {limits.max_streams} are accepted."
            )
        video, audio = _tracks(container)
        if video is None and audio is None:
            raise UnsupportedMedia(f"a {demuxer} file without a sound or picture track", ACCEPTED)
        _check_headers(video, audio, limits)
        pictures, sounds = _read(container, video, audio, limits)
        _check_claims(container, demuxer, video, audio, pictures, sounds)
        return _facts(demuxer, head, video, audio, pictures, sounds)


def _tracks(container: "InputContainer") -> "tuple[VideoStream | None, AudioStream | None]":
    from av.stream import Disposition

    video = next(
        (s for s in container.streams.video if not s.disposition & Disposition.attached_pic), None
    )
    audio = next(iter(container.streams.audio), None)
    for stream in (video, audio):
        if stream is None:
            continue
        name = stream.codec_context.name if stream.codec_context else "unknown"
        if name not in CODECS:
            raise UnsupportedMedia(f"a {stream.type} track in the codec {name}", ACCEPTED)
    return video, audio


def _check_headers(
    video: "VideoStream | None", audio: "AudioStream | None", limits: Limits
) -> None:
    if video is not None:
        width, height = video.codec_context.width, video.codec_context.height
        if width * height > limits.max_pixels:
            raise TooLarge(
                f"{width} x {height} pixels; at most {limits.max_pixels} in all are accepted."
            )
        video.thread_count = 1
    if audio is not None:
        context = audio.codec_context
        if not context.sample_rate or not context.channels:
            raise BrokenMedia("The sound track says neither its rate nor its channels.")
        if context.sample_rate > limits.max_rate or context.channels > limits.max_channels:
            raise TooLarge(
                f"{context.channels} channels at {context.sample_rate} Hz; "
                f"at most {limits.max_channels} at {limits.max_rate} Hz are accepted."
            )


def _read(
    container: "InputContainer",
    video: "VideoStream | None",
    audio: "AudioStream | None",
    limits: Limits,
) -> tuple[_Found, _Found]:
    pictures, sounds = _Found(), _Found()
    for packet in container.demux([stream for stream in (video, audio) if stream is not None]):
        if not packet.size:
            continue  # the demuxer's signal for the end
        found = pictures if packet.stream is video else sounds
        found.add(packet, packet.time_base or Fraction(1, 1000))
        if pictures.packets > limits.max_frames:
            raise TooLarge(f"More than the {limits.max_frames} frames that are accepted.")
        if max(pictures.seconds, sounds.seconds) > limits.max_seconds:
            raise TooLarge(f"Longer than the {limits.max_seconds:g} seconds that are accepted.")
        _decode(packet, found, limits, wanted=_wanted(packet.stream))
    for stream, found in ((video, pictures), (audio, sounds)):
        if stream is not None and found.decoded < _wanted(stream):
            _decode(None, found, limits, wanted=_wanted(stream), stream=stream)
    return pictures, sounds


def _wanted(stream: Any) -> int:
    return (
        _DECODED_FRAMES
        if stream.type == "video"
        else int(_DECODED_SECONDS * stream.codec_context.sample_rate)
    )


def _decode(packet: Any, found: _Found, limits: Limits, *, wanted: int, stream: Any = None) -> None:
    """Decodes until `wanted` is reached; single damaged packets are passed over, as players do."""
    import av

    if found.decoded >= wanted:
        return
    context = (stream or packet.stream).codec_context
    try:
        frames = context.decode(packet)
    except av.error.FFmpegError:
        return
    for frame in frames:
        if (stream or packet.stream).type == "audio":
            found.decoded += frame.samples
            continue
        found.decoded += 1
        if frame.width * frame.height > limits.max_pixels:
            raise TooLarge(
                f"{frame.width} x {frame.height} pixels; at most {limits.max_pixels} are accepted."
            )
        sideways = frame.rotation % 180 == 90
        found.width = frame.height if sideways else frame.width
        found.height = frame.width if sideways else frame.height


def _check_claims(
    container: "InputContainer",
    demuxer: str,
    video: "VideoStream | None",
    audio: "AudioStream | None",
    pictures: _Found,
    sounds: _Found,
) -> None:
    if (pictures.packets and not pictures.decoded) or (sounds.packets and not sounds.decoded):
        raise BrokenMedia("Nothing in the file can be decoded.")
    if not pictures.packets and not sounds.packets:
        raise BrokenMedia("The file holds neither sound nor pictures; it is empty or truncated.")
    if video is not None and not pictures.packets:
        raise BrokenMedia("The picture track is empty; the file is truncated.")
    if demuxer not in _SLACK:
        return
    relative, absolute = _SLACK[demuxer]
    found = max(pictures.seconds, sounds.seconds)
    claimed = container.duration / 1_000_000 if container.duration else 0.0
    missing = demuxer == "mov" and any(
        stream is not None
        and not stream.codec_context.name.startswith("pcm_")  # counts samples, not packets
        and stream.frames > track.packets + 2
        for stream, track in ((video, pictures), (audio, sounds))
    )
    if missing or claimed > found * relative + absolute:
        raise BrokenMedia(
            f"The header says {claimed:.2f} seconds, {found:.2f} are there; the file is truncated."
        )


def _check_wav(file: BinaryIO, head: bytes) -> None:
    """FFmpeg believes the file's end rather than the header of a WAV, so the two are compared here.

    Sizes that a writer could not know (0, or all bits set) are no claim.
    """
    at = head.find(b"data", 12)
    if head[:4] != b"RIFF" or at < 0 or at + 8 > len(head):
        return
    claimed = int.from_bytes(head[at + 4 : at + 8], "little")
    there = os.fstat(file.fileno()).st_size - at - 8
    if claimed < _UNKNOWN_SIZE and claimed > there + 1:
        raise BrokenMedia(f"The header says {claimed} bytes of sound, {there} are there.")


def _facts(
    demuxer: str,
    head: bytes,
    video: "VideoStream | None",
    audio: "AudioStream | None",
    pictures: _Found,
    sounds: _Found,
) -> Facts:
    media_type = _TYPES[demuxer][0 if video is None else 1]
    if media_type == "video/x-matroska" and b"webm" in head[:64]:
        media_type = "video/webm"
    if media_type == "video/mp4" and head[8:12] == b"qt  ":
        media_type = "video/quicktime"
    has_audio = audio is not None and sounds.packets > 0
    rate, channels = (
        (audio.codec_context.sample_rate, audio.codec_context.channels)
        if audio and has_audio
        else (0, 0)
    )
    if video is None:
        return Facts(
            modality=Modality.AUDIO,
            media_type=media_type,
            seconds=round(sounds.seconds or sounds.decoded / rate, 6),
            rate=rate,
            channels=channels,
        )
    fps = _fps(video, pictures)
    return Facts(
        modality=Modality.VIDEO,
        media_type=media_type,
        width=pictures.width,
        height=pictures.height,
        seconds=round(max(pictures.seconds, sounds.seconds) or pictures.packets / fps, 6),
        fps=fps,
        frames=pictures.packets,
        has_audio=has_audio,
        rate=rate or None,
        channels=channels or None,
    )


def _fps(video: "VideoStream", pictures: _Found) -> float:
    """What the header says if the packets agree, else what they show."""
    shown = pictures.packets / pictures.seconds if pictures.seconds > 0 else 0.0
    said = float(video.average_rate or 0)
    if said and (not shown or 0.5 < said / shown < 2):
        return round(said, 6)
    return round(min(shown or 25.0, 1000.0), 6)

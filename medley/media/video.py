"""Video: pictures out of a file as they are needed, and pictures and sound into an MP4 that every
browser plays.
"""

from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from medley.errors import BadInput, BrokenMedia
from medley.media.sound import check_sound, open_track, read_sound, resample, stereo
from medley.media.values import Audio, Video

if TYPE_CHECKING:
    from PIL.Image import Image

_SEEK_BEYOND = 6.0  # seconds; a nearer picture is reached by decoding on
_AAC_RATE = 48_000
_AUDIO_BLOCK = 1024


def open_video(path: Path) -> Video:
    """A handle on a video file, from its headers. Raises `BrokenMedia`."""
    import av

    with path.open("rb") as file:
        try:
            with open_track(file) as container:
                stream = _picture_track(container)
                frames_there = (f for packet in container.demux(stream) for f in _decoded(packet))
                frame = next(frames_there, None)
                if frame is None:
                    raise BrokenMedia("The video holds no picture that can be decoded.")
                picture = _upright(frame)
                fps = float(stream.average_rate or stream.guessed_rate or 25)
                seconds = container.duration / 1_000_000 if container.duration else 0.0
                return Video(
                    path=path,
                    width=picture.width,
                    height=picture.height,
                    fps=fps,
                    seconds=seconds or float(stream.frames / fps),
                    has_audio=bool(container.streams.audio),
                )
        except (av.error.FFmpegError, UnicodeDecodeError, ValueError) as error:
            raise BrokenMedia(f"The video cannot be decoded: {error}") from error


def _picture_track(container: Any) -> Any:
    from av.stream import Disposition

    for stream in container.streams.video:
        if not stream.disposition & Disposition.attached_pic:
            stream.thread_type = "AUTO"
            return stream
    raise BrokenMedia("The file has no picture track.")


def _upright(frame: Any) -> "Image":
    picture: Image = frame.to_image()
    return picture.rotate(frame.rotation, expand=True) if frame.rotation else picture


def frames(
    video: Video,
    *,
    fps: float | None = None,
    count: int | None = None,
    start: float = 0.0,
    end: float | None = None,
) -> "Iterator[Image]":
    """RGB pictures between `start` and `end` seconds, upright, in order.

    With `count`, that many, evenly spread (from the middle of equal stretches); with `fps`, at that
    rate; else every one there is. Raises `BrokenMedia` when nothing can be decoded.
    """
    end = video.seconds if end is None else min(end, video.seconds)
    if count is not None:
        step = max(0.0, end - start) / count
        yield from _at(video, [start + step * (index + 0.5) for index in range(count)])
    elif fps is not None:
        number = max(1, round((end - start) * fps))
        yield from _at(video, [start + index / fps for index in range(number)])
    else:
        for at, picture in _timed(video.path, start):
            if at >= end and at > start:
                return
            if at >= start - 1e-6:
                yield picture()


def _at(video: Video, times: list[float]) -> "Iterator[Image]":
    """For each of the ascending times the picture that is shown then."""
    shown: Callable[[], Image] | None = None
    following: tuple[float, Callable[[], Image]] | None = None
    source = iter(_timed(video.path, times[0]))
    made: tuple[Callable[[], Image], Image] | None = None
    for time in times:
        if following is not None and time - following[0] > _SEEK_BEYOND:
            source, following = iter(_timed(video.path, time)), None
        while following is None or following[0] <= time + 1e-6:
            if following is not None:
                shown = following[1]
            following = next(source, (float("inf"), _nothing))
        if shown is None:  # before the first picture
            shown = following[1]
        if made is None or made[0] is not shown:
            made = (shown, shown())
        yield made[1].copy()


def _nothing() -> "Image":
    raise BrokenMedia("The video holds no picture that can be decoded.")


def _timed(path: Path, start: float) -> "Iterator[tuple[float, Callable[[], Image]]]":
    """Seconds from the video's beginning and a function that makes the picture, from a little
    before `start` on.
    """
    import av

    with path.open("rb") as file:
        try:
            with open_track(file) as container:
                stream = _picture_track(container)
                zero = float((stream.start_time or 0) * stream.time_base)
                if start > _SEEK_BEYOND:
                    container.seek(int((start + zero) / stream.time_base), stream=stream)
                step = 1 / float(stream.average_rate or 25)
                at = -step
                for packet in container.demux(stream):
                    for frame in _decoded(packet):
                        at = frame.time - zero if frame.time is not None else at + step
                        yield at, _maker(frame)
        except (av.error.FFmpegError, UnicodeDecodeError, ValueError) as error:
            raise BrokenMedia(f"The video cannot be decoded: {error}") from error


def _maker(frame: Any) -> "Callable[[], Image]":
    return lambda: _upright(frame)


def _decoded(packet: Any) -> list[Any]:
    import av

    try:
        return list(packet.decode())
    except av.error.FFmpegError:  # one damaged packet; players pass over it
        return []


def sound(video: Video) -> Audio | None:
    """The video's first sound track; None when it is silent."""
    return read_sound(video.path) if video.has_audio else None


def write(
    path: Path,
    pictures: "Iterable[Image]",
    *,
    fps: float,
    audio: Audio | None = None,
    tick: Callable[[int], None] | None = None,
) -> Video:
    """Writes an MP4 (H.264 yuv420p, AAC, index at the front). The first picture gives the size,
    rounded to even.

    `audio` begins with the first picture and is written whole. `tick` hears the number of pictures
    written; what it raises passes through. Raises `BadInput` when there is no picture.
    """
    import av

    rate = Fraction(fps).limit_denominator(1001)
    with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as container:
        picture_track, size, number = None, (0, 0), 0
        voice = _Voice(container, audio) if audio is not None else None
        for picture in pictures:
            if picture_track is None:
                size = (max(2, picture.width & ~1), max(2, picture.height & ~1))
                picture_track = _add_picture_track(container, rate, size)
            frame = av.VideoFrame.from_ndarray(np.asarray(_fitted(picture, size)), format="rgb24")
            frame.pts, frame.time_base = number, 1 / rate
            container.mux(picture_track.encode(frame))
            number += 1
            if voice is not None:
                voice.write_until(number / fps)
            if tick is not None:
                tick(number)
        if picture_track is None:
            raise BadInput("A video needs at least one picture.")
        container.mux(picture_track.encode(None))
        if voice is not None:
            voice.finish()
    seconds = max(number / fps, audio.seconds if audio is not None else 0.0)
    return Video(
        path=path,
        width=size[0],
        height=size[1],
        fps=float(rate),
        seconds=seconds,
        has_audio=audio is not None,
    )


def _add_picture_track(container: Any, rate: Fraction, size: tuple[int, int]) -> Any:
    track = container.add_stream("libx264", rate=rate, options={"preset": "veryfast", "crf": "20"})
    track.width, track.height = size
    track.pix_fmt = "yuv420p"
    track.time_base = track.codec_context.time_base = 1 / rate
    return track


def _fitted(picture: "Image", size: tuple[int, int]) -> "Image":
    """The picture in RGB on a black canvas of this size, as large as fits; a single row or column
    is cut off.
    """
    from PIL import Image as images
    from PIL import ImageOps

    if picture.mode != "RGB":
        picture = flat(picture)
    if picture.size == size:
        return picture
    if 0 <= picture.width - size[0] <= 1 and 0 <= picture.height - size[1] <= 1:
        return picture.crop((0, 0, *size))
    return ImageOps.pad(picture, size, images.Resampling.LANCZOS, color=(0, 0, 0))


def flat(picture: "Image", background: tuple[int, int, int] = (255, 255, 255)) -> "Image":
    """The picture in RGB; what is transparent shows the background."""
    from PIL import Image as images

    if not picture.has_transparency_data:
        return picture.convert("RGB")
    picture = picture.convert("RGBA")
    sheet = images.new("RGBA", picture.size, (*background, 255))
    return images.alpha_composite(sheet, picture).convert("RGB")


class _Voice:
    """The AAC track, fed in step with the pictures so that a player finds both side by side."""

    def __init__(self, container: Any, audio: Audio) -> None:
        check_sound(audio)
        self._container = container
        self._samples = np.ascontiguousarray(
            np.clip(stereo(resample(audio, _AAC_RATE)).samples, -1, 1)
        )
        self._track = container.add_stream("aac", rate=_AAC_RATE, layout="stereo")
        self._at = 0

    def write_until(self, seconds: float) -> None:
        """Writes whole blocks up to this time."""
        end = min(self._samples.shape[1], int(seconds * _AAC_RATE))
        while self._at + _AUDIO_BLOCK <= end:
            self._write(_AUDIO_BLOCK)

    def finish(self) -> None:
        """Writes what is left."""
        while self._at < self._samples.shape[1]:
            self._write(min(_AUDIO_BLOCK, self._samples.shape[1] - self._at))
        self._container.mux(self._track.encode(None))

    def _write(self, count: int) -> None:
        import av

        block = np.ascontiguousarray(self._samples[:, self._at : self._at + count])
        frame = av.AudioFrame.from_ndarray(block, format="fltp", layout="stereo")
        frame.rate, frame.pts, frame.time_base = _AAC_RATE, self._at, Fraction(1, _AAC_RATE)
        self._container.mux(self._track.encode(frame))
        self._at += count

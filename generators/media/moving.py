"""Tools on videos: cut, sequence, stills, sound tracks, slideshows. Videos stay in files; pictures
pass one at a time.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from generators.media.sound import alike, cut
from generators.media.work import MAX_FRAMES, Work
from medley.errors import BadInput
from medley.media import video as films
from medley.media.values import Audio, Video
from medley.toolset.media import FramesParams, SlideshowParams, TrimParams

_MAX_FPS = 120.0
_SHORTEST_SIDE = 256  # of a slideshow, so that small drawings are not lost on a screen
_LONGEST_SIDE = 1920


def trim_video(work: Work) -> Mapping[str, Any]:
    """The stretch between start and end, with its sound, encoded anew."""
    video, stretch = work.one("video", Video), work.params(TrimParams)
    end = video.seconds if stretch.end is None else min(stretch.end, video.seconds)
    if stretch.start >= video.seconds or end <= stretch.start:
        raise BadInput(f"The video is {video.seconds:.2f} seconds long; nothing is left.")
    audio = films.sound(video)
    if audio is not None:
        audio = cut(audio, stretch.start, end) if stretch.start < audio.seconds else None
    fps = _fps(video)
    pictures = films.frames(video, fps=fps, start=stretch.start, end=end)
    return {"video": _write(work, pictures, fps, audio, total=_count((end - stretch.start) * fps))}


def concat_video(work: Work) -> Mapping[str, Any]:
    """One after the other, in the size and at the rate of the first; silence stays silent."""
    videos = work.many("videos", Video)
    fps = _fps(videos[0])
    total = _count(sum(video.seconds for video in videos) * fps)
    pictures = chain.from_iterable(films.frames(video, fps=fps) for video in videos)
    return {"video": _write(work, pictures, fps, _joined_sound(videos, fps), total=total)}


def extract_frames(work: Work) -> Mapping[str, Any]:
    """Stills from the middle of equal stretches."""
    video, count = work.one("video", Video), work.params(FramesParams).count
    pictures = []
    for picture in films.frames(video, count=count):
        pictures.append(picture)
        work.control.tick(len(pictures), count)
    return {"images": pictures}


def extract_audio(work: Work) -> Mapping[str, Any]:
    """The first sound track."""
    audio = films.sound(work.one("video", Video))
    if audio is None:
        raise BadInput("The video is silent.")
    return {"audio": audio}


def slideshow(work: Work) -> Mapping[str, Any]:
    """Each picture for its time; the sound's length, where there is a sound, is shared out among
    them.
    """
    pictures, wanted = work.many("images", Image.Image), work.params(SlideshowParams)
    audio = work.maybe("audio", Audio)
    each = audio.seconds / len(pictures) if audio is not None else wanted.seconds
    total = _count(max(len(pictures), each * len(pictures) * wanted.fps))
    size = _slide_size(pictures[0])

    def slides() -> Iterator[Image.Image]:
        shown, slide = -1, pictures[0]
        for number in range(total):
            index = min(len(pictures) - 1, number * len(pictures) // total)
            if index != shown:
                shown = index
                slide = ImageOps.pad(films.flat(pictures[index]), size, color=(255, 255, 255))
            yield slide

    return {"video": _write(work, slides(), wanted.fps, audio, total=total)}


def mux(work: Work) -> Mapping[str, Any]:
    """The pictures with another sound, which ends with them at the latest."""
    video, audio = work.one("video", Video), work.one("audio", Audio)
    fps = _fps(video)
    audio = cut(audio, 0.0, max(video.seconds, 1 / fps))
    pictures = films.frames(video, fps=fps)
    return {"video": _write(work, pictures, fps, audio, total=_count(video.seconds * fps))}


def _write(
    work: Work, pictures: Iterator[Image.Image], fps: float, audio: Audio | None, *, total: int
) -> Video:
    tick = work.ticker(total)
    tick(0)
    return films.write(work.file(".mp4"), pictures, fps=fps, audio=audio, tick=tick)


def _fps(video: Video) -> float:
    return min(video.fps, _MAX_FPS) if video.fps > 0 else 25.0


def _count(frames: float) -> int:
    count = max(1, round(frames))
    if count > MAX_FRAMES:
        raise BadInput(f"{count} frames are more than {MAX_FRAMES}.")
    return count


def _slide_size(first: Image.Image) -> tuple[int, int]:
    factor = max(1.0, _SHORTEST_SIDE / min(first.size))
    factor = min(factor, _LONGEST_SIDE / max(first.size))
    return max(2, round(first.width * factor)), max(2, round(first.height * factor))


def _joined_sound(videos: Sequence[Video], fps: float) -> Audio | None:
    """The sound tracks in a row, each as long as its pictures; None when all are silent."""
    tracks = [films.sound(video) for video in videos]
    heard = [track for track in tracks if track is not None]
    if not heard:
        return None
    same = alike(heard)
    rate, count = same[0].rate, len(same[0].samples)
    pieces = []
    for video, track in zip(videos, tracks, strict=True):
        length = round(round(video.seconds * fps) / fps * rate)
        piece = np.zeros((count, length), np.float32)
        if track is not None:
            samples = same.pop(0).samples[:, :length]
            piece[:, : samples.shape[1]] = samples
        pieces.append(piece)
    return Audio(samples=np.concatenate(pieces, axis=1), rate=rate)

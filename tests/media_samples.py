"""Small real media files, made on the spot, for tests."""

import io
from fractions import Fraction
from pathlib import Path

import numpy as np
import soundfile
from PIL import Image

from medley.media.values import Audio, Video


def picture(width: int = 60, height: int = 40, colour: str = "teal") -> Image.Image:
    """A plain picture with one red corner, so that turning it shows."""
    image = Image.new("RGB", (width, height), colour)
    image.paste((255, 0, 0), (0, 0, width // 4, height // 4))
    return image


def picture_bytes(kind: str = "PNG", image: Image.Image | None = None, **options: object) -> bytes:
    """The picture as a file of this Pillow format."""
    buffer = io.BytesIO()
    (image or picture()).save(buffer, kind, **options)  # type: ignore[arg-type]
    return buffer.getvalue()


def tone(
    seconds: float = 1.0, hertz: float = 440.0, rate: int = 16_000, channels: int = 1
) -> Audio:
    """A sine wave at a third of full scale."""
    time = np.arange(round(seconds * rate)) / rate
    wave = (np.sin(2 * np.pi * hertz * time) / 3).astype(np.float32)
    return Audio(samples=np.repeat(wave[None], channels, axis=0), rate=rate)


def tone_bytes(kind: str = "WAV", subtype: str | None = None, **options: float) -> bytes:
    """The tone as a file of this libsndfile format."""
    audio = tone(**options)  # type: ignore[arg-type]
    buffer = io.BytesIO()
    soundfile.write(buffer, audio.samples.T, audio.rate, format=kind, subtype=subtype)
    return buffer.getvalue()


def clip(path: Path, *, seconds: float = 1.0, fps: int = 8, audio: Audio | None = None) -> Video:
    """An MP4 whose grey rises from black to white."""
    from medley.media import video

    count = round(seconds * fps)
    shades = [Image.new("RGB", (64, 48), (255 * i // max(1, count - 1),) * 3) for i in range(count)]
    return video.write(path, shades, fps=fps, audio=audio)


def clip_bytes(
    container: str = "mp4", codec: str = "libx264", sound: str | None = "aac", frames: int = 16
) -> bytes:
    """A short video file of this container and these codecs, eight frames a second."""
    import av

    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as out:
        track = out.add_stream(codec, rate=8)
        track.width, track.height = 64, 48
        track.pix_fmt = "yuv422p10le" if codec == "prores_ks" else "yuv420p"
        voice = out.add_stream(sound, rate=48_000, layout="mono") if sound else None
        for index in range(frames):
            frame = av.VideoFrame.from_ndarray(
                np.full((48, 64, 3), index * 8, np.uint8), format="rgb24"
            )
            frame.pts, frame.time_base = index, Fraction(1, 8)
            out.mux(track.encode(frame))
        out.mux(track.encode(None))
        if voice is not None:
            samples = tone(frames / 8, rate=48_000).samples
            if sound == "pcm_s16le":
                block = av.AudioFrame.from_ndarray(
                    (samples * 32_767).astype(np.int16), format="s16", layout="mono"
                )
            else:
                block = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
            block.rate, block.pts = 48_000, 0
            out.mux(voice.encode(block))
            out.mux(voice.encode(None))
    return buffer.getvalue()

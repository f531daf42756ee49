"""Sound: from a file's bytes to float32 samples and back, and the few operations that everybody
needs.
"""

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import numpy.typing as npt

from medley.errors import BadInput, BrokenMedia
from medley.media.containers import open_container
from medley.media.signatures import head_of, sniff
from medley.media.values import Audio

if TYPE_CHECKING:
    from av.container import InputContainer

#: File formats that sound can be written in: name -> media type, libsndfile's format and subtype.
FORMATS = {
    "wav": ("audio/wav", "WAV", "PCM_16"),
    "flac": ("audio/flac", "FLAC", "PCM_16"),
    "mp3": ("audio/mpeg", "MP3", "MPEG_LAYER_III"),
    "ogg": ("audio/ogg", "OGG", "VORBIS"),
    "opus": ("audio/ogg", "OGG", "OPUS"),
    "aac": ("audio/aac", "", ""),  # by FFmpeg
}
_OPUS_RATES = (8000, 12000, 16000, 24000, 48000)
_MP3_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
# samples per write: libsndfile's Vorbis encoder overflows its stack on very long ones
_BLOCK = 1 << 16


def open_track(file: BinaryIO) -> "InputContainer":
    """The container that the file's first bytes name. Raises `BrokenMedia` when they name none."""
    reader = sniff(head_of(file))
    if reader is None or reader.kind != "track":
        raise BrokenMedia("This is neither a sound nor a video.")
    return open_container(file, reader.name)


def read_sound(path: Path, *, max_seconds: float = 3600.0) -> Audio | None:
    """The first sound track of a sound or video file, float32 (channels, samples); None when there
    is none.

    Damaged packets are passed over, as players do. Raises `BrokenMedia` when nothing can be
    decoded.
    """
    import av

    with path.open("rb") as file:
        try:
            with open_track(file) as container:
                if not container.streams.audio:
                    return None
                return _decoded(container, max_seconds)
        except (av.error.FFmpegError, UnicodeDecodeError, ValueError) as error:
            raise BrokenMedia(f"The sound cannot be decoded: {error}") from error


def _decoded(container: "InputContainer", max_seconds: float) -> Audio:
    import av

    stream = container.streams.audio[0]
    rate = stream.codec_context.sample_rate
    resampler = av.AudioResampler(format="fltp", layout=stream.codec_context.layout, rate=rate)
    pieces: list[npt.NDArray[Any]] = []
    count = 0
    for packet in container.demux(stream):
        try:
            frames = [out for frame in packet.decode() for out in resampler.resample(frame)]
        except av.error.FFmpegError:
            continue
        for frame in frames:
            pieces.append(frame.to_ndarray())
            count += frame.samples
        if count > max_seconds * rate:
            raise BrokenMedia(f"The sound goes on for more than {max_seconds:g} seconds.")
    pieces += [frame.to_ndarray() for frame in resampler.resample(None)]
    if not pieces:
        raise BrokenMedia("The sound track is empty.")
    samples = np.concatenate(pieces, axis=1).astype(np.float32, copy=False)
    return Audio(samples=np.nan_to_num(samples, nan=0.0, posinf=1.0, neginf=-1.0), rate=rate)


def write_sound(audio: Audio, format_name: str = "wav") -> bytes:
    """The sound as a file: 16-bit WAV or FLAC, MP3, Ogg Vorbis or Opus, AAC in ADTS. Peaks beyond 1
    are clipped.

    Raises `BadInput` for an empty sound or a format that is not in `FORMATS`.
    """
    import soundfile

    if format_name not in FORMATS:
        raise BadInput(
            f"Sound cannot be written as {format_name!r}; possible: {', '.join(FORMATS)}."
        )
    check_sound(audio)
    _, container, subtype = FORMATS[format_name]
    if container == "MP3" and audio.rate not in _MP3_RATES:
        audio = resample(audio, 44100)
    if subtype == "OPUS" and audio.rate not in _OPUS_RATES:
        audio = resample(audio, 48000)
    if container not in ("WAV", "FLAC") and audio.samples.shape[0] > 2:
        audio = stereo(audio)
    if format_name == "aac":
        return _aac(audio)
    samples = np.clip(audio.samples, -1.0, 1.0).T
    buffer = io.BytesIO()
    with soundfile.SoundFile(
        buffer,
        "w",
        samplerate=audio.rate,
        channels=samples.shape[1],
        format=container,
        subtype=subtype,
    ) as out:
        for at in range(0, len(samples), _BLOCK):
            out.write(samples[at : at + _BLOCK])
    return buffer.getvalue()


def _aac(audio: Audio) -> bytes:
    """AAC in ADTS, which has no header of its own."""
    import av

    if audio.rate not in _MP3_RATES:
        audio = resample(audio, 44100)
    layout = "mono" if len(audio.samples) == 1 else "stereo"
    samples = np.ascontiguousarray(np.clip(audio.samples, -1.0, 1.0))
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="adts") as container:
        stream = container.add_stream("aac", rate=audio.rate, layout=layout)
        for at in range(0, samples.shape[1], _BLOCK):
            block = np.ascontiguousarray(samples[:, at : at + _BLOCK])
            frame = av.AudioFrame.from_ndarray(block, format="fltp", layout=layout)
            frame.sample_rate = audio.rate
            frame.pts = at
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return buffer.getvalue()


def check_sound(audio: Audio) -> None:
    """Raises `BadInput` unless the samples are (channels, n), not empty and finite, at a sensible
    rate.
    """
    shape = audio.samples.shape
    if len(shape) != 2 or not 1 <= shape[0] <= 8 or shape[1] < 1:
        raise BadInput(
            f"A sound has 1 to 8 channels and at least one sample, not the shape {shape}."
        )
    if not 1000 <= audio.rate <= 192_000:
        raise BadInput(f"A sound has a rate between 1,000 and 192,000 Hz, not {audio.rate}.")
    if not np.isfinite(audio.samples).all():
        raise BadInput("The sound holds values that are not finite.")


def resample(audio: Audio, rate: int) -> Audio:
    """The same sound at another sample rate in Hz (soxr, high quality)."""
    import soxr

    if audio.rate == rate:
        return audio
    samples = soxr.resample(np.ascontiguousarray(audio.samples.T), audio.rate, rate, quality="HQ")
    return Audio(samples=np.ascontiguousarray(samples.T.astype(np.float32, copy=False)), rate=rate)


def mono(audio: Audio) -> Audio:
    """The mean of the channels, shape (1, samples)."""
    return Audio(
        samples=audio.samples.mean(axis=0, keepdims=True, dtype=np.float32), rate=audio.rate
    )


def stereo(audio: Audio) -> Audio:
    """Two channels: mono is doubled, more than two are mixed down to the first two's sides."""
    samples = audio.samples
    if len(samples) == 1:
        samples = np.repeat(samples, 2, axis=0)
    elif len(samples) > 2:
        samples = np.stack([samples[0::2].mean(axis=0), samples[1::2].mean(axis=0)])
    return Audio(samples=samples, rate=audio.rate)


def channels(audio: Audio, count: int) -> Audio:
    """The sound in one or two channels."""
    if len(audio.samples) == count:
        return audio
    return mono(audio) if count == 1 else stereo(audio)

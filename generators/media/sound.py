"""Tools on sounds: file format, cut, sequence, mix, drawings."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from generators.media.work import Work
from medley.errors import BadInput
from medley.media.drawing import spectrogram as draw_spectrogram
from medley.media.drawing import waveform as draw_waveform
from medley.media.sound import FORMATS, channels, check_sound, mono, resample, write_sound
from medley.media.values import Audio, Encoded
from medley.toolset.media import ConvertAudioParams, MixParams, TrimParams

_MAX_SECONDS = 3600.0


def convert_audio(work: Work) -> Mapping[str, Any]:
    """The sound as a WAV, FLAC, MP3, Ogg Vorbis, Ogg Opus or AAC file."""
    params = work.params(ConvertAudioParams)
    audio = work.one("audio", Audio)
    if params.rate is not None:
        check_sound(audio)
        audio = resample(mono(audio), params.rate)
    wanted = params.codec or params.format
    data = write_sound(audio, wanted)
    return {"audio": Encoded(media_type=FORMATS[wanted][0], data=data)}


def trim_audio(work: Work) -> Mapping[str, Any]:
    """The stretch between start and end."""
    audio, stretch = work.one("audio", Audio), work.params(TrimParams)
    return {"audio": cut(audio, stretch.start, stretch.end)}


def concat_audio(work: Work) -> Mapping[str, Any]:
    """One after the other, at the highest of their rates."""
    sounds = alike(work.many("audios", Audio))
    _check_length(sum(sound.seconds for sound in sounds))
    samples = np.concatenate([sound.samples for sound in sounds], axis=1)
    return {"audio": Audio(samples=samples, rate=sounds[0].rate)}


def mix_audio(work: Work) -> Mapping[str, Any]:
    """All at once, each with its gain; turned down together where the sum would clip."""
    sounds, gains = work.many("audios", Audio), work.params(MixParams).gains
    if gains and len(gains) != len(sounds):
        raise BadInput(f"{len(gains)} gains for {len(sounds)} sounds; give one for each, or none.")
    sounds = alike(sounds)
    length = max(sound.samples.shape[1] for sound in sounds)
    mixed = np.zeros((len(sounds[0].samples), length), np.float32)
    for sound, gain in zip(sounds, gains or [1.0] * len(sounds), strict=True):
        mixed[:, : sound.samples.shape[1]] += np.float32(gain) * sound.samples
    if not np.isfinite(mixed).all():
        raise BadInput("These gains are too large.")
    mixed /= np.float32(max(1.0, float(np.abs(mixed).max())))
    return {"audio": Audio(samples=mixed, rate=sounds[0].rate)}


def waveform(work: Work) -> Mapping[str, Any]:
    """Samples over time."""
    return {"image": draw_waveform(work.one("audio", Audio))}


def spectrogram(work: Work) -> Mapping[str, Any]:
    """Frequencies over time."""
    return {"image": draw_spectrogram(work.one("audio", Audio))}


def cut(audio: Audio, start: float, end: float | None) -> Audio:
    """The samples between two times in seconds. Raises `BadInput` when none are there."""
    check_sound(audio)
    if end is not None and end <= start:
        raise BadInput("The end must come after the start.")
    last = None if end is None else round(end * audio.rate)
    samples = audio.samples[:, round(start * audio.rate) : last]
    if not samples.shape[1]:
        raise BadInput(f"The sound is over after {audio.seconds:.2f} seconds; nothing is left.")
    return Audio(samples=samples.copy(), rate=audio.rate)


def alike(sounds: Sequence[Audio]) -> list[Audio]:
    """The sounds at one rate and with one number of channels (1 or 2), the highest among them."""
    for sound in sounds:
        check_sound(sound)
    rate = max(sound.rate for sound in sounds)
    count = min(2, max(len(sound.samples) for sound in sounds))
    return [channels(resample(sound, rate), count) for sound in sounds]


def _check_length(seconds: float) -> None:
    if seconds > _MAX_SECONDS:
        raise BadInput(f"{seconds:.0f} seconds of sound are more than {_MAX_SECONDS:.0f}.")

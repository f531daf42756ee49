"""What sounds are made of: tones, noises, envelopes, resonances; two seconds at 16 kHz."""

import numpy as np
from numpy.typing import NDArray

Wave = NDArray[np.float64]
Dice = np.random.Generator

RATE = 16_000
SAMPLES = 2 * RATE
TIME: Wave = np.arange(SAMPLES) / RATE


def tone(frequency: Wave | float, harmonics: tuple[float, ...] = (1.0,)) -> Wave:
    """Harmonics of a frequency in Hz that may change over time."""
    phase = 2 * np.pi * np.cumsum(np.broadcast_to(frequency, TIME.shape)) / RATE
    parts = [level * np.sin((k + 1) * phase) for k, level in enumerate(harmonics)]
    return np.asarray(np.sum(parts, axis=0))


def band(dice: Dice, low: float, high: float) -> Wave:
    """Noise between two frequencies in Hz, of mean square one."""
    spectrum = np.fft.rfft(dice.standard_normal(SAMPLES))
    frequency = np.fft.rfftfreq(SAMPLES, 1 / RATE)
    spectrum *= np.exp(-np.maximum(0, np.log(np.maximum(frequency, 1) / high)) * 4)
    spectrum *= np.exp(-np.maximum(0, np.log(low / np.maximum(frequency, 1))) * 4)
    noise = np.fft.irfft(spectrum, SAMPLES)
    return np.asarray(noise / np.sqrt(np.mean(noise**2)))


def decay(start: float, seconds: float, attack: float = 0.004) -> Wave:
    """An envelope that begins at `start` seconds and falls to 1/e within `seconds`."""
    since = TIME - start
    rise = np.clip(since / attack, 0, 1)
    return np.where(since < 0, 0.0, rise * np.exp(-np.maximum(since, 0) / seconds))


def swell(start: float, length: float) -> Wave:
    """An envelope that rises and falls smoothly between `start` and `start + length` seconds."""
    return np.sin(np.pi * np.clip((TIME - start) / length, 0, 1))


def beats(dice: Dice, low: float, high: float) -> list[float]:
    """Starts of regular strokes, `low` to `high` of them in a second."""
    gap = 1 / dice.uniform(low, high)
    return list(np.arange(dice.uniform(0, 0.1), 1.95, gap))


def formants(wave: Wave, centres: tuple[float, ...], width: float = 90.0) -> Wave:
    """The wave through resonances at these frequencies in Hz, as in a throat."""
    frequency = np.fft.rfftfreq(SAMPLES, 1 / RATE)
    shape = sum(1 / (1 + ((frequency - c) / width) ** 2) for c in centres)
    return np.asarray(np.fft.irfft(np.fft.rfft(wave) * (0.03 + shape), SAMPLES))


BUZZ = tuple(1 / k for k in range(1, 16))

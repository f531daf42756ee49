"""Drawings of sounds: waveform and spectrogram, by NumPy and Pillow alone."""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from medley.media.sound import check_sound, mono
from medley.media.values import Audio

if TYPE_CHECKING:
    from PIL.Image import Image

_PAPER, _INK, _LINE = (250, 250, 248), (46, 92, 138), (205, 205, 200)
_FLOOR_DB = -80.0
#: A dark-to-bright colour map: its stops at equal distances, linear in between.
_STOPS = np.array(
    [(8, 6, 24), (52, 16, 96), (124, 30, 118), (200, 60, 92), (246, 130, 62), (252, 240, 180)],
    np.float64,
)


def waveform(audio: Audio, *, width: int = 1024, height: int = 320) -> "Image":
    """The range of the samples over time, full scale being the height. RGB."""
    from PIL import Image

    check_sound(audio)
    samples = mono(audio).samples[0]
    edges = np.linspace(0, len(samples), width + 1).astype(int)
    middle = (height - 1) / 2
    sheet = np.full((height, width, 3), _PAPER, np.uint8)
    sheet[int(middle)] = _LINE
    rows = np.arange(height)
    for column in range(width):
        piece = samples[edges[column] : max(edges[column] + 1, edges[column + 1])]
        if not len(piece):
            continue
        top = middle - float(np.clip(piece.max(), -1, 1)) * middle
        bottom = middle - float(np.clip(piece.min(), -1, 1)) * middle
        sheet[(rows >= top - 0.5) & (rows <= bottom + 0.5), column] = _INK
    return Image.fromarray(sheet)


def spectrogram(audio: Audio, *, width: int = 1024, height: int = 320) -> "Image":
    """Power in decibels over time (left to right) and frequency (mel scale, low at the bottom).

    RGB.
    """
    from PIL import Image

    check_sound(audio)
    power = _power(mono(audio).samples[0], width)
    bands = _mel_bands(audio.rate, power.shape[1], height) @ power.T
    decibels = 10 * np.log10(np.maximum(bands, 1e-12))
    decibels -= decibels.max()
    level = np.clip(1 - decibels / _FLOOR_DB, 0, 1)[::-1]
    place = level * (len(_STOPS) - 1)
    low = np.minimum(place.astype(int), len(_STOPS) - 2)
    part = (place - low)[..., None]
    colours = _STOPS[low] * (1 - part) + _STOPS[low + 1] * part
    return Image.fromarray(colours.astype(np.uint8))


def _power(
    samples: npt.NDArray[np.float32], columns: int, size: int = 1024
) -> npt.NDArray[np.float64]:
    """Power spectra of Hann windows spread over the sound, shape (columns, size / 2 + 1)."""
    padded = np.pad(samples, (size // 2, size // 2 + 1))
    starts = np.linspace(0, max(0, len(padded) - size - 1), columns).astype(int)
    window = np.hanning(size)
    spectra = np.empty((columns, size // 2 + 1))
    for column, start in enumerate(starts):
        spectra[column] = np.abs(np.fft.rfft(padded[start : start + size] * window)) ** 2
    return spectra


def _mel_bands(rate: int, bins: int, bands: int) -> npt.NDArray[np.float64]:
    """Triangles at equal distances on O'Shaughnessy's mel scale, shape (bands, bins)."""
    top = 2595 * np.log10(1 + rate / 2 / 700)
    centres = 700 * (10 ** (np.linspace(0, top, bands + 2) / 2595) - 1)
    frequencies = np.linspace(0, rate / 2, bins)
    spacing = frequencies[1]
    filters = np.zeros((bands, bins))
    for band in range(bands):
        low, centre, high = centres[band : band + 3]
        low, high = min(low, centre - spacing), max(high, centre + spacing)
        rising, falling = (
            (frequencies - low) / (centre - low),
            (high - frequencies) / (high - centre),
        )
        filters[band] = np.maximum(0, np.minimum(rising, falling))
    sums = np.maximum(filters.sum(axis=1, keepdims=True), 1e-9)
    return np.asarray(filters / sums, np.float64)

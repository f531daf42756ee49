"""The cached spoken names as tensors, and a batched augmentation of speech."""

from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from starter.voices import RATE, SAMPLES, SPEECH

Split = Literal[
    "train",
    "train_others",
    "train_sounds",
    "heldout_espeak",
    "heldout_flite",
    "heldout_festival",
    "heldout_sounds",
]
_PADDED = 40_000  # room for an echo's tail; factors 2 and 5 only, for a quick FFT


@dataclass(frozen=True)
class Speech:
    """One split: memory-mapped samples and, row by row, what they are.

    `pcm` (N, 32000) int16, 16 kHz mono, speech from the first sample on; `label` (N,) int64;
    `language` "en" or "zh"; `voice` engine and voice; `text` what is said; `kind` "name",
    "synonym", or "sound" in the splits of sounds without words.
    """

    pcm: NDArray[np.int16]
    label: Tensor
    language: NDArray[np.str_]
    voice: NDArray[np.str_]
    text: NDArray[np.str_]
    kind: NDArray[np.str_]

    def rows(self, index: Tensor) -> Tensor:
        """The samples of these rows, (len(index), 32000) int16."""
        return torch.from_numpy(self.pcm[index.numpy()])


def have_speech(split: Split) -> bool:
    """Whether this split was made; those of synthesizers that were not fetched are not."""
    return (SPEECH / f"{split}_meta.npz").exists()


def load_speech(split: Split) -> Speech:
    """One split of the spoken names; FileNotFoundError before `python -m starter.fetch`."""
    pcm = np.load(SPEECH / f"{split}_pcm.npy", mmap_mode="r")
    with np.load(SPEECH / f"{split}_meta.npz") as meta:
        return Speech(
            pcm=pcm,
            label=torch.from_numpy(meta["label"]).long(),
            language=meta["language"],
            voice=meta["voice"],
            text=meta["text"],
            kind=meta["kind"],
        )


def augment_speech(pcm: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """A random rendering of each saying: speed and pitch, place in time, room, noise, gain.

    Args:
        pcm: (B, 32000) int16 at 16 kHz.
        generator: source of all randomness, on the CPU; None takes the global one.

    Returns:
        (B, 32000) float32 in -1..1.
    """
    wave = _speed_and_place(pcm.float() / 32768, generator)
    wave = _room(wave, generator)
    wave = wave + _noise(wave, generator)
    gain = 10 ** _uniform(len(wave), -1.2, 0.0, generator)
    peak = wave.abs().amax(1).clamp(min=1e-4)
    return wave * (gain / peak)[:, None]


def _uniform(count: int, low: float, high: float, generator: torch.Generator | None) -> Tensor:
    return low + (high - low) * torch.rand(count, generator=generator)


def _speed_and_place(wave: Tensor, generator: torch.Generator | None) -> Tensor:
    """Resample by 0.85 to 1.2 (speed and pitch together) and shift within the two seconds."""
    count = len(wave)
    factor = torch.exp(_uniform(count, -0.165, 0.18, generator))
    steps = torch.arange(SAMPLES)
    blocks = wave.abs().view(count, -1, 100).amax(2) > 1e-3
    length = (blocks * torch.arange(100, SAMPLES + 1, 100)).amax(1) / factor
    room = (SAMPLES - length).clamp(min=0, max=0.9 * RATE)
    shift = room * _uniform(count, 0.0, 1.0, generator)
    place = (steps - shift[:, None]) * factor[:, None]
    # One silent sample at each end, so that places outside the recording are silent.
    padded = F.pad(wave[:, :-1], (1, 2))
    place = (place + 1).clamp_(0, SAMPLES)
    index = place.long()
    left, right = padded.gather(1, index), padded.gather(1, index + 1)
    return torch.lerp(left, right, place - index)


def _room(wave: Tensor, generator: torch.Generator | None) -> Tensor:
    """A random colour of sound, sometimes a narrow band, sometimes an echoing room."""
    count = len(wave)
    knots = torch.randn(count, 1, 10, generator=generator) * 4
    curve = F.interpolate(knots, size=400, mode="linear", align_corners=True)[:, 0]
    curve = curve + _uniform(count, -10, 5, generator)[:, None] * torch.linspace(0, 1, 400)
    frequency = torch.linspace(0, RATE / 2, 400)
    narrow = (torch.rand(count, 1, generator=generator) < 0.2).float()
    top = _uniform(count, 2500, 5000, generator)[:, None]
    band = torch.sigmoid((top - frequency) / 150) * torch.sigmoid((frequency - 200) / 40)
    colour = 10 ** (curve / 20) * (1 - narrow * (1 - band))
    colour = F.interpolate(colour[:, None], size=_PADDED // 2 + 1, mode="linear")[:, 0]
    echo = _echo(count, generator)
    spectrum = torch.fft.rfft(wave, _PADDED)
    spectrum *= torch.fft.rfft(echo, _PADDED)
    spectrum *= colour
    heard: Tensor = torch.fft.irfft(spectrum, _PADDED)
    return heard[:, :SAMPLES]


def _echo(count: int, generator: torch.Generator | None) -> Tensor:
    """Responses of rooms: the direct sound and, on one of three, a decaying noise after it."""
    seconds = torch.arange(RATE // 4) / RATE
    decay = _uniform(count, 0.02, 0.12, generator)[:, None]
    echo = torch.randn(count, RATE // 4, generator=generator) * torch.exp(-seconds / decay)
    wet = (torch.rand(count, 1, generator=generator) < 0.35).float()
    level = wet * _uniform(count, 0.1, 1.0, generator)[:, None]
    echo *= level / echo.square().sum(1, keepdim=True).sqrt()
    echo[:, 0] += 1
    return echo


@cache
def _noise_reel() -> Tensor:
    """Eight reels of 20 seconds of noise, from white to brown, each of mean square one."""
    length = 20 * RATE
    bins = length // 2 + 1
    generator = torch.Generator().manual_seed(0)
    slope = torch.linspace(0, 1.2, 8)[:, None]
    shape = torch.linspace(1 / bins, 1, bins).clamp(min=0.005) ** -slope
    real, imaginary = torch.randn(2, 8, bins, generator=generator)
    noise: Tensor = torch.fft.irfft(torch.complex(real, imaginary) * shape, length)
    return noise / noise.square().mean(1, keepdim=True).sqrt()


def _noise(wave: Tensor, generator: torch.Generator | None) -> Tensor:
    """Coloured noise at 8 to 45 dB below the speech, with a little babble of the batch itself."""
    count = len(wave)
    pieces = _noise_reel().unfold(1, SAMPLES, 1)
    reel = torch.randint(pieces.shape[0], (count,), generator=generator)
    start = torch.randint(pieces.shape[1], (count,), generator=generator)
    loud = wave.square().mean(1).sqrt().clamp(min=1e-5)
    level = loud * 10 ** (-_uniform(count, 8, 45, generator) / 20)
    noise = pieces[reel, start] * level[:, None]
    order = torch.randperm(count, generator=generator)
    babble = (torch.rand(count, generator=generator) < 0.15).float()
    babble = babble * 10 ** (-_uniform(count, 14, 30, generator) / 20)
    return noise.addcmul_(wave[order], (babble * loud / loud[order])[:, None])

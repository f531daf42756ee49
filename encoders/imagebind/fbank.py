"""Log-mel filter banks as Kaldi computes them, in torch: no torchaudio.

Source: Kaldi's `compute-fbank-feats` (Povey et al., 2011) with the options of ImageBind's
published preprocessing: 25 ms Hann windows every 10 ms, pre-emphasis 0.97, power spectrum, HTK mel
scale, no dither, no energy.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

PRE_EMPHASIS = 0.97
LOWEST_HZ = 20.0
FLOOR = float(torch.finfo(torch.float32).eps)


def fbank(wave: Tensor, rate: int, mel_bins: int) -> Tensor:
    """Log-mel energies (..., frames, mel_bins) of sound (..., samples); frames = 1 + (samples - 25
    ms) // 10 ms.

    Sound shorter than one window is padded with silence to one window.
    """
    length, shift = rate * 25 // 1000, rate * 10 // 1000
    size = 1 << (length - 1).bit_length()
    if wave.shape[-1] < length:
        wave = torch.nn.functional.pad(wave, (0, length - wave.shape[-1]))
    frames = wave.float().unfold(-1, length, shift)
    frames = frames - frames.mean(dim=-1, keepdim=True)
    before = torch.cat([frames[..., :1], frames[..., :-1]], dim=-1)
    window = torch.hann_window(length, periodic=False, device=wave.device)
    spectrum = torch.fft.rfft((frames - PRE_EMPHASIS * before) * window, n=size)
    power = spectrum.real.square() + spectrum.imag.square()
    mel: Tensor = (power @ mel_filters(mel_bins, size, rate).to(wave.device)).clamp_min(FLOOR).log()
    return mel


@lru_cache(maxsize=8)
def mel_filters(bins: int, size: int, rate: int) -> Tensor:
    """Triangles on the mel axis from 20 Hz to half the rate: (size // 2 + 1, bins)."""
    edges = torch.linspace(_mel(LOWEST_HZ), _mel(rate / 2), bins + 2, dtype=torch.float64)
    left, centre, right = edges[:-2], edges[1:-1], edges[2:]
    hertz = torch.arange(size // 2, dtype=torch.float64) * rate / size
    at = (1127.0 * torch.log1p(hertz / 700.0)).unsqueeze(1)
    rising, falling = (at - left) / (centre - left), (right - at) / (right - centre)
    weights = torch.minimum(rising, falling).clamp_min(0.0)
    return torch.cat([weights, weights.new_zeros(1, bins)]).float()


def _mel(hertz: float) -> float:
    return float(1127.0 * torch.log1p(torch.tensor(hertz / 700.0, dtype=torch.float64)))

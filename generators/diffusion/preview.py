"""Previews: a small picture of what a denoising loop is heading for.

Our own pipeline works on pixels, so its expected clean picture is the preview. Latent pipelines
have a preview when a tiny autoencoder of their latent space was named (`preview_vae`). All others
have none.
"""

import time
from typing import Any

from PIL import Image

from generators.diffusion.steps import StepCall

MAX_SIDE = 256


class Previewer:
    """Makes at most one preview per `seconds`; `picture` gives None in between."""

    def __init__(self, pipeline: Any, tiny_vae: Any, seconds: float) -> None:
        self._pixels = type(pipeline).__name__ == "PixelFlowPipeline"
        self._vae = tiny_vae
        self._seconds = seconds
        self._last = time.monotonic() if seconds > 0 else float("-inf")

    def picture(self, call: StepCall, outcome: Any) -> Image.Image | None:
        """The first item of the batch as it looks now, at most 256 pixels a side."""
        if time.monotonic() - self._last < self._seconds:
            return None
        pixels = self._clean_pixels(call) if self._pixels else self._decoded(outcome)
        if pixels is None:
            return None
        self._last = time.monotonic()
        picture = to_picture(pixels[0])
        picture.thumbnail((MAX_SIDE, MAX_SIDE))
        return picture

    def _clean_pixels(self, call: StepCall) -> Any:
        return None if call.level is None else call.sample - call.level * call.output

    def _decoded(self, outcome: Any) -> Any:
        import torch

        if (
            self._vae is None
            or outcome.ndim != 4
            or outcome.shape[1] != self._vae.config.latent_channels
        ):
            return None
        with torch.no_grad():
            return self._vae.decode(outcome[:1].to(self._vae.device, self._vae.dtype)).sample


def to_picture(pixels: Any) -> Image.Image:
    """A tensor (3, H, W) in [-1, 1] as an RGB picture."""
    bytes_ = ((pixels.float().clamp(-1, 1) + 1) * 127.5).round().byte()
    return Image.fromarray(bytes_.permute(1, 2, 0).cpu().numpy(), mode="RGB")

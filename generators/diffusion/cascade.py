"""A cascade in pixels: a small picture from words, then a network that draws it larger.

DeepFloyd IF is built so, after Imagen (Saharia et al. 2022, https://arxiv.org/abs/2205.11487). Its
parts are repositories of their own; here they are one pipeline with one text encoder.
"""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any


class Cascade:
    """An `IFPipeline` followed by an `IFSuperResolutionPipeline`, called like one pipeline."""

    def __init__(self, first: Any, larger: Any) -> None:
        self.first = first
        self.larger = larger

    @property
    def components(self) -> dict[str, Any]:
        """The parts of both; those of the second are named `larger_...`."""
        second = {f"larger_{name}": part for name, part in self.larger.components.items()}
        return {**self.first.components, **second}

    @property
    def device(self) -> Any:
        """Where the first network is."""
        return self.first.device

    @property
    def dtype(self) -> Any:
        """What the first network computes in."""
        return self.first.dtype

    def __call__(
        self,
        prompt: Sequence[str],
        num_inference_steps: int = 30,
        guidance_scale: float = 7.0,
        generator: Any = None,
        output_type: str = "pil",
        negative_prompt: Sequence[str] | None = None,
    ) -> Any:
        """One picture per prompt, of the second network's size, as `.images`."""
        words, nothing = self.first.encode_prompt(
            list(prompt),
            do_classifier_free_guidance=guidance_scale > 1,
            negative_prompt=None if negative_prompt is None else list(negative_prompt),
        )
        shared = {
            "prompt_embeds": words,
            "negative_prompt_embeds": nothing,
            "num_inference_steps": num_inference_steps,
            "guidance_scale": guidance_scale,
            "generator": generator,
        }
        small = self.first(**shared, output_type="pt").images
        side = self.larger.unet.config.sample_size
        large = self.larger(
            image=small, height=side, width=side, **shared, output_type=output_type
        ).images
        return SimpleNamespace(images=large)

    def to(self, device: Any) -> "Cascade":
        """Brings both to a device."""
        self.first.to(device)
        self.larger.to(device)
        return self

    def enable_group_offload(self, **how: Any) -> None:
        """Both let their weights wait elsewhere."""
        self.first.enable_group_offload(**how)
        self.larger.enable_group_offload(**how)

    def set_progress_bar_config(self, **how: Any) -> None:
        """Of both."""
        self.first.set_progress_bar_config(**how)
        self.larger.set_progress_bar_config(**how)

    def maybe_free_model_hooks(self) -> None:
        """Of both."""
        self.first.maybe_free_model_hooks()
        self.larger.maybe_free_model_hooks()

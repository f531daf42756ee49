"""The starter generator as a diffusers pipeline: words, a shared-space embedding, or both, to a
small picture.

Flow matching (Lipman et al. 2023, https://arxiv.org/abs/2210.02747) in pixel space: at noise level
s the sample is (1 - s) * picture + s * noise. The network predicts the clean picture; the scheduler
wants the velocity noise - picture, which is (sample - clean) / s. Guidance is classifier-free, over
both conditions at once, and leads away from a negative prompt where there is one.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from diffusers import DiffusionPipeline, FlowMatchEulerDiscreteScheduler, ImagePipelineOutput
from diffusers.image_processor import VaeImageProcessor
from diffusers.utils.torch_utils import randn_tensor
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from generators.diffusion.transformer import PixelTransformer

StepEnd = Callable[["PixelFlowPipeline", int, Tensor, dict[str, Tensor]], dict[str, Tensor]]


class PixelFlowPipeline(DiffusionPipeline):  # type: ignore[misc]
    """Draws pictures of one fixed size from `prompt`, `image_embeds`, or both."""

    model_cpu_offload_seq = "text_encoder->transformer"
    _callback_tensor_inputs = ("latents",)

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        text_encoder: PreTrainedModel,
        transformer: PixelTransformer,
        scheduler: FlowMatchEulerDiscreteScheduler,
    ) -> None:
        super().__init__()
        self.register_modules(
            tokenizer=tokenizer,
            text_encoder=text_encoder,
            transformer=transformer,
            scheduler=scheduler,
        )
        self.image_processor = VaeImageProcessor(vae_scale_factor=1)

    @torch.no_grad()
    def encode_prompt(self, prompt: Sequence[str], device: torch.device) -> Tensor:
        """Words to one vector each: the first token's last state, (B, text_dim)."""
        words = self.tokenizer(
            list(prompt), padding=True, truncation=True, max_length=64, return_tensors="pt"
        ).to(device)
        states = self.text_encoder(
            input_ids=words["input_ids"], attention_mask=words["attention_mask"]
        ).last_hidden_state
        first: Tensor = states[:, 0]
        return first

    @torch.no_grad()
    def __call__(
        self,
        prompt: str | Sequence[str] | None = None,
        image_embeds: Tensor | None = None,
        height: int | None = None,
        width: int | None = None,
        num_inference_steps: int = 30,
        guidance_scale: float = 2.0,
        generator: torch.Generator | list[torch.Generator] | None = None,
        latents: Tensor | None = None,
        output_type: str = "pil",
        return_dict: bool = True,
        callback_on_step_end: StepEnd | None = None,
        callback_on_step_end_tensor_inputs: Sequence[str] = ("latents",),
        negative_prompt: str | Sequence[str] | None = None,
    ) -> ImagePipelineOutput | tuple[Any]:
        """Draws one picture per prompt or embedding.

        Args:
            prompt: words, one string or one per picture.
            image_embeds: unit vectors of the shared space, (B, embed_dim) or (embed_dim,).
            height, width: must be the trained size when given.
            num_inference_steps: Euler steps, at least 1.
            guidance_scale: 1 is no guidance.
            generator: one for all, or one per picture (a batch then equals its singles).
            latents: the first noise (B, 3, S, S); drawn from `generator` when not given.
            output_type: "pil", "np" (B, S, S, 3) in [0, 1], or "pt" (B, 3, S, S) in [0, 1].
            callback_on_step_end: called as (pipeline, step, timestep, {"latents": sample}) after
            each step.
            negative_prompt: what guidance leads away from, instead of from nothing; one string or
            one per picture.

        Raises:
            ValueError: no condition, batches that do not fit, or another size than the trained one.
        """
        device = self._execution_device
        size = self.transformer.config.sample_size
        if (height or size) != size or (width or size) != size:
            raise ValueError(f"This pipeline draws {size}x{size} pixels, not {width}x{height}.")
        text, embeds = self._conditions(prompt, image_embeds, device)
        batch = len(text if text is not None else embeds)  # type: ignore[arg-type]
        away = self._away(negative_prompt, batch, device)
        shape = (batch, self.transformer.config.in_channels, size, size)
        sample = (
            randn_tensor(shape, generator, device, torch.float32)
            if latents is None
            else latents.to(device)
        )

        sigmas = np.linspace(1.0, 1.0 / num_inference_steps, num_inference_steps)
        self.scheduler.set_timesteps(sigmas=sigmas.tolist(), device=device)
        with self.progress_bar(total=num_inference_steps) as bar:
            for index, time in enumerate(self.scheduler.timesteps):
                clean = self._predict(
                    sample, time.expand(batch), text, embeds, guidance_scale, away
                )
                velocity = (sample - clean) / self.scheduler.sigmas[index]
                sample = self.scheduler.step(velocity, time, sample, return_dict=False)[0]
                if callback_on_step_end is not None:
                    sample = callback_on_step_end(self, index, time, {"latents": sample}).pop(
                        "latents", sample
                    )
                bar.update()
        self.maybe_free_model_hooks()
        images = self.image_processor.postprocess(sample.clamp(-1, 1), output_type=output_type)
        return ImagePipelineOutput(images=images) if return_dict else (images,)

    def _conditions(
        self, prompt: str | Sequence[str] | None, image_embeds: Tensor | None, device: torch.device
    ) -> tuple[Tensor | None, Tensor | None]:
        dtype = self.transformer.dtype
        text = embeds = None
        if prompt is not None:
            prompts = [prompt] if isinstance(prompt, str) else list(prompt)
            text = self.encode_prompt(prompts, device).to(dtype)
        if image_embeds is not None:
            embeds = torch.atleast_2d(image_embeds).to(device, dtype)
            if embeds.shape[-1] != self.transformer.config.embed_dim:
                raise ValueError(
                    f"Embeddings have {embeds.shape[-1]} features; this pipeline takes "
                    f"{self.transformer.config.embed_dim}."
                )
        if text is None and embeds is None:
            raise ValueError("Give a prompt, image_embeds, or both.")
        if text is not None and embeds is not None and len(text) != len(embeds):
            raise ValueError(f"Got {len(text)} prompts and {len(embeds)} embeddings.")
        return text, embeds

    def _away(
        self, prompt: str | Sequence[str] | None, batch: int, device: torch.device
    ) -> Tensor | None:
        """(B, text_dim) of a negative prompt, or None."""
        if prompt is None:
            return None
        prompts = [prompt] * batch if isinstance(prompt, str) else list(prompt)
        if len(prompts) != batch:
            raise ValueError(f"Got {len(prompts)} negative prompts for {batch} pictures.")
        return self.encode_prompt(prompts, device).to(self.transformer.dtype)

    def _predict(
        self,
        sample: Tensor,
        time: Tensor,
        text: Tensor | None,
        embeds: Tensor | None,
        guidance: float,
        away: Tensor | None = None,
    ) -> Tensor:
        """The clean picture, pushed away from what would be drawn of `away`, or of nothing."""
        given = sample.to(self.transformer.dtype)
        clean: Tensor = self.transformer(given, time, text=text, embeds=embeds).float()
        if guidance == 1.0:
            return clean
        free: Tensor = self.transformer(given, time, text=away).float()
        return free + guidance * (clean - free)

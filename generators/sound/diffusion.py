"""The tool `text_to_audio` by diffusion: AudioLDM 2 (Liu et al., 2023), Stable Audio (Evans et al.,
2024), ACE-Step (Gong et al., 2025), or whichever pipeline of diffusers makes sound of a chosen
length from a prompt.
"""

import gc
import inspect
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from generators.diffusion.steps import watched
from generators.one_by_one import Progress, check_ranges, one_by_one, sound
from medley.backend import Control, ModelSpec, Request, Result
from medley.checkpoints import config_of, dtype_for, folder_of, loading, place
from medley.errors import BadInput, Unavailable

#: What pipelines call the length in seconds.
_LENGTHS = ("audio_length_in_s", "audio_end_in_s", "audio_duration", "duration")


class DiffusionSound:
    """Makes sound from words. Options of the model: `pipeline` (arguments of the pipeline's call
    that are always given), `dtype`.
    """

    tools = frozenset({"text_to_audio"})

    def __init__(self) -> None:
        self._model: ModelSpec | None = None
        self._pipeline: Any = None

    def load(self, model: ModelSpec, device: str) -> None:
        """Brings the pipeline into memory. Raises `Unavailable`, `OutOfMemory`."""
        folder = folder_of(model)
        with loading(model, device):
            import diffusers

            name = str(config_of(folder, "model_index.json").get("_class_name"))
            kind: Any = getattr(diffusers, name, None)
            if not isinstance(kind, type) or not issubclass(kind, diffusers.DiffusionPipeline):
                raise Unavailable(f"diffusers has no pipeline {name!r}.")
            if _length_of(kind) is None:
                raise Unavailable(f"{model.id} is a {name}, which makes no sound from words.")
            where = place(device)
            chosen: Any = kind
            loaded = chosen.from_pretrained(
                folder, dtype=dtype_for(model, where), use_safetensors=True
            )
            self._pipeline = loaded.to(where)
            self._pipeline.set_progress_bar_config(disable=True)
            self._model = model

    def unload(self) -> None:
        """Frees the pipeline and what the device kept for it."""
        self._pipeline = self._model = None
        gc.collect()
        import torch

        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def run(self, batch: Sequence[Request], control: Control) -> list[Result]:
        """`audio` per request: float32 (channels, samples) in [-1, 1] at the model's own rate, as
        long as was asked for, to one block of latents. Raises `StepStopped` within a step.
        """
        if self._model is None or self._pipeline is None:
            raise Unavailable("No model is loaded.")
        return one_by_one(batch, control, self._make)

    def _make(self, request: Request, progress: Progress) -> Result:
        import torch

        assert self._model is not None
        prompt = prompt_of(request)
        check_ranges(self._model, request)
        pipeline, params = self._pipeline, request.params
        length = _length_of(type(pipeline))
        given = {
            "prompt": prompt,
            length: _whole(pipeline, float(params["seconds"])),
            "num_inference_steps": int(params["steps"]),
            "guidance_scale": float(params["guidance"]),
            "generator": torch.Generator("cpu").manual_seed(request.seed),
            **self._model.options.get("pipeline", {}),
        }
        with watched(pipeline, lambda share, call, outcome: progress.share(share)):
            made = pipeline(**given).audios[0]
        samples = made.float().cpu().numpy() if isinstance(made, torch.Tensor) else np.asarray(made)
        rate = _rate_of(pipeline)
        # Latents come in blocks: what goes beyond the asked length is cut.
        return sound(np.atleast_2d(samples)[:, : int(params["seconds"] * rate)], rate)


def prompt_of(request: Request) -> str:
    """The words of a request. Raises `BadInput` where there are none."""
    if request.tool != "text_to_audio":
        raise BadInput(f"This backend does not serve {request.tool!r}.")
    prompt = request.inputs.get("prompt")
    if not isinstance(prompt, str) or not prompt.strip():
        raise BadInput("A prompt with words is needed.")
    return prompt


def _length_of(kind: type) -> str | None:
    known = inspect.signature(kind.__call__).parameters
    return next((name for name in _LENGTHS if name in known and "prompt" in known), None)


def _whole(pipeline: Any, seconds: float) -> float:
    """The length, brought up to whole latents where the pipeline says how many a second has.

    ACE-Step divides their number by that and rounds the product up again: for some numbers (14 at
    25 a second) one latent too many comes out, and the call fails. Those are passed over.
    """
    per_second = float(getattr(pipeline, "latents_per_second", 0.0))
    if not per_second:
        return seconds
    latents = math.ceil(seconds * per_second)
    while math.ceil(latents / per_second * per_second) != latents:
        latents += 1
    return (latents - 0.01) / per_second


def _rate_of(pipeline: Any) -> int:
    """Samples per second: its vocoder's, its autoencoder's or its own word."""
    for part in (pipeline.components.get("vocoder"), pipeline.components.get("vae")):
        for name in ("sampling_rate", "sample_rate"):
            if part is not None and getattr(part.config, name, None):
                return int(getattr(part.config, name))
    return int(pipeline.sample_rate)

"""Loading: from a folder or a hub id to a pipeline on a device. Safetensors only; no code from a
repository is run.
"""

import json
from pathlib import Path
from typing import Any

from medley.backend import ModelSpec
from medley.errors import OutOfMemory, Unavailable

STARTER = "PixelFlowPipeline"


def load_pipeline(model: ModelSpec, device: str) -> Any:
    """The pipeline of this model, on `device`, quiet.

    Raises:
        Unavailable: files are missing, or not as safetensors.
        OutOfMemory: the device has no room.
    """
    import torch

    try:
        pipeline = _class_of(model).from_pretrained(
            model.source,
            dtype=_dtype(model, device),
            use_safetensors=True,
            **(
                {"revision": model.revision}
                if model.revision and not Path(model.source).exists()
                else {}
            ),
        )
        _add_ip_adapter(pipeline, model)
        pipeline = pipeline.to(device)
    except (OSError, ValueError) as error:
        raise Unavailable(
            f"Model {model.id!r} cannot be loaded from {model.source!r}: {error}"
        ) from error
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise OutOfMemory(f"Model {model.id!r} does not fit on {device}.") from error
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def load_tiny_vae(model: ModelSpec, device: str) -> Any:
    """The tiny autoencoder that the option `preview_vae` names, or None."""
    source = model.options.get("preview_vae")
    if not source:
        return None
    from diffusers import AutoencoderTiny

    try:
        return AutoencoderTiny.from_pretrained(source, use_safetensors=True).to(device)
    except (OSError, ValueError) as error:
        raise Unavailable(f"The preview model of {model.id!r} cannot be loaded: {error}") from error


def pick_device(device: str) -> str:
    """`auto` is the GPU when there is one."""
    if device != "auto":
        return device
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _class_of(model: ModelSpec) -> Any:
    """Ours for our own folders; explicit when the model says `pipeline`; else what diffusers finds
    for text to image.
    """
    import diffusers

    if _class_name(model.source) == STARTER:
        from generators.diffusion.pipeline import PixelFlowPipeline

        return PixelFlowPipeline
    name = model.options.get("pipeline")
    if name is None:
        return diffusers.AutoPipelineForText2Image
    found = getattr(diffusers, str(name), None)
    if not (isinstance(found, type) and issubclass(found, diffusers.DiffusionPipeline)):
        raise Unavailable(f"diffusers has no pipeline {name!r}.")
    return found


def _class_name(source: str) -> str | None:
    index = Path(source) / "model_index.json"
    if not index.is_file():
        return None
    name = json.loads(index.read_text(encoding="utf-8")).get("_class_name")
    return name if isinstance(name, str) else None


def _dtype(model: ModelSpec, device: str) -> Any:
    """float32 on a CPU; elsewhere bfloat16, or what the option `dtype` names."""
    import torch

    default = "float32" if device == "cpu" else "bfloat16"
    return getattr(torch, str(model.options.get("dtype", default)))


def _add_ip_adapter(pipeline: Any, model: ModelSpec) -> None:
    """The option `ip_adapter` (source, subfolder, weight_name, scale) lets embeddings condition a
    text pipeline.
    """
    adapter = model.options.get("ip_adapter")
    if not adapter:
        return
    pipeline.load_ip_adapter(
        adapter["source"],
        subfolder=adapter.get("subfolder", ""),
        weight_name=adapter["weight_name"],
        image_encoder_folder=None,
    )

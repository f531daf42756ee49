"""Loading: from a folder or a hub id to a pipeline on a device. Safetensors only; no code from a
repository is run.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

from generators.diffusion.memory import apply_switches, quantisation
from medley.backend import ModelSpec
from medley.checkpoints import config_of, dtype_for, folder_of, loading
from medley.errors import Unavailable

STARTER = "PixelFlowPipeline"


def load_pipeline(model: ModelSpec, device: str, default: str = "AutoPipelineForText2Image") -> Any:
    """The pipeline of this model, on `device`, quiet. `default` is the class of diffusers that
    finds the pipeline's own class where the option `pipeline` does not name it.

    Raises:
        Unavailable: files are missing, not as safetensors, or of another kind than is said.
        OutOfMemory: the device has no room.
    """
    folder = folder_of(model)
    with loading(model, device):
        kind = _class_of(model, folder, default)
        _find_unclip()
        pipeline = kind.from_pretrained(
            folder,
            dtype=dtype_for(model, device),
            use_safetensors=True,
            **quantisation(model, folder),
        )
        pipeline = _completed(pipeline, model, folder, device)
        _add_ip_adapter(pipeline, model, folder)
        apply_switches(pipeline, model, device)
        pipeline.set_progress_bar_config(disable=True)
    return pipeline


def load_tiny_vae(model: ModelSpec, device: str) -> Any:
    """The tiny autoencoder that the option `preview_vae` names, or None."""
    source = model.options.get("preview_vae")
    if not source:
        return None
    from diffusers import AutoencoderTiny

    folder = _other(model, str(source))
    with loading(model, device):
        return AutoencoderTiny.from_pretrained(folder, use_safetensors=True).to(device)


def _class_of(model: ModelSpec, folder: Path, default: str) -> Any:
    """Ours for our own folders; explicit when the model says `pipeline`; else the default."""
    import diffusers

    if not (folder / "model_index.json").is_file():
        raise Unavailable(f"{model.id} is no folder of a pipeline: it has no model_index.json.")
    if config_of(folder, "model_index.json").get("_class_name") == STARTER:
        from generators.diffusion.pipeline import PixelFlowPipeline

        return PixelFlowPipeline
    name = model.options.get("pipeline")
    if name is None:
        return getattr(diffusers, default)
    found = getattr(diffusers, str(name), None)
    if not (isinstance(found, type) and issubclass(found, diffusers.DiffusionPipeline)):
        raise Unavailable(f"diffusers has no pipeline {name!r}.")
    return found


def _find_unclip() -> None:
    """Folders of Karlo name a module that diffusers has moved among the deprecated ones."""
    from diffusers import pipelines
    from diffusers.pipelines.deprecated import unclip

    if not hasattr(pipelines, "unclip"):
        pipelines.unclip = unclip


def _completed(pipeline: Any, model: ModelSpec, folder: Path, device: str) -> Any:
    """The pipeline with its other half, where that is a repository of its own: the option `prior`
    of Kandinsky 2.2, the option `larger` (super-resolution) of DeepFloyd IF.
    """
    import diffusers

    dtype = dtype_for(model, device)
    if prior_name := model.options.get("prior"):
        prior = diffusers.KandinskyV22PriorPipeline.from_pretrained(
            _other(model, str(prior_name), folder), dtype=dtype, use_safetensors=True
        )
        return diffusers.KandinskyV22CombinedPipeline(
            **pipeline.components,
            **{f"prior_{name}": part for name, part in prior.components.items()},
        )
    if larger_name := model.options.get("larger"):
        from generators.diffusion.cascade import Cascade

        larger = diffusers.IFSuperResolutionPipeline.from_pretrained(
            _other(model, str(larger_name), folder),
            dtype=dtype,
            use_safetensors=True,
            text_encoder=None,
            tokenizer=None,
            watermarker=None,
        )
        return Cascade(pipeline, larger)
    return pipeline


def _other(model: ModelSpec, source: str, folder: Path | None = None) -> Path:
    """The folder of what a model needs besides its own: inside its folder, elsewhere on this
    machine, or of the hub's cache. Raises `Unavailable`.
    """
    if folder is not None and (folder / source).is_dir():
        return folder / source
    return folder_of(replace(model, source=source, revision=""))


def _add_ip_adapter(pipeline: Any, model: ModelSpec, folder: Path) -> None:
    """The option `ip_adapter` (source, subfolder, weight_name, scale) lets embeddings condition a
    text pipeline.
    """
    adapter = model.options.get("ip_adapter")
    if not adapter:
        return
    pipeline.load_ip_adapter(
        str(_other(model, str(adapter["source"]), folder)),
        subfolder=adapter.get("subfolder", ""),
        weight_name=adapter["weight_name"],
        image_encoder_folder=None,
    )

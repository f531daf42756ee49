"""Calls: what a group of requests becomes when a pipeline is called, for each kind of pipeline.

Four kinds take part: our own, text-to-image pipelines, unCLIP (an embedding in place of words) and
text pipelines with an IP-Adapter (an embedding beside words). What a pipeline can take is read from
its signature, not from a list of names.
"""

import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np

from medley.backend import ModelSpec, Request
from medley.errors import BadInput, MedleyError
from medley.media.values import Embedding

TEXT, EMBEDDING = "text_to_image", "embedding_to_image"


def fault_of(request: Request, pipeline: Any, model: ModelSpec) -> MedleyError | None:
    """Why this request cannot be drawn, or None."""
    if request.tool == TEXT:
        prompt = request.inputs.get("prompt")
        if not isinstance(prompt, str) or not prompt.strip():
            return BadInput("A prompt with words is needed.")
        return None
    if request.tool != EMBEDDING:
        return BadInput(f"This backend does not serve {request.tool!r}.")
    value = request.inputs.get("embedding")
    if not isinstance(value, Embedding):
        return BadInput("An embedding is needed.")
    if model.space and value.space != model.space:
        return BadInput(
            f"The embedding is of the space {value.space!r}; this model reads {model.space!r}."
        )
    wanted = embed_dim(pipeline)
    if value.vector.ndim != 1 or (wanted and value.vector.size != wanted):
        return BadInput(
            f"The embedding has the shape {value.vector.shape}; this model reads ({wanted},)."
        )
    if not np.isfinite(value.vector).all() or not value.vector.any():
        return BadInput("The embedding is zero or not finite.")
    return None


def embed_dim(pipeline: Any) -> int | None:
    """How many features this pipeline's embeddings have, where that can be known."""
    transformer = pipeline.components.get("transformer")
    if transformer is not None and "embed_dim" in transformer.config:
        return int(transformer.config.embed_dim)
    normalizer = pipeline.components.get("image_normalizer")
    if normalizer is not None:
        return int(normalizer.config.embedding_dim)
    unet = pipeline.components.get("unet")
    projection = getattr(unet, "encoder_hid_proj", None)
    layers = getattr(projection, "image_projection_layers", None)
    if layers:
        return int(next(iter(layers[0].parameters())).shape[-1])
    return None


def arguments(group: Sequence[Request], pipeline: Any, model: ModelSpec) -> dict[str, Any]:
    """Keyword arguments of one call that draws all of `group` (equal tool, sizes, steps and
    guidance).
    """
    import torch

    first = group[0].params
    given: dict[str, Any] = {
        "num_inference_steps": first["steps"],
        "guidance_scale": first["guidance"],
        # CPU generators draw the same noise on every device, and one for each item makes a batch
        # equal its singles.
        "generator": [torch.Generator("cpu").manual_seed(request.seed) for request in group],
        "output_type": "pil",
    }
    if not draws_one_size(pipeline):
        given |= {side: first[side] for side in ("width", "height") if first.get(side)}
    if group[0].tool == TEXT:
        given["prompt"] = [str(request.inputs["prompt"]) for request in group]
        if _is_unclip(pipeline):
            raise BadInput(f"{type(pipeline).__name__} draws from embeddings only.")
        if draws_from_adapter(pipeline):
            given |= _silent_adapter(pipeline, first["guidance"])
        return given
    return given | _embedding_arguments(_vectors(group, model), pipeline, model, first["guidance"])


def draws_one_size(pipeline: Any) -> bool:
    """Our own pipeline draws the size it was trained on; the picture is resized afterwards."""
    return type(pipeline).__name__ == "PixelFlowPipeline"


def most_at_once(pipeline: Any, model: ModelSpec) -> int:
    """How many pictures one call may draw.

    Pipelines with an IP-Adapter repeat the given embeddings by the size of the batch, which
    silently
    mixes those of different items: one picture a call.
    """
    if draws_from_adapter(pipeline):
        return 1
    return int(model.options.get("max_batch", 16))


def draws_from_adapter(pipeline: Any) -> bool:
    """Whether an IP-Adapter is loaded."""
    return getattr(pipeline.components.get("unet"), "encoder_hid_proj", None) is not None


def _vectors(group: Sequence[Request], model: ModelSpec) -> Any:
    """(B, d) float32 of the group's embeddings, brought to the length `target_norm` when the model
    names one.
    """
    import torch

    rows: list[Any] = []
    for request in group:
        value = request.inputs["embedding"]
        assert isinstance(value, Embedding)
        rows.append(torch.from_numpy(value.vector.astype(np.float32)))
    vectors = torch.stack(rows)
    norm = model.options.get("target_norm")
    return vectors if norm is None else torch.nn.functional.normalize(vectors, dim=-1) * float(norm)


def _embedding_arguments(
    vectors: Any, pipeline: Any, model: ModelSpec, guidance: float
) -> dict[str, Any]:
    import torch

    if draws_one_size(pipeline):
        return {"image_embeds": torch.nn.functional.normalize(vectors, dim=-1)}
    vectors = vectors.to(pipeline.device, pipeline.dtype)
    if _is_unclip(pipeline):
        return {"image_embeds": vectors, "prompt": [""] * len(vectors), "noise_level": 0}
    if draws_from_adapter(pipeline):
        images = vectors[:, None]
        pipeline.set_ip_adapter_scale(adapter_scale(model))
        both = torch.cat([torch.zeros_like(images), images]) if guidance > 1 else images
        return {"ip_adapter_image_embeds": [both], "prompt": [""] * len(vectors)}
    raise BadInput(f"{type(pipeline).__name__} takes no embeddings.")


def _silent_adapter(pipeline: Any, guidance: float) -> dict[str, Any]:
    """What a pipeline with an IP-Adapter needs to draw from words alone: an embedding of no
    weight.
    """
    import torch

    pipeline.set_ip_adapter_scale(0.0)
    rows = 2 if guidance > 1 else 1
    nothing = torch.zeros(rows, 1, embed_dim(pipeline) or 1, dtype=pipeline.unet.dtype)
    return {"ip_adapter_image_embeds": [nothing.to(pipeline.device)]}


def adapter_scale(model: ModelSpec) -> float:
    """How strongly an IP-Adapter's embedding counts: `scale` of the option `ip_adapter`, 1 by
    default.
    """
    return float(model.options.get("ip_adapter", {}).get("scale", 1.0))


def _is_unclip(pipeline: Any) -> bool:
    return {"image_embeds", "noise_level"} <= _signature(pipeline)


def _signature(pipeline: Any) -> frozenset[str]:
    return frozenset(inspect.signature(type(pipeline).__call__).parameters)

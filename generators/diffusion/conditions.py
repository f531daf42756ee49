"""Embeddings as conditions: how each kind of pipeline takes them, and how long theirs are.

The kinds: our own pipeline; unCLIP decoders, which have an embedding in place of words (stable
unCLIP; Kandinsky 2.2 and Karlo, after Ramesh et al. 2022, https://arxiv.org/abs/2204.06125); and
text pipelines with an IP-Adapter (Ye et al. 2023, https://arxiv.org/abs/2308.06721), which have one
beside words.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from generators.diffusion.relatives import signature
from medley.backend import ModelSpec, Request
from medley.errors import BadInput, MedleyError
from medley.media.values import Embedding

#: vectors (B, d) on the pipeline's device and in its dtype -> arguments of its call
Taking = Callable[[Any, Any], dict[str, Any]]


def fault_of_embedding(request: Request, pipeline: Any, model: ModelSpec) -> MedleyError | None:
    """Why this request's embedding cannot be drawn, or None."""
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
    parts = pipeline.components
    for name, field in _LENGTHS:
        if field in getattr(parts.get(name), "config", {}):
            return int(parts[name].config[field])
    layers = getattr(_projection(pipeline), "image_projection_layers", None)
    if layers:
        return int(next(iter(layers[0].parameters())).shape[-1])
    unet = parts.get("unet")
    if unet is not None and unet.config.get("encoder_hid_dim_type") == "image_proj":
        return int(unet.config.encoder_hid_dim)
    return None


def embedding_arguments(
    group: Sequence[Request], pipeline: Any, model: ModelSpec, guidance: float
) -> dict[str, Any]:
    """What a call needs to draw these requests' embeddings. Raises `BadInput` for a pipeline that
    takes none.
    """
    import torch

    vectors = _vectors(group, model)
    name = type(pipeline).__name__
    if name == "PixelFlowPipeline":
        return {"image_embeds": torch.nn.functional.normalize(vectors, dim=-1)}
    vectors = vectors.to(pipeline.device, pipeline.dtype)
    if name in _TAKING:
        return _TAKING[name](pipeline, vectors)
    if draws_from_adapter(pipeline):
        images = vectors[:, None]
        pipeline.set_ip_adapter_scale(adapter_scale(model))
        both = torch.cat([torch.zeros_like(images), images]) if guidance > 1 else images
        return {"ip_adapter_image_embeds": [both], "prompt": [""] * len(vectors)}
    raise BadInput(f"{name} takes no embeddings.")


def needs_embedding(pipeline: Any) -> bool:
    """Whether this pipeline draws from embeddings only."""
    return type(pipeline).__name__ in _TAKING


def draws_from_adapter(pipeline: Any) -> bool:
    """Whether an IP-Adapter is loaded."""
    return hasattr(_projection(pipeline), "image_projection_layers")


def silent_adapter(pipeline: Any, guidance: float) -> dict[str, Any]:
    """What a pipeline with an IP-Adapter needs to draw from words alone: an embedding of no
    weight.
    """
    import torch

    if "ip_adapter_image_embeds" not in signature(pipeline):
        return {}
    pipeline.set_ip_adapter_scale(0.0)
    rows = 2 if guidance > 1 else 1
    nothing = torch.zeros(rows, 1, embed_dim(pipeline) or 1, dtype=pipeline.unet.dtype)
    return {"ip_adapter_image_embeds": [nothing.to(pipeline.device)]}


def adapter_scale(model: ModelSpec) -> float:
    """How strongly an IP-Adapter's embedding counts: `scale` of the option `ip_adapter`, 1 by
    default.
    """
    return float(model.options.get("ip_adapter", {}).get("scale", 1.0))


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


def _stable_unclip(_: Any, vectors: Any) -> dict[str, Any]:
    return {"image_embeds": vectors, "prompt": [""] * len(vectors), "noise_level": 0}


def _kandinsky(pipeline: Any, vectors: Any) -> dict[str, Any]:
    """Guidance leads away from the embedding of a black picture, or of zeros without the prior."""
    import torch

    nothing = getattr(pipeline, "nothing", None)
    if nothing is None:
        nothing = torch.zeros_like(vectors[:1])
    nothing = nothing.to(vectors.device, vectors.dtype).expand_as(vectors)
    return {"image_embeds": vectors, "negative_image_embeds": nothing}


def _karlo(_: Any, vectors: Any) -> dict[str, Any]:
    return {"image_embeddings": vectors}


def _projection(pipeline: Any) -> Any:
    return getattr(pipeline.components.get("unet"), "encoder_hid_proj", None)


_TAKING: Mapping[str, Taking] = {
    "StableUnCLIPImg2ImgPipeline": _stable_unclip,
    "KandinskyV22Pipeline": _kandinsky,
    "UnCLIPImageVariationPipeline": _karlo,
}
#: Parts whose configuration says how long an embedding is.
_LENGTHS = (
    ("transformer", "embed_dim"),
    ("image_normalizer", "embedding_dim"),
    ("text_proj", "clip_embeddings_dim"),
)

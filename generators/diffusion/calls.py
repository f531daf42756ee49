"""Calls: what a group of requests becomes when a pipeline is called.

What a pipeline can take is read from its signature, not from a list of names.
"""

import math
from collections.abc import Sequence
from typing import Any

from generators.diffusion.conditions import (
    draws_from_adapter,
    embedding_arguments,
    fault_of_embedding,
    needs_embedding,
    silent_adapter,
)
from generators.diffusion.edits import (
    fault_of_pictures,
    has_references,
    mask_for,
    picture_for,
    references_for,
    working_size,
)
from generators.diffusion.relatives import (
    EDIT,
    EMBEDDING,
    INPAINT,
    TEXT,
    signature,
    takes_several,
)
from medley.backend import ModelSpec, Request
from medley.errors import BadInput, MedleyError

#: Further stages of a pipeline, and how many steps are plenty for them.
_STAGES = {
    "prior_num_inference_steps": 25,
    "decoder_num_inference_steps": 150,
    "super_res_num_inference_steps": 7,
}


def fault_of(request: Request, pipeline: Any, model: ModelSpec) -> MedleyError | None:
    """Why this request cannot be drawn, or None. `pipeline` is the one of its tool, or None."""
    if pipeline is None:
        return BadInput(f"This model does not serve {request.tool!r}.")
    if request.tool == EMBEDDING:
        return fault_of_embedding(request, pipeline, model)
    prompt = request.inputs.get("prompt")
    if not isinstance(prompt, str) or not prompt.strip():
        return BadInput("A prompt with words is needed.")
    if needs_embedding(pipeline):
        return BadInput(f"{type(pipeline).__name__} draws from embeddings only.")
    if request.tool in (EDIT, INPAINT):
        fault = fault_of_pictures(request, masked=request.tool == INPAINT)
        if fault is None and has_references(request) and not takes_several(pipeline):
            return BadInput(f"{type(pipeline).__name__} changes one picture, without references.")
        return fault or _fault_of_negative(request, pipeline)
    return _fault_of_negative(request, pipeline)


def _fault_of_negative(request: Request, pipeline: Any) -> MedleyError | None:
    if not negative(request):
        return None
    if "negative_prompt" not in signature(pipeline):
        return BadInput(f"{type(pipeline).__name__} takes no negative prompt.")
    if request.params["guidance"] <= 1:
        return BadInput("A negative prompt needs a guidance above 1: guidance leads away from it.")
    return None


def negative(request: Request) -> str:
    """What guidance leads away from; empty where nothing is said."""
    return str(request.params.get("negative_prompt") or "").strip()


def shape_of(request: Request, pipeline: Any, model: ModelSpec) -> tuple[Any, ...]:
    """What requests of one call have in common."""
    names = ("width", "height", "steps", "guidance", "strength")
    size = (
        working_size(request, pipeline, model) if request.tool in (EDIT, INPAINT) else (None, None)
    )
    # An empty negative prompt is not the same as none for every pipeline.
    said = bool(negative(request))
    return (request.tool, *size, said, *(request.params.get(name) for name in names))


def arguments(group: Sequence[Request], pipeline: Any, model: ModelSpec) -> dict[str, Any]:
    """Keyword arguments of one call that draws all of `group` (requests of one `shape_of`)."""
    import torch

    tool, params, names = group[0].tool, group[0].params, signature(pipeline)
    given: dict[str, Any] = {
        # CPU generators draw the same noise on every device, and one for each item makes a batch
        # equal its singles.
        "generator": [torch.Generator("cpu").manual_seed(request.seed) for request in group],
        "output_type": "pil",
    }
    given |= _steps(params, names) | _guidance(group, pipeline, names)
    if tool in (EDIT, INPAINT):
        given |= _pictures(group, pipeline, model, names)
    elif not draws_one_size(pipeline):
        given |= _sides(params, model)
    if tool == EMBEDDING:
        given |= embedding_arguments(group, pipeline, model, params["guidance"])
    else:
        given["prompt"] = [str(request.inputs["prompt"]) for request in group]
        if draws_from_adapter(pipeline):
            given |= silent_adapter(pipeline, params["guidance"])
    more = model.options.get("call", {})
    return given | {name: value for name, value in more.items() if name in names}


def draws_one_size(pipeline: Any) -> bool:
    """Whether this pipeline draws the size it was trained on; the picture is resized afterwards.
    Our own does, and so do cascades in pixels.
    """
    pixels = type(pipeline).__name__ in ("PixelFlowPipeline", "Cascade", "IFPipeline")
    return pixels or not {"width", "height"} <= signature(pipeline)


def most_at_once(pipeline: Any, model: ModelSpec, tool: str = TEXT) -> int:
    """How many pictures one call may draw.

    Pipelines with an IP-Adapter repeat the given embeddings by the size of the batch, which
    silently mixes those of different items; instruction editors read several pictures as several
    sources of each result. Both draw one picture a call.
    """
    instructed = tool == EDIT and "strength" not in signature(pipeline)
    if draws_from_adapter(pipeline) or instructed:
        return 1
    return int(model.options.get("max_batch", 16))


def _sides(params: Any, model: ModelSpec) -> dict[str, Any]:
    """The asked sides; those that were not asked for are the option `side`, else the pipeline's own
    choice.
    """
    side = model.options.get("side")
    given = {name: params.get(name) or side for name in ("width", "height")}
    return {name: value for name, value in given.items() if value}


def _steps(params: Any, names: frozenset[str]) -> dict[str, Any]:
    steps = int(params["steps"])
    if "strength" in names and "strength" in params:
        # Strength leaves out the first steps; at least one must remain.
        steps = max(steps, math.ceil(1 / params["strength"]))
    given = {name: min(steps, most) for name, most in _STAGES.items() if name in names}
    return given | ({"num_inference_steps": steps} if "num_inference_steps" in names else {})


def _guidance(group: Sequence[Request], pipeline: Any, names: frozenset[str]) -> dict[str, Any]:
    scale = group[0].params["guidance"]
    away = [negative(request) for request in group]
    given: dict[str, Any] = {"negative_prompt": away} if any(away) else {}
    transformer = pipeline.components.get("transformer")
    if "true_cfg_scale" in names and not transformer.config.get("guidance_embeds"):
        # Guidance begins with a negative prompt, be it a blank.
        blank = {"negative_prompt": [" "] * len(group)} if scale > 1 else {}
        return {"true_cfg_scale": scale, **blank, **given}
    if "decoder_guidance_scale" in names:
        return {"decoder_guidance_scale": scale}
    return given | ({"guidance_scale": scale} if "guidance_scale" in names else {})


def _pictures(
    group: Sequence[Request], pipeline: Any, model: ModelSpec, names: frozenset[str]
) -> dict[str, Any]:
    """Pictures, and masks, at the working size."""
    size = working_size(group[0], pipeline, model)
    instructed = "strength" not in names
    pictures = [picture_for(request, size, instructed=instructed) for request in group]
    # What takes several draws one result a call.
    given: dict[str, Any] = {"image": [*pictures, *references_for(group[0])]}
    if group[0].tool == INPAINT:
        given["mask_image"] = [mask_for(request, size) for request in group]
    if "strength" in names:
        given["strength"] = group[0].params["strength"]
    if {"width", "height"} <= names:
        given |= {"width": size[0], "height": size[1]}
    return given

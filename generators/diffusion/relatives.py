"""Relatives: the pipelines of one model, one for each of its tools, over one set of weights.

diffusers has a class for each task; `from_pipe` makes the class of another task of the very same
parts. What draws and edits with one class (instruction editors) is its own relative.
"""

import inspect
from typing import Any

from medley.backend import ModelSpec
from medley.errors import Unavailable

TEXT, EMBEDDING, EDIT, INPAINT = (
    "text_to_image",
    "embedding_to_image",
    "edit_image",
    "inpaint",
)

#: Editors by instruction of which diffusers says that a list of pictures is several sources.
_SEVERAL = frozenset({"Flux2KleinPipeline", "Flux2Pipeline", "QwenImageEditPlusPipeline"})


def relatives(pipeline: Any, model: ModelSpec) -> dict[str, Any]:
    """The pipeline that serves each tool of the model, and text to image in any case. Raises
    `Unavailable` where a tool is named that this family has no class for.
    """
    found = {TEXT: pipeline}
    for tool in sorted(model.tools & {EMBEDDING, EDIT, INPAINT}):
        found[tool] = _relative(tool, pipeline, model)
        found[tool].set_progress_bar_config(disable=True)
    return found


def signature(pipeline: Any) -> frozenset[str]:
    """Names of what may be said in a call of this pipeline."""
    return frozenset(inspect.signature(type(pipeline).__call__).parameters)


def takes_several(pipeline: Any) -> bool:
    """Whether this pipeline reads a list of pictures as several sources of one result."""
    return type(pipeline).__name__ in _SEVERAL


def _relative(tool: str, pipeline: Any, model: ModelSpec) -> Any:
    import diffusers

    if tool == EMBEDDING:
        return _from_embedding(pipeline)
    if tool == EDIT and _edits_by_instruction(pipeline):
        return pipeline
    makers = {
        EDIT: diffusers.AutoPipelineForImage2Image,
        INPAINT: diffusers.AutoPipelineForInpainting,
    }
    try:
        return makers[tool].from_pipe(pipeline)
    except ValueError as error:
        raise Unavailable(
            f"{model.id}: {type(pipeline).__name__} has no relative for {tool}: {error}"
        ) from error


def _edits_by_instruction(pipeline: Any) -> bool:
    names = signature(pipeline)
    return {"image", "prompt"} <= names and "strength" not in names


def _from_embedding(pipeline: Any) -> Any:
    """What draws from an embedding: the decoder behind a prior, where there is a prior."""
    name = type(pipeline).__name__
    if name == "KandinskyV22CombinedPipeline":
        decoder = pipeline.decoder_pipe
        decoder.nothing = pipeline.prior_pipe.get_zero_embed(1)  # the embedding of a black picture
        return decoder
    if name == "UnCLIPPipeline":
        from diffusers import UnCLIPImageVariationPipeline

        wanted = inspect.signature(UnCLIPImageVariationPipeline.__init__).parameters
        parts = {part: pipeline.components.get(part) for part in wanted if part != "self"}
        # With an embedding at hand no picture is encoded; only the dtype of the encoder is asked.
        return UnCLIPImageVariationPipeline(
            **{**parts, "image_encoder": pipeline.components["text_encoder"]}
        )
    return pipeline

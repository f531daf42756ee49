"""The backend of the plain media tools: one function each, found by the tool's name."""

import logging
from collections.abc import Mapping, Sequence

from generators.media import moving, picture, sound, vectors
from generators.media.work import Operation, Work
from medley.backend import Control, ModelSpec, Request, Result
from medley.errors import BackendError, BadInput, MedleyError, OutOfMemory
from medley.tools import Tool
from medley.toolset.media import MEDIA_TOOLS
from medley.toolset.space import EMBED_COMBINE

log = logging.getLogger(__name__)

OPERATIONS: Mapping[str, Operation] = {
    "resize": picture.resize,
    "crop": picture.crop,
    "rotate": picture.rotate,
    "collage": picture.collage,
    "caption": picture.caption,
    "convert_image": picture.convert_image,
    "alpha_mask": picture.alpha_mask,
    "convert_audio": sound.convert_audio,
    "trim_audio": sound.trim_audio,
    "concat_audio": sound.concat_audio,
    "mix_audio": sound.mix_audio,
    "waveform": sound.waveform,
    "spectrogram": sound.spectrogram,
    "trim_video": moving.trim_video,
    "concat_video": moving.concat_video,
    "extract_frames": moving.extract_frames,
    "extract_audio": moving.extract_audio,
    "slideshow": moving.slideshow,
    "mux": moving.mux,
    "embed_combine": vectors.embed_combine,
}
DECLARED: Mapping[str, Tool] = {tool.name: tool for tool in (*MEDIA_TOOLS, EMBED_COMBINE)}


class MediaTools:
    """Everything in `OPERATIONS`. Needs no weights and no device."""

    tools = frozenset(OPERATIONS)

    def load(self, model: ModelSpec, device: str) -> None:
        """Nothing to load."""

    def run(self, batch: Sequence[Request], control: Control) -> list[Result]:
        """One result per request, in order.

        `StepStopped` passes through; other errors stay with their item.
        """
        results = []
        for done, request in enumerate(batch):
            control.tick(done, len(batch))
            results.append(self._one(request, control))
        return results

    def _one(self, request: Request, control: Control) -> Result:
        operation = OPERATIONS.get(request.tool)
        if operation is None:
            return Result(error=BadInput(f"There is no media tool {request.tool!r}."))
        try:
            return Result(outputs=operation(Work(request, DECLARED[request.tool], control)))
        except MedleyError as error:
            return Result(error=error)
        except MemoryError:
            return Result(error=OutOfMemory(f"{request.tool} needs more memory than there is."))
        except Exception as error:  # one bad item must not fail its batch
            log.exception("media_tool_failed tool=%s", request.tool)
            return Result(
                error=BackendError(f"{request.tool} failed: {type(error).__name__}: {error}")
            )

    def unload(self) -> None:
        """Nothing to free."""

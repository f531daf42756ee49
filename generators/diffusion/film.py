"""Films by diffusion, as a backend: any pipeline of diffusers that makes frames from words, or from
a picture and words.

One film is one call: its frames are denoised together, and fill the device by themselves. Frames
are written as H.264 as they come out of the autoencoder.
"""

import inspect
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from PIL import Image

from generators.diffusion.loading import load_pipeline
from generators.diffusion.memory import (
    FREED,
    OFFLOADED,
    free,
    is_out_of_memory,
    offload,
    patient_decoding,
)
from generators.diffusion.relatives import signature
from generators.diffusion.steps import watched
from medley.backend import Control, ModelSpec, Request, Result
from medley.checkpoints import loading, place
from medley.errors import BackendError, BadInput, MedleyError, OutOfMemory, Unavailable
from medley.media import video as videos
from medley.media.values import Video

TEXT, IMAGE = "text_to_video", "image_to_video"


class DiffusionFilms:
    """Makes films from words, and sets pictures in motion.

    Options of the model: `pipeline` (a diffusers class), `image_pipeline` (the class that starts
    from a picture with the same weights), `dtype`, `call` (further arguments of each call),
    `frames` (how many when nothing is asked), `multiple_of` (of the sides, 32 by default), and
    those of `generators.diffusion.memory`.

    A result's usage says `oom_rung` where the device ran out of memory on the way.
    """

    tools = frozenset({TEXT, IMAGE})

    def __init__(self) -> None:
        self._model: ModelSpec | None = None
        self._device = "cpu"
        self._pipelines: dict[str, Any] = {}
        self._offloaded = False

    def load(self, model: ModelSpec, device: str) -> None:
        """Brings the pipeline to `device` (`auto`: a GPU when there is one). Raises `Unavailable`,
        `OutOfMemory`.
        """
        self._device = place(device)
        pipeline = load_pipeline(model, self._device, default="DiffusionPipeline")
        with loading(model, self._device):
            self._pipelines = _relatives(pipeline, model)
        self._model = model
        self._offloaded = bool(model.options.get("group_offload"))

    def unload(self) -> None:
        """Frees the pipeline and what the device kept for it."""
        self._model, self._pipelines = None, {}
        free()

    def run(self, batch: Sequence[Request], control: Control) -> list[Result]:
        """One film per request, in `control.scratch`. Progress counts denoising steps."""
        if self._model is None:
            raise Unavailable("No model is loaded.")
        steps = [int(request.params["steps"]) for request in batch]
        total = float(sum(steps))
        control.tick(0, total)
        results = []
        for index, request in enumerate(batch):
            progress = _Progress(control, sum(steps[:index]), steps[index], total)
            if control.stopped(index):  # nobody reads what it would show
                results.append(Result(error=BackendError("It was stopped.")))
                continue
            rungs = [0]
            try:
                frames = self._frames(request, self._model, progress, rungs)
                film = self._written(frames, request, control, index)
                results.append(Result(outputs={"video": film}, usage=_usage(rungs)))
            except MedleyError as error:
                results.append(Result(error=error, usage=_usage(rungs)))
        return results

    def _frames(
        self, request: Request, model: ModelSpec, progress: "_Progress", rungs: list[int]
    ) -> Any:
        """(F, H, W, 3) in [0, 1], as many as asked. Climbs the ladder of memory where needed."""
        pipeline = self._pipelines.get(request.tool)
        if pipeline is None:
            raise BadInput(f"{model.id} does not serve {request.tool!r}.")
        given = arguments(request, pipeline, model)
        asked = request.params.get("frames") or given["num_frames"]
        while True:
            try:
                with (
                    watched(pipeline, lambda share, *_: progress.report(share)),
                    patient_decoding(pipeline, self._device, rungs.append),
                ):
                    frames = pipeline(**given).frames[0]
                return np.asarray(frames)[:asked]
            except Exception as error:
                if not is_out_of_memory(error):
                    raise BackendError(
                        f"{model.id} failed: {type(error).__name__}: {error}"
                    ) from error
                rung = self._climb(max(rungs))
                if not rung:
                    raise OutOfMemory(
                        f"{model.id} has no room for this; try fewer or smaller frames."
                    ) from None
            finally:
                pipeline.maybe_free_model_hooks()
            # Outside of the handler: its traceback holds the failed call's tensors.
            rungs.append(rung)
            free()
            given = arguments(request, pipeline, model)

    def _climb(self, rung: int) -> int:
        """The next rung after this one; 0 when there is no further."""
        if rung < FREED:
            return FREED
        if rung >= OFFLOADED and self._offloaded:
            return 0
        if not self._offloaded:
            offload(next(iter(self._pipelines.values())), self._device)
            self._offloaded = True
        return OFFLOADED

    def _written(self, frames: Any, request: Request, control: Control, index: int) -> Video:
        size = _asked_size(request)

        def pictures() -> Iterator[Image.Image]:
            for frame in frames:
                picture = Image.fromarray((np.clip(frame, 0, 1) * 255).round().astype(np.uint8))
                yield picture.resize(size, Image.Resampling.LANCZOS) if size else picture

        return videos.write(
            control.scratch / f"film-{index}.mp4", pictures(), fps=float(request.params["fps"])
        )


def arguments(request: Request, pipeline: Any, model: ModelSpec) -> dict[str, Any]:
    """Keyword arguments of the call that makes this request's film. Raises `BadInput`."""
    import torch

    params, names = request.params, signature(pipeline)
    prompt = request.inputs.get("prompt") or ""
    if not isinstance(prompt, str) or (request.tool == TEXT and not prompt.strip()):
        raise BadInput("A prompt with words is needed.")
    given: dict[str, Any] = {
        "prompt": prompt,
        "num_inference_steps": params["steps"],
        "guidance_scale": params["guidance"],
        "num_frames": _frame_count(pipeline, model, params.get("frames")),
        # A CPU generator draws the same noise on every device.
        "generator": torch.Generator("cpu").manual_seed(request.seed),
        "output_type": "np",
    }
    if "frame_rate" in names:
        given["frame_rate"] = params["fps"]
    size = _asked_size(request)
    if request.tool == IMAGE:
        picture = request.inputs.get("image")
        if not isinstance(picture, Image.Image):
            raise BadInput("A picture is needed.")
        size = size or _like(picture, _default_area(pipeline, model))
        size = _fitting(size, model)
        given["image"] = videos.flat(picture).resize(size, Image.Resampling.LANCZOS)
    if size is not None:
        given["width"], given["height"] = _fitting(size, model)
    more = model.options.get("call", {})
    return given | {name: value for name, value in more.items() if name in names}


class _Progress:
    """Passes on the steps of one film of a batch; what is done again does not count back."""

    def __init__(self, control: Control, before: int, steps: int, total: float) -> None:
        self._control, self._before, self._steps, self._total = control, before, steps, total
        self._share = 0.0

    def report(self, share: float) -> None:
        """`share` of this film is denoised. Raises `StepStopped`."""
        self._share = max(share, self._share)
        self._control.tick(self._before + self._share * self._steps, self._total)


def _relatives(pipeline: Any, model: ModelSpec) -> dict[str, Any]:
    """The pipeline that serves each tool, over one set of weights. Raises `Unavailable`."""
    found = {IMAGE if "image" in signature(pipeline) else TEXT: pipeline}
    name = model.options.get("image_pipeline")
    if name and IMAGE not in found:
        import diffusers

        kind = getattr(diffusers, str(name), None)
        if kind is None:
            raise Unavailable(f"diffusers has no pipeline {name!r}.")
        wanted = inspect.signature(kind.__init__).parameters
        have = {**dict(pipeline.config), **pipeline.components}
        relative = kind(**{part: have[part] for part in wanted if part in have})
        relative.set_progress_bar_config(disable=True)
        found[IMAGE] = relative
    missing = model.tools - found.keys()
    if missing:
        raise Unavailable(
            f"{model.id}: {type(pipeline).__name__} does not serve {', '.join(sorted(missing))}."
        )
    return found


def _frame_count(pipeline: Any, model: ModelSpec, asked: int | None) -> int:
    """How many frames the network makes: as many as asked or more, one after whole groups of the
    autoencoder.
    """
    default = inspect.signature(type(pipeline).__call__).parameters["num_frames"].default
    count = int(asked or model.options.get("frames") or default)
    group = 1
    for name in ("vae_scale_factor_temporal", "vae_temporal_compression_ratio"):
        group = int(getattr(pipeline, name, None) or group)
    return 1 + math.ceil((count - 1) / group) * group


def _default_area(pipeline: Any, model: ModelSpec) -> int:
    """Pixels of a frame when nothing is asked: the option `side` squared, else the pipeline's
    own.
    """
    if side := model.options.get("side"):
        return int(side) ** 2
    named = inspect.signature(type(pipeline).__call__).parameters
    return int(named["width"].default or 512) * int(named["height"].default or 512)


def _like(picture: Image.Image, area: int) -> tuple[int, int]:
    """The picture's shape with about so many pixels."""
    share = (area / (picture.width * picture.height)) ** 0.5
    return round(picture.width * share), round(picture.height * share)


def _fitting(size: tuple[int, int], model: ModelSpec) -> tuple[int, int]:
    step = int(model.options.get("multiple_of", 32))
    width, height = (max(step, math.ceil(side / step) * step) for side in size)
    return width, height


def _asked_size(request: Request) -> tuple[int, int] | None:
    """Width and height, where both are asked; one alone is the side of a square, or goes with the
    picture's shape.
    """
    width, height = (int(request.params.get(side) or 0) for side in ("width", "height"))
    if not (width or height):
        return None
    picture = request.inputs.get("image")
    shape = picture.width / picture.height if isinstance(picture, Image.Image) else 1.0
    return width or max(2, round(height * shape)), height or max(2, round(width / shape))


def _usage(rungs: list[int]) -> dict[str, float]:
    return {"oom_rung": float(max(rungs))} if max(rungs) else {}

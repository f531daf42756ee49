"""Pictures by diffusion, as a backend: our starter pipeline and any picture pipeline of diffusers.

Requests of equal shape are drawn in one call. When a call fails, its items are drawn one by one, so
that a bad item fails alone; when the device runs out of memory, the ladder of
`generators.diffusion.memory` is climbed.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image

from generators.diffusion.calls import arguments, fault_of, most_at_once, shape_of
from generators.diffusion.edits import put_back
from generators.diffusion.loading import load_pipeline, load_tiny_vae
from generators.diffusion.memory import (
    FEWER,
    FREED,
    OFFLOADED,
    free,
    is_out_of_memory,
    offload,
    patient_decoding,
)
from generators.diffusion.preview import Previewer
from generators.diffusion.relatives import EDIT, EMBEDDING, INPAINT, TEXT, relatives
from generators.diffusion.steps import StepCall, watched
from medley.backend import Control, ModelSpec, Request, Result
from medley.checkpoints import loading, place
from medley.errors import BackendError, MedleyError, OutOfMemory, Unavailable


@dataclass(frozen=True)
class Drawn:
    """What became of one item, and how far up the ladder of memory it took."""

    outcome: Image.Image | MedleyError
    rung: int = 0


class DiffusionImages:
    """Draws pictures from words or embeddings, and redraws pictures or parts of them.

    Options of the model: `pipeline` (a diffusers class, where the folder does not say enough),
    `dtype`, `call` (further arguments of each call), `side` (of the square that is drawn when no
    size is asked), `multiple_of`, `max_batch` (default 16), `preview_seconds` (default 0.5),
    `preview_vae`, `ip_adapter`, `prior`, `larger`, `target_norm`, and those of
    `generators.diffusion.memory`.

    A result's usage says `oom_rung` where the device ran out of memory on the way, and
    `drawn_width` and `drawn_height` where the picture was scaled to the size that was asked.
    """

    tools = frozenset({TEXT, EMBEDDING, EDIT, INPAINT})

    def __init__(self) -> None:
        self._model: ModelSpec | None = None
        self._device = "cpu"
        self._pipeline: Any = None
        self._relatives: dict[str, Any] = {}
        self._tiny_vae: Any = None
        self._offloaded = False

    def load(self, model: ModelSpec, device: str) -> None:
        """Brings the pipeline to `device` (`auto`: a GPU when there is one). Raises `Unavailable`,
        `OutOfMemory`.
        """
        self._device = place(device)
        pipeline = load_pipeline(model, self._device)
        with loading(model, self._device):
            self._relatives = relatives(pipeline, model)
        self._tiny_vae = load_tiny_vae(model, self._device)
        self._pipeline, self._model = pipeline, model
        self._offloaded = bool(model.options.get("group_offload"))

    def unload(self) -> None:
        """Frees the pipeline and what the device kept for it."""
        self._pipeline = self._tiny_vae = self._model = None
        self._relatives = {}
        free()

    def run(self, batch: Sequence[Request], control: Control) -> list[Result]:
        """One picture per request. Progress counts denoising steps; previews come when the batch is
        one request.
        """
        model = self._loaded()
        results: dict[int, Result] = {}
        groups: dict[tuple[Any, ...], list[int]] = defaultdict(list)
        for index, request in enumerate(batch):
            pipeline = self._relatives.get(request.tool)
            fault = fault_of(request, pipeline, model)
            if fault is not None:
                results[index] = Result(error=fault)
            else:
                groups[shape_of(request, pipeline, model)].append(index)
        parts = [part for members in groups.values() for part in self._parts(members, batch)]
        progress = _Progress(control, [int(batch[part[0]].params["steps"]) for part in parts])
        control.tick(0, progress.total)
        for part in parts:
            previews = self._previewer() if len(batch) == 1 else None
            if all(control.stopped(index) for index in part):  # nobody reads what it would draw
                drawn = [Drawn(BackendError("It was stopped."))] * len(part)
            else:
                drawn = self._draw([batch[index] for index in part], progress, previews)
            for index, one in zip(part, drawn, strict=True):
                results[index] = _result(one, batch[index])
            progress.finish_part()
        return [results[index] for index in range(len(batch))]

    def _loaded(self) -> ModelSpec:
        if self._model is None:
            raise Unavailable("No model is loaded.")
        return self._model

    def _parts(self, members: list[int], batch: Sequence[Request]) -> Iterator[list[int]]:
        """Members of a group, as many at a time as one call may draw."""
        tool = batch[members[0]].tool
        yield from _chunks(members, most_at_once(self._relatives[tool], self._loaded(), tool))

    def _previewer(self) -> Previewer:
        seconds = float(self._loaded().options.get("preview_seconds", 0.5))
        return Previewer(self._pipeline, self._tiny_vae, seconds)

    def _draw(
        self,
        group: Sequence[Request],
        progress: "_Progress",
        previews: Previewer | None,
        rung: int = 0,
    ) -> list[Drawn]:
        """One outcome per request. `rung` is how far up the ladder this group has been."""
        try:
            return self._call(group, progress, previews, rung)
        except MedleyError as error:
            return [Drawn(error, rung)] * len(group)
        except Exception as error:  # noqa: BLE001 - whatever a pipeline raises becomes a typed error of its item
            full = is_out_of_memory(error)
            if not full and len(group) == 1:
                return [Drawn(self._failure(error), rung)]
        # Outside of the handler, so that the failed call's tensors are no longer held by its
        # traceback.
        size = 1
        if full:
            free()
            rung, size = self._climb(rung, len(group))
            if not rung:
                return [Drawn(self._no_room(), OFFLOADED)]
        return [
            one
            for part in _chunks(list(group), size)
            for one in self._draw(part, progress, previews, rung)
        ]

    def _climb(self, rung: int, count: int) -> tuple[int, int]:
        """The next rung for a call of `count` items, and how many to draw at a time; rung 0 when
        there is no further.
        """
        if rung < FREED:
            return FREED, count
        if count > 1:
            return max(rung, FEWER), (count + 1) // 2
        if self._offloaded:
            return (OFFLOADED, 1) if rung < OFFLOADED else (0, 1)
        offload(self._pipeline, self._device)
        self._offloaded = True
        return OFFLOADED, 1

    def _call(
        self,
        group: Sequence[Request],
        progress: "_Progress",
        previews: Previewer | None,
        rung: int,
    ) -> list[Drawn]:
        pipeline = self._relatives[group[0].tool]
        rungs = [rung]

        def watcher(share: float, call: StepCall, outcome: Any) -> None:
            progress.report(share, previews.picture(call, outcome) if previews else None)

        try:
            with (
                watched(pipeline, watcher),
                patient_decoding(pipeline, self._device, rungs.append),
            ):
                images = pipeline(**arguments(group, pipeline, self._loaded())).images
                return [Drawn(image, max(rungs)) for image in images]
        finally:
            pipeline.maybe_free_model_hooks()

    def _failure(self, error: Exception) -> MedleyError:
        return BackendError(f"{self._loaded().id} failed: {type(error).__name__}: {error}")

    def _no_room(self) -> MedleyError:
        return OutOfMemory(f"{self._loaded().id} has no room to draw this; try a smaller picture.")


class _Progress:
    """Adds up the steps of all parts of a batch and passes them on."""

    def __init__(self, control: Control, steps: list[int]) -> None:
        self._control = control
        self._steps = steps
        self._part = 0
        self._share = 0.0
        self.total = float(max(1, sum(steps)))

    def report(self, share: float, preview: Image.Image | None) -> None:
        """`share` of the current part is done; a part that is drawn again does not count back.
        Raises `StepStopped`.
        """
        self._share = max(share, self._share)
        before = sum(self._steps[: self._part])
        done = before + self._share * self._steps[self._part]
        self._control.tick(done, self.total, preview=preview)

    def finish_part(self) -> None:
        """Goes on to the next part."""
        self._part += 1
        self._share = 0.0


def _chunks(items: Sequence[Any], size: int) -> list[Any]:
    return [items[start : start + size] for start in range(0, len(items), size)]


def _result(drawn: Drawn, request: Request) -> Result:
    usage = {"oom_rung": float(drawn.rung)} if drawn.rung else {}
    if isinstance(drawn.outcome, MedleyError):
        return Result(error=drawn.outcome, usage=usage)
    image = drawn.outcome
    if request.tool == INPAINT:
        return Result(outputs={"image": put_back(image, request)}, usage=usage)
    params = request.params
    size = (params.get("width") or image.width, params.get("height") or image.height)
    if size != image.size:
        usage |= {"drawn_width": float(image.width), "drawn_height": float(image.height)}
        image = image.resize(size, Image.Resampling.LANCZOS)
    return Result(outputs={"image": image}, usage=usage)

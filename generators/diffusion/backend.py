"""Pictures by diffusion, as a backend: our starter pipeline and any text-to-image pipeline of
diffusers.

Requests of equal shape are drawn in one call. When a call fails, its items are drawn one by one, so
that a bad item fails alone; when the device runs out of memory, the call is cut in halves first.
"""

import gc
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from PIL import Image

from generators.diffusion.calls import (
    EMBEDDING,
    TEXT,
    arguments,
    draws_one_size,
    fault_of,
    most_at_once,
)
from generators.diffusion.loading import load_pipeline, load_tiny_vae, pick_device
from generators.diffusion.preview import Previewer
from generators.diffusion.steps import StepCall, watched
from medley.backend import Control, ModelSpec, Request, Result
from medley.errors import BackendError, MedleyError, OutOfMemory, Unavailable

Outcome = Image.Image | MedleyError


class DiffusionImages:
    """Draws pictures from words or embeddings.

    Options of the model: `pipeline` (a diffusers class, where the folder does not say enough),
    `dtype`, `max_batch` (default 16), `preview_seconds` (default 0.5), `preview_vae`, `ip_adapter`,
    `target_norm`.
    """

    tools = frozenset({TEXT, EMBEDDING})

    def __init__(self) -> None:
        self._model: ModelSpec | None = None
        self._pipeline: Any = None
        self._tiny_vae: Any = None

    def load(self, model: ModelSpec, device: str) -> None:
        """Brings the pipeline to `device` (`auto`: a GPU when there is one). Raises `Unavailable`,
        `OutOfMemory`.
        """
        place = pick_device(device)
        self._pipeline = load_pipeline(model, place)
        self._tiny_vae = load_tiny_vae(model, place)
        self._model = model

    def unload(self) -> None:
        """Frees the pipeline and what the device kept for it."""
        self._pipeline = self._tiny_vae = self._model = None
        gc.collect()
        import torch

        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def run(self, batch: Sequence[Request], control: Control) -> list[Result]:
        """One picture per request. Progress counts denoising steps; previews come when the batch is
        one request.
        """
        model, pipeline = self._model, self._pipeline
        if model is None or pipeline is None:
            raise Unavailable("No model is loaded.")
        results: dict[int, Result] = {}
        groups: dict[tuple[Any, ...], list[int]] = defaultdict(list)
        for index, request in enumerate(batch):
            fault = fault_of(request, pipeline, model)
            if fault is not None:
                results[index] = Result(error=fault)
            else:
                groups[_shape(request)].append(index)
        largest = most_at_once(pipeline, model)
        parts = [part for members in groups.values() for part in _chunks(members, largest)]
        progress = _Progress(control, [int(batch[part[0]].params["steps"]) for part in parts])
        control.tick(0, progress.total)
        for part in parts:
            group = [batch[index] for index in part]
            previews = (
                Previewer(pipeline, self._tiny_vae, self._preview_seconds())
                if len(batch) == 1
                else None
            )
            for index, outcome in zip(part, self._draw(group, progress, previews), strict=True):
                results[index] = _result(outcome, batch[index], pipeline)
            progress.finish_part()
        return [results[index] for index in range(len(batch))]

    def _preview_seconds(self) -> float:
        assert self._model is not None
        return float(self._model.options.get("preview_seconds", 0.5))

    def _draw(
        self, group: Sequence[Request], progress: "_Progress", previews: Previewer | None
    ) -> list[Outcome]:
        try:
            return list(self._call(group, progress, previews))
        except MedleyError as error:
            return [error] * len(group)
        except Exception as error:  # noqa: BLE001 - whatever a pipeline raises becomes a typed error of its item
            if len(group) == 1:
                return [self._typed(error)]
            size = (len(group) + 1) // 2 if _is_out_of_memory(error) else 1
        # Outside of the handler, so that the failed call's tensors are no longer held by its
        # traceback.
        return [
            outcome
            for part in _chunks(list(group), size)
            for outcome in self._draw(part, progress, previews)
        ]

    def _call(
        self, group: Sequence[Request], progress: "_Progress", previews: Previewer | None
    ) -> Sequence[Image.Image]:
        assert self._model is not None

        def watcher(share: float, call: StepCall, outcome: Any) -> None:
            progress.report(share, previews.picture(call, outcome) if previews else None)

        try:
            with watched(self._pipeline, watcher):
                images: Sequence[Image.Image] = self._pipeline(
                    **arguments(group, self._pipeline, self._model)
                ).images
                return images
        finally:
            self._pipeline.maybe_free_model_hooks()

    def _typed(self, error: Exception) -> MedleyError:
        assert self._model is not None
        if _is_out_of_memory(error):
            return OutOfMemory(f"{self._model.id} has no room to draw this; try a smaller picture.")
        return BackendError(f"{self._model.id} failed: {type(error).__name__}: {error}")


class _Progress:
    """Adds up the steps of all parts of a batch and passes them on."""

    def __init__(self, control: Control, steps: list[int]) -> None:
        self._control = control
        self._steps = steps
        self._part = 0
        self.total = float(max(1, sum(steps)))

    def report(self, share: float, preview: Image.Image | None) -> None:
        """`share` of the current part is done. Raises `StepStopped`."""
        before = sum(self._steps[: self._part])
        self._control.tick(before + share * self._steps[self._part], self.total, preview=preview)

    def finish_part(self) -> None:
        """Goes on to the next part."""
        self._part += 1


def _shape(request: Request) -> tuple[Any, ...]:
    names = ("width", "height", "steps", "guidance")
    return (request.tool, *(request.params.get(name) for name in names))


def _chunks(items: Sequence[Any], size: int) -> list[Sequence[Any]]:
    return [items[start : start + size] for start in range(0, len(items), size)]


def _result(outcome: Outcome, request: Request, pipeline: Any) -> Result:
    if isinstance(outcome, MedleyError):
        return Result(error=outcome)
    if draws_one_size(pipeline):
        size = (
            request.params.get("width") or outcome.width,
            request.params.get("height") or outcome.height,
        )
        if size != outcome.size:
            outcome = outcome.resize(size, Image.Resampling.LANCZOS)
    return Result(outputs={"image": outcome})


def _is_out_of_memory(error: Exception) -> bool:
    """CUDA has a type for it; the CPU allocator only has words."""
    import torch

    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and "not enough memory" in str(error)

"""The exported starter models, loaded and run as the product does: catalogue, registry, backend."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from medley.backend import ModelSpec, Request, Result
from medley.media.values import Embedding
from medley.settings import Settings
from medley.tasks import PlanTask
from medley.toolset import toolbox
from orchestrator.catalogue import load_catalogue
from workers.registry import make_backend


class Quiet:
    """A control that reports to nobody and never stops the work."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory()

    @property
    def scratch(self) -> Path:
        """A folder that goes away with this control."""
        return Path(self._folder.name)

    def tick(self, done: float, total: float, *, message: str = "", preview: Any = None) -> None:
        """Nothing."""

    def delta(self, text: str, place: int = 0) -> None:
        """Nothing."""

    def stopped(self, place: int) -> bool:
        """Never."""
        return False


def defaults(tool: str, **given: Any) -> dict[str, Any]:
    """A tool's parameters with its defaults filled in."""
    return toolbox()[tool].params(**given).model_dump()


class Served:
    """One model of the catalogue, loaded on the CPU.

    Raises:
        FileNotFoundError: when its weights are not there.
        MedleyError: when they cannot be loaded.
    """

    def __init__(self, model_id: str) -> None:
        self.model: ModelSpec = load_catalogue(Settings())[model_id]
        if not any(Path(self.model.source).glob("*")):
            raise FileNotFoundError(f"{model_id} has no weights yet")
        self._backend = make_backend(self.model.backend)
        self._backend.load(self.model, "cpu")
        self._control = Quiet()

    def run(
        self, tool: str, items: Sequence[dict[str, Any]], batch: int = 16, **params: Any
    ) -> list[Result]:
        """One result per item (inputs by port), in order; item k gets the seed k."""
        filled = defaults(tool, **params)
        requests = [
            Request(tool=tool, inputs=inputs, params=filled, seed=place)
            for place, inputs in enumerate(items)
        ]
        results: list[Result] = []
        for start in range(0, len(requests), batch):
            results += self._backend.run(requests[start : start + batch], self._control)
        return results

    def embed(self, values: Sequence[Any]) -> NDArray[np.float32]:
        """Unit vectors (N, d) of words, pictures or sounds. Raises the first item's error."""
        results = self.run("embed", [{"media": value} for value in values], batch=64)
        return np.stack([_output(result, "embedding").vector for result in results])

    def draw(self, inputs: Sequence[str | NDArray[np.float32]]) -> list[Image.Image]:
        """One picture for each text or vector of the starter space. Raises the first error."""
        if isinstance(inputs[0], str):
            results = self.run("text_to_image", [{"prompt": text} for text in inputs])
        else:
            vectors = [Embedding(vector=np.asarray(v), space=self.model.space) for v in inputs]
            results = self.run("embedding_to_image", [{"embedding": v} for v in vectors])
        return [_output(result, "image") for result in results]

    def describe(self, vectors: NDArray[np.float32], **params: Any) -> list[str]:
        """What the hub says of vectors of the starter space. Raises the first error."""
        items = [Embedding(vector=vector, space=self.model.space) for vector in vectors]
        results = self.run("describe", [{"media": item} for item in items], **params)
        return [_output(result, "text") for result in results]

    def plan(self, tasks: Sequence[PlanTask]) -> list[Any]:
        """The plan for each task as JSON, or None where the hub failed."""
        results = self.run("plan", [{"task": task.model_dump(mode="json")} for task in tasks])
        return [None if result.error else result.outputs["plan"] for result in results]


def _output(result: Result, port: str) -> Any:
    if result.error is not None:
        raise result.error
    return result.outputs[port]

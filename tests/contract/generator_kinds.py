"""The kinds of picture generators under contract: how each is built, loaded and asked."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from generators.diffusion.backend import DiffusionImages
from medley.backend import ModelSpec, Request, Result
from medley.errors import StepStopped
from medley.media.values import Embedding
from tests.tiny import dits, unets
from tests.tiny import pipelines as tiny

STEPS = 4
SIZE = 16


@dataclass
class Listener:
    """A `Control` that keeps what it hears and stops when it is told to."""

    stop_after: int | None = None
    scratch: Path = Path()
    ticks: list[tuple[float, float]] = field(default_factory=list)
    previews: list[Image.Image] = field(default_factory=list)
    left: frozenset[int] = frozenset()  # places that nobody waits for any more

    def tick(self, done: float, total: float, *, message: str = "", preview: Any = None) -> None:
        self.ticks.append((done, total))
        if preview is not None:
            self.previews.append(preview)
        if self.stop_after is not None and len(self.ticks) > self.stop_after:
            raise StepStopped

    def stopped(self, place: int) -> bool:
        return place in self.left

    def delta(self, text: str, place: int = 0) -> None:
        raise AssertionError("a generator of pictures writes no text")


@dataclass
class Kind:
    """One kind of pipeline, loaded, and how it is asked."""

    name: str
    backend: DiffusionImages
    spec: ModelSpec
    tool: str

    def ask(self, number: int = 1, **params: Any) -> Request:
        """A request whose content and seed depend on `number`."""
        inputs: dict[str, Any] = {"prompt": f"cat {number}"}
        if self.tool == "embedding_to_image":
            vector = np.random.default_rng(number).normal(size=tiny.EMBED_DIM).astype(np.float32)
            inputs = {"embedding": Embedding(vector=vector / np.linalg.norm(vector), space="tiny")}
        if self.tool in ("edit_image", "inpaint"):
            inputs |= {"image": noise(number), "mask": half_mask()}
        given = {"steps": STEPS, "guidance": 2.0, "width": SIZE, "height": SIZE, "strength": 1.0}
        given |= params
        return Request(tool=self.tool, inputs=inputs, params=given, seed=number)

    def run(self, *requests: Request, control: Listener | None = None) -> list[Result]:
        return self.backend.run(requests, control or Listener())


def noise(number: int, size: tuple[int, int] = (24, 16)) -> Image.Image:
    """A picture that depends on `number`."""
    dice = np.random.default_rng(number)
    return Image.fromarray(dice.integers(0, 255, (*size[::-1], 3), dtype=np.uint8))


def half_mask(size: tuple[int, int] = (24, 16)) -> Image.Image:
    """White on the left, black on the right."""
    mask = Image.new("L", size, 0)
    mask.paste(255, (0, 0, size[0] // 2, size[1]))
    return mask


def pixels(result: Result) -> "np.ndarray[Any, Any]":
    """Of a result with a picture, as whole numbers."""
    image = result.outputs["image"]
    assert isinstance(image, Image.Image), result.error
    return np.asarray(image).astype(int)


Build = Callable[[Path], None]
KINDS: dict[str, tuple[Build, str, dict[str, Any]]] = {
    "starter from words": (tiny.save_starter, "text_to_image", {}),
    "starter from an embedding": (tiny.save_starter, "embedding_to_image", {}),
    "stable diffusion": (tiny.save_stable_diffusion, "text_to_image", {}),
    "unclip": (
        tiny.save_unclip,
        "embedding_to_image",
        {"pipeline": "StableUnCLIPImg2ImgPipeline"},
    ),
    "ip-adapter": (
        unets.ip_adapter,
        "embedding_to_image",
        {"ip_adapter": {"source": "adapter", "weight_name": "adapter.safetensors"}},
    ),
    "kandinsky": (
        unets.kandinsky,
        "embedding_to_image",
        {"pipeline": "KandinskyV22Pipeline", "prior": "prior"},
    ),
    "karlo": (unets.karlo, "embedding_to_image", {"pipeline": "UnCLIPPipeline"}),
    "latent diffusion": (
        unets.latent_diffusion,
        "text_to_image",
        {"pipeline": "LDMTextToImagePipeline"},
    ),
    "deepfloyd": (unets.deepfloyd, "text_to_image", {"larger": "larger"}),
    "edits": (tiny.save_stable_diffusion, "edit_image", {}),
    "edits by instruction": (
        dits.flux2_klein,
        "edit_image",
        {"call": {"max_sequence_length": 64, "text_encoder_out_layers": [1, 2, 3]}},
    ),
    "inpaints": (tiny.save_stable_diffusion, "inpaint", {}),
}

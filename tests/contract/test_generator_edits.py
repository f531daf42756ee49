"""One set of weights draws, edits and inpaints; what a mask keeps, stays."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from generators.diffusion.backend import DiffusionImages
from medley.backend import ModelSpec, Request
from medley.errors import BadInput, Unavailable
from tests.contract.generator_kinds import STEPS, Listener, half_mask, noise, pixels
from tests.tiny import dits, unets
from tests.tiny import pipelines as tiny

TOOLS = frozenset({"text_to_image", "edit_image", "inpaint"})
SPEC = ModelSpec(id="tiny", backend="diffusers", tools=TOOLS)


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DiffusionImages]:
    folder = tmp_path_factory.mktemp("sd")
    tiny.save_stable_diffusion(folder)
    backend = DiffusionImages()
    backend.load(replace(SPEC, source=str(folder)), "cpu")
    yield backend
    backend.unload()


def ask(tool: str = "inpaint", **changed: object) -> Request:
    """A request whose picture is 40 by 24; `mask` and parameters may be changed."""
    params = {"steps": STEPS, "guidance": 2.0, "strength": 0.8, "width": None, "height": None}
    inputs = {"image": noise(1, (40, 24)), "mask": half_mask((40, 24)), "prompt": "a cat"}
    inputs |= {name: value for name, value in changed.items() if name in inputs}  # type: ignore[dict-item]
    params |= {name: value for name, value in changed.items() if name in params}  # type: ignore[dict-item]
    return Request(tool=tool, inputs=inputs, params=params, seed=1)


def test_the_tools_share_every_weight(backend: DiffusionImages) -> None:
    drawing, *others = (backend._relatives[tool] for tool in sorted(TOOLS, reverse=True))

    for other in others:
        assert type(other) is not type(drawing)
        for name in ("unet", "vae", "text_encoder", "tokenizer", "scheduler"):
            assert other.components[name] is drawing.components[name]


def test_what_the_mask_keeps_stays_as_it_was(backend: DiffusionImages) -> None:
    (result,) = backend.run([ask()], Listener())

    before = np.asarray(noise(1, (40, 24))).astype(int)
    assert (pixels(result)[:, 20:] == before[:, 20:]).all()
    assert (pixels(result)[:, :20] != before[:, :20]).any()


def test_a_mask_of_another_size_and_of_greys_is_fitted(backend: DiffusionImages) -> None:
    grey = half_mask((80, 48)).point(lambda value: 200 if value else 90)

    sharp, fitted = (backend.run([ask(mask=mask)], Listener())[0] for mask in (half_mask(), grey))

    assert pixels(sharp).shape == pixels(fitted).shape == (24, 40, 3)
    assert (pixels(sharp) == pixels(fitted)).all()


@pytest.mark.parametrize("mask", [Image.new("L", (40, 24), 0), None])
def test_a_mask_that_lets_nothing_change_is_refused(
    backend: DiffusionImages, mask: Image.Image | None
) -> None:
    refused, drawn = backend.run([ask(mask=mask), ask()], Listener())

    assert isinstance(refused.error, BadInput)
    assert drawn.error is None


def test_an_edit_keeps_the_shape_of_the_picture_or_takes_the_asked_size(
    backend: DiffusionImages,
) -> None:
    kept, asked = backend.run(
        [ask("edit_image"), ask("edit_image", width=48, height=32)], Listener()
    )

    kept_height, kept_width, _ = pixels(kept).shape
    assert kept_width > kept_height
    assert pixels(asked).shape == (32, 48, 3)


def test_more_strength_goes_further_from_the_picture(backend: DiffusionImages) -> None:
    near, far = (
        backend.run([ask("edit_image", width=40, height=24, strength=value)], Listener())[0]
        for value in (0.05, 1.0)
    )

    before = np.asarray(noise(1, (40, 24))).astype(int)
    assert np.abs(pixels(near) - before).mean() != np.abs(pixels(far) - before).mean()


def test_a_tool_without_a_class_is_unavailable(tmp_path: Path) -> None:
    dits.cogview4(tmp_path)

    with pytest.raises(Unavailable, match="inpaint"):
        DiffusionImages().load(
            replace(SPEC, source=str(tmp_path), tools=frozenset({"inpaint"})), "cpu"
        )


def test_a_tool_that_the_model_does_not_serve_is_refused(tmp_path: Path) -> None:
    unets.latent_consistency(tmp_path)
    backend = DiffusionImages()
    backend.load(replace(SPEC, source=str(tmp_path), tools=frozenset({"text_to_image"})), "cpu")

    (result,) = backend.run([ask()], Listener())

    assert isinstance(result.error, BadInput)

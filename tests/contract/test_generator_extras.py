"""What only some picture models take: a negative prompt, and further pictures for an edit. The
others refuse it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from generators.diffusion.backend import DiffusionImages
from medley.backend import ModelSpec, Request, Result
from medley.errors import BadInput
from tests.contract.generator_kinds import Listener, noise, pixels
from tests.tiny import dits, unets
from tests.tiny import pipelines as tiny

SPEC = ModelSpec(id="tiny", backend="diffusers", tools=frozenset({"text_to_image"}))
BOTH = frozenset({"text_to_image", "edit_image"})
Build = Callable[[Path], None]
KLEIN = {"call": {"max_sequence_length": 64, "text_encoder_out_layers": [1, 2, 3]}, "side": 32}
#: By name: how it is built, its options, and whether it takes a negative prompt.
KINDS: dict[str, tuple[Build, dict[str, Any], bool]] = {
    "starter": (tiny.save_starter, {}, True),
    "stable diffusion xl": (unets.stable_diffusion_xl, {}, True),
    "deepfloyd": (unets.deepfloyd, {"larger": "larger"}, True),
    "kandinsky": (unets.kandinsky, {"pipeline": "KandinskyV22Pipeline", "prior": "prior"}, True),
    # Its template alone has hundreds of byte tokens.
    "qwen-image": (dits.qwen_image, {"call": {"max_sequence_length": 512}, "side": 32}, True),
    "latent consistency": (unets.latent_consistency, {}, False),
    "latent diffusion": (
        unets.latent_diffusion,
        {"pipeline": "LDMTextToImagePipeline", "side": 32},
        False,
    ),
    "flux.2 klein": (dits.flux2_klein, KLEIN, False),
}


@dataclass
class Painter:
    """A loaded generator of pictures."""

    backend: DiffusionImages
    takes_negative: bool

    def draw(self, *requests: Request) -> list[Result]:
        return self.backend.run(requests, Listener())


def loaded(folder: Path, build: Build, **changed: Any) -> DiffusionImages:
    build(folder)
    backend = DiffusionImages()
    backend.load(replace(SPEC, source=str(folder), **changed), "cpu")
    return backend


def ask(number: int = 1, negative: str = "", guidance: float = 3.0) -> Request:
    params = {"steps": 2, "guidance": guidance, "width": 32, "height": 32}
    params |= {"negative_prompt": negative}  # type: ignore[dict-item]
    inputs = {"prompt": f"cat {number}"}
    return Request(tool="text_to_image", inputs=inputs, params=params, seed=number)


@pytest.fixture(scope="module", params=list(KINDS))
def painter(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Painter]:
    build, options, takes = KINDS[request.param]
    backend = loaded(tmp_path_factory.mktemp("extras"), build, options=options)
    yield Painter(backend, takes)
    backend.unload()


def test_a_negative_prompt_leads_away_from_it_or_is_refused(painter: Painter) -> None:
    plain, less = painter.draw(ask(), ask(negative="a dog on a mat"))
    assert plain.error is None
    assert (less.error is None) == painter.takes_negative
    if less.error is None:
        assert (pixels(less) != pixels(plain)).any()
    else:
        assert isinstance(less.error, BadInput)
        assert "negative prompt" in less.error.message


def test_what_others_lead_away_from_changes_nothing(painter: Painter) -> None:
    if not painter.takes_negative:
        pytest.skip("it takes none")
    requests = [ask(1, "a dog"), ask(2), ask(3, "a red house")]
    together = [pixels(result) for result in painter.draw(*requests)]
    for request, before in zip(requests, together, strict=True):
        assert abs(pixels(painter.draw(request)[0]) - before).max() <= 1


def test_without_guidance_nothing_leads_away(painter: Painter) -> None:
    (refused,) = painter.draw(ask(negative="a dog", guidance=1.0))
    assert isinstance(refused.error, BadInput)


def edit(*references: Any) -> Request:
    params = {"steps": 2, "guidance": 1.0, "strength": 0.8, "width": 32, "height": 32}
    inputs = {"image": noise(1, (64, 64)), "prompt": "both of them", "references": references}
    return Request(tool="edit_image", inputs=inputs, params=params, seed=1)


def test_an_editor_by_instruction_reads_further_pictures(tmp_path: Path) -> None:
    backend = loaded(tmp_path, dits.flux2_klein, options=KLEIN, tools=BOTH)
    alone, second, other, wrong = backend.run(
        [edit(), edit(noise(2)), edit(noise(3), noise(4, (90, 70))), edit("a word")], Listener()
    )
    drawn = [pixels(result) for result in (alone, second, other)]
    assert {picture.shape for picture in drawn} == {(32, 32, 3)}
    assert (drawn[0] != drawn[1]).any()
    assert (drawn[1] != drawn[2]).any()
    assert isinstance(wrong.error, BadInput)


def test_what_changes_one_picture_refuses_further_ones(tmp_path: Path) -> None:
    backend = loaded(tmp_path, tiny.save_stable_diffusion, tools=BOTH)
    alone, refused = backend.run([edit(), edit(noise(2))], Listener())
    assert alone.error is None
    assert isinstance(refused.error, BadInput)

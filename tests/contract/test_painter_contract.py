"""What models that draw token by token promise, shown on tiny random ones."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from PIL import Image

from generators.autoregressive import TokenImages
from medley.backend import Backend, ModelSpec, Request, Result
from medley.errors import BadInput, StepStopped, Unavailable
from tests.contract.generator_kinds import Listener, pixels
from tests.tiny import painters

#: Builder and number of codes of a 32 by 32 picture. Emu3's processor takes 8 pixels for a code; a
#: row of its codes ends with a mark, and a picture with three.
KINDS: dict[str, tuple[Callable[[Path], None], int]] = {
    "janus": (painters.janus, painters.CODES),
    "emu3": (painters.emu3, 4 * 5 + 3),
}


@dataclass
class Kind:
    """One model, loaded, and how it is asked."""

    backend: TokenImages
    spec: ModelSpec
    codes: int

    def ask(self, number: int = 1, prompt: str = "") -> Request:
        """A request whose content and seed depend on `number`."""
        params = {"guidance": 2.0, "width": 32, "height": 32, "steps": 30}
        inputs = {"prompt": prompt or f"cat {number}"}
        return Request(tool="text_to_image", inputs=inputs, params=params, seed=number)

    def run(self, *requests: Request, control: Listener | None = None) -> list[Result]:
        return self.backend.run(requests, control or Listener())


@pytest.fixture(scope="module", params=list(KINDS))
def kind(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Kind]:
    build, codes = KINDS[request.param]
    folder = tmp_path_factory.mktemp("painter")
    build(folder)
    spec = ModelSpec(
        id="tiny",
        backend="autoregressive",
        tools=frozenset({"text_to_image"}),
        source=str(folder),
    )
    backend = TokenImages()
    backend.load(spec, "cpu")
    yield Kind(backend, spec, codes)
    backend.unload()


def test_a_request_becomes_a_picture_of_the_asked_size(kind: Kind) -> None:
    assert isinstance(kind.backend, Backend)
    (result,) = kind.run(kind.ask())

    image = result.outputs["image"]
    assert isinstance(image, Image.Image)
    assert (image.mode, image.size) == ("RGB", (32, 32))


def test_an_equal_seed_gives_an_equal_picture_and_another_seed_another(kind: Kind) -> None:
    asked = kind.ask(1)
    first, again, other = (kind.run(one)[0] for one in (asked, asked, replace(asked, seed=2)))

    assert (pixels(first) == pixels(again)).all()
    assert (pixels(first) != pixels(other)).any()


def test_a_batch_equals_its_singles_also_with_prompts_of_unlike_length(kind: Kind) -> None:
    requests = [kind.ask(1), kind.ask(2), kind.ask(3, prompt="a longer prompt")]

    for request, result in zip(requests, kind.run(*requests), strict=True):
        assert (pixels(kind.run(request)[0]) == pixels(result)).all()


def test_every_code_is_reported(kind: Kind) -> None:
    control = Listener()

    kind.run(kind.ask(), control=control)

    assert len(control.ticks) == kind.codes + 1
    assert control.ticks[-1] == (1.0, 1)


def test_a_stop_ends_at_the_next_code_and_the_model_stays_usable(kind: Kind) -> None:
    before, control = kind.run(kind.ask())[0], Listener(stop_after=5)

    with pytest.raises(StepStopped):
        kind.run(kind.ask(), control=control)

    assert len(control.ticks) == 6
    assert (pixels(kind.run(kind.ask())[0]) == pixels(before)).all()


def test_a_bad_item_fails_alone(kind: Kind) -> None:
    bad = Request(tool="text_to_image", inputs={}, params=kind.ask().params)

    broken, good = kind.run(bad, kind.ask())

    assert isinstance(broken.error, BadInput)
    assert good.error is None


def test_it_can_be_loaded_again_after_unloading(kind: Kind) -> None:
    before = kind.run(kind.ask())[0]
    kind.backend.unload()
    with pytest.raises(Unavailable):
        kind.run(kind.ask())
    kind.backend.load(kind.spec, "cpu")

    assert (pixels(kind.run(kind.ask())[0]) == pixels(before)).all()


def test_what_is_missing_or_of_another_kind_is_unavailable(kind: Kind, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    for source in (str(tmp_path), str(tmp_path / "nothing")):
        with pytest.raises(Unavailable):
            TokenImages().load(replace(kind.spec, source=source), "cpu")

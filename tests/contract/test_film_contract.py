"""What every kind of film generator promises, shown on tiny random pipelines of real shapes."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from generators.diffusion import memory
from generators.diffusion.film import DiffusionFilms
from medley.backend import Backend, ModelSpec, Request, Result
from medley.errors import BadInput, OutOfMemory, StepStopped, Unavailable
from medley.media import video as videos
from medley.media.values import Video
from tests.contract.generator_kinds import Listener, noise
from tests.tiny import dits, films

STEPS = 2
_SHORT = {"max_sequence_length": 16}
_WAN = {"call": _SHORT, "multiple_of": 16}
KINDS: dict[str, tuple[Callable[[Path], None], str, dict[str, Any]]] = {
    "wan": (films.wan, "text_to_video", _WAN),
    "wan from a picture": (
        films.wan_from_either,
        "image_to_video",
        {**_WAN, "image_pipeline": "WanImageToVideoPipeline"},
    ),
    "ltx": (films.ltx, "text_to_video", {"call": _SHORT}),
    "ltx from a picture": (
        films.ltx,
        "image_to_video",
        {"call": _SHORT, "image_pipeline": "LTXImageToVideoPipeline"},
    ),
}


@dataclass
class Kind:
    """One kind of pipeline, loaded, and how it is asked."""

    backend: DiffusionFilms
    tool: str
    folder: Path

    def ask(self, number: int = 1, **params: Any) -> Request:
        """A request whose content and seed depend on `number`."""
        given = {"steps": STEPS, "guidance": 2.0, "frames": 6, "fps": 8.0}
        given |= {"width": 32, "height": 32} | params
        inputs = {"prompt": f"cat {number}", "image": noise(number, (48, 32))}
        return Request(tool=self.tool, inputs=inputs, params=given, seed=number)

    def run(self, *requests: Request, stop_after: int | None = None) -> list[Result]:
        return self.backend.run(requests, self.listener(stop_after=stop_after))

    def listener(self, **how: Any) -> Listener:
        return Listener(scratch=self.folder, **how)


@pytest.fixture(scope="module", params=list(KINDS))
def kind(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Kind]:
    build, tool, options = KINDS[request.param]
    folder = tmp_path_factory.mktemp("film")
    build(folder)
    backend = DiffusionFilms()
    spec = ModelSpec(
        id="tiny",
        backend="diffusers-video",
        tools=frozenset({tool}),
        source=str(folder),
        options=options,
    )
    backend.load(spec, "cpu")
    yield Kind(backend, tool, tmp_path_factory.mktemp("scratch"))
    backend.unload()


def pictures(result: Result) -> "np.ndarray[Any, Any]":
    film = result.outputs["video"]
    assert isinstance(film, Video), result.error
    return np.stack([np.asarray(picture).astype(int) for picture in videos.frames(film)])


def test_a_request_becomes_a_film_of_the_asked_length_and_size(kind: Kind) -> None:
    assert isinstance(kind.backend, Backend)
    (result,) = kind.run(kind.ask())

    film = result.outputs["video"]
    assert isinstance(film, Video)
    assert (film.width, film.height, film.fps, film.seconds) == (32, 32, 8.0, 0.75)
    assert len(pictures(result)) == 6


def test_an_equal_seed_gives_an_equal_film_and_another_seed_another(kind: Kind) -> None:
    first = pictures(kind.run(kind.ask(1))[0])
    again, other = (pictures(result) for result in kind.run(kind.ask(1), kind.ask(2)))

    assert np.abs(first - again).mean() < 1 < np.abs(first - other).mean()


def test_every_step_is_reported(kind: Kind) -> None:
    control = kind.listener()

    kind.backend.run([kind.ask(1), kind.ask(2)], control)

    assert [done for done, _ in control.ticks] == list(range(2 * STEPS + 1))


def test_a_stop_ends_at_the_next_step_and_the_model_stays_usable(kind: Kind) -> None:
    with pytest.raises(StepStopped):
        kind.run(kind.ask(), stop_after=1)

    assert kind.run(kind.ask())[0].error is None


def test_a_bad_item_fails_alone(kind: Kind) -> None:
    bad = Request(tool=kind.tool, inputs={"prompt": 3}, params=kind.ask().params)

    broken, good = kind.run(bad, kind.ask())

    assert isinstance(broken.error, BadInput)
    assert good.error is None


def test_running_out_of_memory_climbs_the_ladder(
    kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    def full(*_: Any, **__: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    pipeline = kind.backend._pipelines[kind.tool]
    monkeypatch.setattr(pipeline.transformer, "forward", full)
    (result,) = kind.run(kind.ask())
    monkeypatch.undo()

    assert isinstance(result.error, OutOfMemory)
    assert result.usage == {"oom_rung": memory.OFFLOADED}
    assert kind.run(kind.ask())[0].error is None


def test_what_makes_no_films_is_unavailable(tmp_path: Path) -> None:
    dits.cogview4(tmp_path)
    spec = ModelSpec(
        id="tiny",
        backend="diffusers-video",
        tools=frozenset({"image_to_video"}),
        source=str(tmp_path),
    )

    with pytest.raises(Unavailable):
        DiffusionFilms().load(spec, "cpu")

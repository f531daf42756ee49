"""What every maker of music and noises promises, shown on tiny random models of each family."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from generators.registry import GENERATORS
from generators.sound.diffusion import DiffusionSound
from generators.sound.musicgen import MusicGen
from medley.backend import Backend, ModelSpec, Request, Result
from medley.errors import BackendError, BadInput, OutOfMemory, StepStopped, Unavailable
from medley.media.sound import write_sound
from medley.media.values import Audio
from medley.toolset.sounds import TEXT_TO_AUDIO
from tests.contract.hub_fixtures import Recorder
from tests.tiny import sounds

FAMILIES: dict[str, tuple[Callable[[Path], None], type[DiffusionSound | MusicGen]]] = {
    "audioldm 2": (sounds.audioldm2, DiffusionSound),
    "stable audio": (sounds.stable_audio, DiffusionSound),
    "ace-step": (sounds.ace_step, DiffusionSound),
    "musicgen": (sounds.musicgen, MusicGen),
}


@dataclass
class Member:
    """A loaded maker of sound."""

    name: str
    backend: Any
    model: ModelSpec

    def run(self, *requests: Request, control: Recorder | None = None) -> list[Result]:
        found: list[Result] = self.backend.run(requests, control or Recorder(Path()))
        return found

    def sound(self, request: Request) -> Audio:
        (result,) = self.run(request)
        assert result.error is None, result.error
        audio = result.outputs["audio"]
        assert isinstance(audio, Audio)
        return audio


def ask(prompt: Any = "rain", seed: int = 1, **params: Any) -> Request:
    given = {"seconds": 0.5, "steps": 3, "guidance": 3.0} | params
    return Request(
        tool="text_to_audio",
        inputs={"prompt": prompt},
        params=TEXT_TO_AUDIO.params(**given).model_dump(),
        seed=seed,
    )


def same(first: Audio, second: Audio) -> bool:
    return first.samples.shape == second.samples.shape and np.allclose(
        first.samples, second.samples, atol=1e-5
    )


@pytest.fixture(scope="module", params=list(FAMILIES))
def member(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Member]:
    import torch

    build, kind = FAMILIES[request.param]
    folder = tmp_path_factory.mktemp("sound")
    torch.manual_seed(0)
    build(folder)
    backend = kind()
    model = ModelSpec(id="tiny", backend="x", tools=backend.tools, source=str(folder))
    backend.load(model, "cpu")
    yield Member(request.param, backend, model)
    backend.unload()


def test_it_is_a_backend(member: Member) -> None:
    assert isinstance(member.backend, Backend)
    assert member.backend.tools == {"text_to_audio"}
    kind = type(member.backend)
    assert f"{kind.__module__}:{kind.__name__}" in GENERATORS.values()


def test_words_become_a_sound_of_the_asked_length(member: Member) -> None:
    (result,) = member.run(ask(seconds=0.5))
    audio = result.outputs["audio"]
    assert audio.samples.dtype == np.float32
    assert audio.samples.shape[0] in (1, 2)
    assert audio.rate == sounds.RATE
    assert 0.4 < audio.seconds <= 0.5
    assert 0 < np.abs(audio.samples).max() <= 1
    assert result.usage == {"output_seconds": audio.seconds}
    assert write_sound(audio)[:4] == b"RIFF"
    assert member.sound(ask(seconds=0.25)).seconds < audio.seconds


def test_an_equal_seed_gives_an_equal_sound_and_another_seed_another(member: Member) -> None:
    first, again, other = (member.sound(ask(seed=seed)) for seed in (1, 1, 2))
    assert same(first, again)
    assert not same(first, other)


def test_the_prompt_changes_the_sound(member: Member) -> None:
    assert not same(member.sound(ask("rain")), member.sound(ask("a slow piano")))


def test_a_batch_equals_its_singles(member: Member) -> None:
    requests = [ask("rain", 1), ask("a bell", 2, seconds=0.3), ask("rain", 3, guidance=5.0)]
    together = [result.outputs["audio"] for result in member.run(*requests)]
    for request, audio in zip(requests, together, strict=True):
        assert same(member.sound(request), audio)


def test_progress_comes_with_each_step(member: Member) -> None:
    heard: list[tuple[float, float]] = []

    class Listener(Recorder):
        def tick(self, done: float, total: float, **_: Any) -> None:
            heard.append((done, total))

    member.run(ask(), ask(), control=Listener(Path()))
    assert len(heard) >= 9
    assert heard[-1] == (2, 2)
    assert [done for done, _ in heard] == sorted(done for done, _ in heard)


def test_a_stop_is_heard_and_the_model_can_be_used_again(member: Member) -> None:
    before = member.sound(ask())
    with pytest.raises(StepStopped):
        member.run(ask(), control=Recorder(Path(), stop_at=3))
    assert same(member.sound(ask()), before)


def test_one_that_has_to_stop_leaves_the_others(member: Member) -> None:
    control = Recorder(Path(), stop_at=2, leaving=frozenset({0}))
    first, second = member.run(ask(), ask(), control=control)
    assert isinstance(first.error, BackendError)
    assert same(second.outputs["audio"], member.sound(ask()))


def test_a_bad_item_fails_alone(member: Member) -> None:
    other = Request(tool="speak", inputs={}, params={})
    results = member.run(ask(), ask("  "), ask(3.5), other, ask())
    errors = [type(result.error) for result in results]
    assert errors == [type(None), BadInput, BadInput, BadInput, type(None)]


def test_a_length_beyond_what_the_model_can_make_is_refused(member: Member) -> None:
    ranges = {"text_to_audio.seconds": (0.1, 0.5)}
    backend = type(member.backend)()
    backend.load(replace(member.model, ranges=ranges), "cpu")
    good, long = backend.run([ask(seconds=0.5), ask(seconds=0.6)], Recorder(Path()))
    assert good.error is None
    assert isinstance(long.error, BadInput)
    assert "0.5" in long.error.message


def test_a_full_device_says_so(member: Member, monkeypatch: pytest.MonkeyPatch) -> None:
    import generators.one_by_one as room

    def full(samples: Any, rate: int) -> Result:
        raise MemoryError

    monkeypatch.setattr(f"{type(member.backend).__module__}.sound", full)
    (result,) = member.run(ask())
    assert isinstance(result.error, OutOfMemory)
    assert room.sound is not full


def test_it_can_be_unloaded_and_loaded_again(member: Member) -> None:
    before = member.sound(ask())
    member.backend.unload()
    with pytest.raises(Unavailable):
        member.run(ask())
    member.backend.load(member.model, "cpu")
    assert same(member.sound(ask()), before)


@pytest.mark.parametrize("kind", [DiffusionSound, MusicGen])
def test_files_that_make_no_sound_are_unavailable(
    kind: type[DiffusionSound | MusicGen], tmp_path: Path
) -> None:
    pickled, pictures, broken = (tmp_path / name for name in ("pickled", "pictures", "broken"))
    for folder in (pickled, pictures, broken):
        folder.mkdir()
    (pickled / "pytorch_model.bin").write_bytes(b"")
    (pictures / "model_index.json").write_text('{"_class_name": "StableDiffusionPipeline"}')
    (pictures / "config.json").write_text('{"model_type": "clip"}')
    (broken / "model_index.json").write_text('{"_class_name": "StableAudioPipeline"}')
    (broken / "config.json").write_text('{"model_type": "musicgen"}')
    for folder in (tmp_path / "none", pickled, pictures, broken):
        spec = ModelSpec(id="x", backend="x", tools=kind.tools, source=str(folder))
        with pytest.raises(Unavailable):
            kind().load(spec, "cpu")

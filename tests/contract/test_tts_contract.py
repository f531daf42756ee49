"""What every trained voice promises, shown on tiny random models of each family."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from generators.speech.neural import NeuralSpeech, _parts
from medley.backend import Backend, ModelSpec, Request, Result
from medley.errors import BackendError, BadInput, StepStopped, Unavailable
from medley.media.sound import write_sound
from medley.media.values import Audio
from medley.toolset.sounds import SPEAK
from tests.contract.hub_fixtures import Recorder
from tests.tiny import voices

FAMILIES: dict[str, Callable[[Path], None]] = {
    "vits": voices.vits,
    "speecht5": voices.speecht5,
    "bark": voices.bark,
    "pocket tts": voices.pocket,
    "vibevoice": voices.vibevoice,
}


@dataclass
class Member:
    """A loaded voice."""

    name: str
    backend: NeuralSpeech
    model: ModelSpec

    def run(self, *requests: Request, control: Recorder | None = None) -> list[Result]:
        return self.backend.run(requests, control or Recorder(Path()))

    def sound(self, request: Request) -> Audio:
        (result,) = self.run(request)
        assert result.error is None, result.error
        audio = result.outputs["audio"]
        assert isinstance(audio, Audio)
        return audio


def ask(text: Any = "hello there", seed: int = 1, **params: Any) -> Request:
    given = SPEAK.params(**params).model_dump()
    return Request(tool="speak", inputs={"text": text}, params=given, seed=seed)


def same(first: Audio, second: Audio) -> bool:
    return first.samples.shape == second.samples.shape and np.allclose(
        first.samples, second.samples, atol=1e-5
    )


@pytest.fixture(scope="module", params=list(FAMILIES))
def member(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Member]:
    import torch

    folder = tmp_path_factory.mktemp("tts")
    torch.manual_seed(0)
    FAMILIES[request.param](folder)
    model = ModelSpec(id="tiny", backend="tts", tools=frozenset({"speak"}), source=str(folder))
    backend = NeuralSpeech()
    backend.load(model, "cpu")
    yield Member(request.param, backend, model)
    backend.unload()


def test_it_is_a_backend(member: Member) -> None:
    assert isinstance(member.backend, Backend)
    assert member.backend.tools == {"speak"}


def test_words_become_sound(member: Member) -> None:
    (result,) = member.run(ask())
    audio = result.outputs["audio"]
    assert audio.samples.dtype == np.float32
    assert audio.samples.shape[0] == 1
    assert 0 < np.abs(audio.samples).max() <= 1
    assert audio.rate in (16_000, 24_000)
    assert result.usage == {"output_seconds": audio.seconds}
    assert write_sound(audio)[:4] == b"RIFF"


def test_an_equal_seed_gives_equal_sound_and_another_seed_other_sound(member: Member) -> None:
    import torch

    before = torch.random.get_rng_state()
    first, again, other = (member.sound(ask(seed=seed)) for seed in (1, 1, 2))
    assert same(first, again)
    assert not same(first, other)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_batch_equals_its_singles(member: Member) -> None:
    requests = [ask("hello", 1), ask("good evening to all", 2), ask("hello", 3)]
    together = [result.outputs["audio"] for result in member.run(*requests)]
    for request, audio in zip(requests, together, strict=True):
        assert same(member.sound(request), audio)


def test_progress_grows_to_the_whole(member: Member) -> None:
    heard: list[tuple[float, float]] = []

    class Listener(Recorder):
        def tick(self, done: float, total: float, **_: Any) -> None:
            heard.append((done, total))

    member.run(ask(), ask("good bye"), control=Listener(Path()))
    assert len(heard) > 4
    assert heard[-1] == (2, 2)
    assert [done for done, _ in heard] == sorted(done for done, _ in heard)


def test_a_stop_is_heard_and_the_model_can_be_used_again(member: Member) -> None:
    before = member.sound(ask())
    with pytest.raises(StepStopped):
        member.run(ask(), control=Recorder(Path(), stop_at=4))
    assert same(member.sound(ask()), before)


def test_one_that_has_to_stop_leaves_the_others(member: Member) -> None:
    control = Recorder(Path(), stop_at=2, leaving=frozenset({0}))
    first, second = member.run(ask(), ask(), control=control)
    assert isinstance(first.error, BackendError)
    assert same(second.outputs["audio"], member.sound(ask()))


def test_a_bad_item_fails_alone(member: Member) -> None:
    other = Request(tool="describe", inputs={}, params={})
    results = member.run(ask(), ask(3.5), ask(" … "), ask("a" * 20_001), other, ask())
    errors = [type(result.error) for result in results]
    assert errors == [type(None), BadInput, BadInput, BadInput, BadInput, type(None)]


def test_what_a_model_raises_fails_its_item_alone(
    member: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    voice = member.backend._voice
    assert voice is not None
    say = voice.say

    def broken(text: str, name: str, speed: float) -> Any:
        if text == "no":
            raise RuntimeError(text)
        return say(text, name, speed)

    monkeypatch.setattr(voice, "say", broken)
    first, second, third = member.run(ask(), ask("no"), ask())
    assert isinstance(second.error, BackendError)
    assert same(first.outputs["audio"], third.outputs["audio"])


def test_only_vits_changes_its_pace(member: Member) -> None:
    if member.name == "vits":
        slow, fast = (member.sound(ask(speed=speed)) for speed in (0.5, 2.0))
        assert slow.seconds > fast.seconds
        return
    (result,) = member.run(ask(speed=1.5))
    assert isinstance(result.error, BadInput)
    assert "pace" in result.error.message


def test_a_parameter_that_it_cannot_follow_is_refused(member: Member) -> None:
    for params, word in (({"pitch": 70}, "pitch"), ({"voice": "nobody"}, "nobody")):
        (result,) = member.run(ask(**params))
        assert isinstance(result.error, BadInput)
        assert word in result.error.message


def test_it_can_be_unloaded_and_loaded_again(member: Member) -> None:
    before = member.sound(ask())
    member.backend.unload()
    with pytest.raises(Unavailable):
        member.run(ask())
    member.backend.load(member.model, "cpu")
    assert same(member.sound(ask()), before)


def test_a_language_that_it_does_not_speak_is_refused_with_those_that_it_does(
    member: Member,
) -> None:
    backend = NeuralSpeech()
    backend.load(replace(member.model, options={"languages": ["en", "fr"]}), "cpu")
    good, german, chinese = backend.run(
        [ask(language="fr"), ask(language="de"), ask("你好")], Recorder(Path())
    )
    assert good.error is None
    for result in (german, chinese):
        assert isinstance(result.error, BadInput)
        assert "en, fr" in result.error.message


def test_a_voice_of_its_folder_changes_the_sound(member: Member, tmp_path: Path) -> None:
    if member.name in ("vits", "bark"):
        pytest.skip("its voices come with the checkpoint; the tiny one has none")
    hum = np.sin(np.arange(24_000) / 20).astype(np.float32)[None]
    (tmp_path / "ada.wav").write_bytes(write_sound(Audio(samples=hum, rate=24_000)))
    np.save(tmp_path / "ada.npy", np.linspace(-3, 3, 16, dtype=np.float32))
    backend = NeuralSpeech()
    backend.load(replace(member.model, options={"voices": str(tmp_path)}), "cpu")
    plain, ada = backend.run([ask(), ask(voice="ada")], Recorder(Path()))
    assert ada.error is None, ada.error
    assert not same(plain.outputs["audio"], ada.outputs["audio"])


def test_files_that_are_no_voice_are_unavailable(tmp_path: Path) -> None:
    pickled, other, broken, mute = (tmp_path / name for name in ("pickled", "other", "bad", "mute"))
    for folder in (pickled, other, broken):
        folder.mkdir()
    (pickled / "pytorch_model.bin").write_bytes(b"")
    (other / "config.json").write_text('{"model_type": "bert"}')
    (broken / "config.json").write_text('{"model_type": "vits"}')
    mute.mkdir()
    voices.speecht5(mute)
    (mute / "vocoder").rename(mute / "elsewhere")
    for folder, reason in (
        (tmp_path / "none", "not at"),
        (pickled, "pickle"),
        (other, "bert"),
        (broken, "cannot be read"),
        (mute, "vocoder"),
    ):
        spec = ModelSpec(id="x", backend="tts", tools=frozenset(), source=str(folder))
        with pytest.raises(Unavailable, match=reason):
            NeuralSpeech().load(spec, "cpu")


def test_a_long_text_is_said_in_parts_of_whole_sentences() -> None:
    text = "One two three. Four five! 六七八。九十？ " + "word " * 20
    parts = list(_parts(text, 30))
    assert all(0 < len(part) <= 30 for part in parts)
    assert parts[0] == "One two three. Four five! 六七八。"
    assert "".join("".join(parts).split()) == "".join(text.split())

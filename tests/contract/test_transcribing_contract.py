"""What every recogniser promises, shown on tiny random models of each family."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hub.transcribing import Transcriber, joined, pieces
from hub.whisper import _words_of
from medley.backend import Backend, ModelSpec, Request, Result
from medley.errors import BackendError, BadInput, StepStopped, Unavailable
from medley.media.values import Audio
from tests.contract.hub_fixtures import Recorder
from tests.tiny import speech

FAMILIES: dict[str, Callable[[Path], None]] = {
    "whisper": speech.whisper,
    "moonshine": speech.moonshine,
    "wav2vec2": speech.wav2vec2,
    "hubert": speech.hubert,
    "parakeet ctc": speech.parakeet_ctc,
    "parakeet tdt": speech.parakeet_tdt,
    "qwen3-asr": speech.qwen_asr,
}
RATE = 16_000


@dataclass
class Member:
    """A loaded recogniser."""

    name: str
    backend: Transcriber
    model: ModelSpec

    def run(self, *requests: Request, control: Recorder | None = None) -> list[Result]:
        return self.backend.run(requests, control or Recorder(Path()))

    def text(self, request: Request) -> str:
        (result,) = self.run(request)
        assert result.error is None, result.error
        return str(result.outputs["text"])


def noise(seconds: float, seed: int = 0, rate: int = RATE, channels: int = 1) -> Audio:
    dice = np.random.default_rng(seed)
    samples = dice.normal(0, 0.1, (channels, int(seconds * rate))).astype(np.float32)
    return Audio(samples=samples, rate=rate)


def ask(audio: Any, **params: Any) -> Request:
    given = {"language": "auto", "translate": False} | params
    return Request(tool="transcribe", inputs={"audio": audio}, params=given)


def loaded(folder: Path, build: Callable[[Path], None]) -> tuple[Transcriber, ModelSpec]:
    import torch

    torch.manual_seed(0)
    build(folder)
    model = ModelSpec(id="tiny", backend="asr", tools=frozenset({"transcribe"}), source=str(folder))
    backend = Transcriber()
    backend.load(model, "cpu")
    return backend, model


@pytest.fixture(scope="module", params=list(FAMILIES))
def member(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Member]:
    backend, model = loaded(tmp_path_factory.mktemp("asr"), FAMILIES[request.param])
    yield Member(request.param, backend, model)
    backend.unload()


def test_it_is_a_backend(member: Member) -> None:
    assert isinstance(member.backend, Backend)
    assert member.backend.tools == {"transcribe"}


def test_a_recording_becomes_words_and_the_same_words_again(member: Member) -> None:
    (result,) = member.run(ask(noise(1.0)))
    assert isinstance(result.outputs["text"], str)
    assert result.outputs["text"]
    assert result.usage == {"input_seconds": 1.0}
    assert member.text(ask(noise(1.0))) == result.outputs["text"]


def test_what_is_heard_changes_what_is_written(member: Member) -> None:
    texts = {member.text(ask(noise(1.5, seed))) for seed in range(6)}
    assert len(texts) > 1


def test_a_batch_equals_its_singles(member: Member) -> None:
    requests = [ask(noise(seconds, seed)) for seed, seconds in enumerate((1.0, 0.4, 2.0))]
    together = [result.outputs["text"] for result in member.run(*requests)]
    assert together == [member.text(request) for request in requests]


def test_stereo_of_another_rate_is_heard(member: Member) -> None:
    assert isinstance(member.text(ask(noise(1.0, rate=44_100, channels=2))), str)


def test_a_very_short_sound_is_heard(member: Member) -> None:
    assert isinstance(member.text(ask(noise(0.01))), str)


def test_nothing_is_written_where_nobody_speaks(member: Member) -> None:
    silence = Audio(samples=np.zeros((1, RATE), np.float32), rate=RATE)
    assert member.text(ask(silence)) == ""


def test_a_long_recording_is_heard_in_pieces_with_progress(
    member: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(member.backend._recogniser, "seconds", 1.0)
    heard: list[tuple[float, float]] = []

    class Listener(Recorder):
        def tick(self, done: float, total: float, **_: Any) -> None:
            heard.append((done, total))

    (result,) = member.run(ask(noise(3.5)), control=Listener(Path()))
    assert result.error is None
    assert heard[0][0] == 0
    assert heard[-1][0] == heard[-1][1] >= 4
    assert [done for done, _ in heard] == sorted(done for done, _ in heard)


def test_a_bad_item_fails_alone(member: Member) -> None:
    empty = Audio(samples=np.zeros((1, 0), np.float32), rate=RATE)
    other = Request(tool="speak", inputs={}, params={})
    results = member.run(ask(noise(1.0)), ask("words"), ask(empty), other, ask(noise(1.0)))
    errors = [type(result.error) for result in results]
    assert errors == [type(None), BadInput, BadInput, BadInput, type(None)]


def test_what_a_model_raises_fails_its_item_alone(
    member: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    recogniser = member.backend._recogniser
    assert recogniser is not None
    write = recogniser.write

    def broken(waves: Any, manner: Any) -> list[str]:
        if any(len(wave) == RATE // 2 for wave in waves):
            raise RuntimeError("no")
        return write(waves, manner)

    monkeypatch.setattr(recogniser, "write", broken)
    results = member.run(ask(noise(1.0)), ask(noise(0.5)), ask(noise(1.0, 1)))
    errors = [type(result.error) for result in results]
    assert errors == [type(None), BackendError, type(None)]


def test_a_stop_is_heard_and_the_model_can_be_used_again(member: Member) -> None:
    before = member.text(ask(noise(1.0)))
    with pytest.raises(StepStopped):
        member.run(ask(noise(1.0)), control=Recorder(Path(), stop_at=2))
    assert member.text(ask(noise(1.0))) == before


def test_one_that_has_to_stop_leaves_the_others(member: Member) -> None:
    control = Recorder(Path(), stop_at=1, leaving=frozenset({0}))
    first, second = member.run(ask(noise(1.0)), ask(noise(1.0)), control=control)
    assert isinstance(first.error, BackendError)
    assert second.outputs["text"] == member.text(ask(noise(1.0)))


def test_only_whisper_translates(member: Member) -> None:
    (result,) = member.run(ask(noise(1.0), translate=True))
    assert (result.error is None) == (member.name == "whisper")
    if result.error is not None:
        assert "translate" in result.error.message


@pytest.mark.parametrize("given", [{"prompt": "Medley"}, {"temperature": 0.5}, {"words": True}])
def test_only_whisper_takes_a_prompt_a_temperature_and_says_when_words_are_said(
    member: Member, given: dict[str, Any]
) -> None:
    (result,) = member.run(ask(noise(1.0), **given))
    assert (result.error is None) == (member.name == "whisper")
    if result.error is not None:
        assert isinstance(result.error, BadInput)
        assert next(iter(given)) in result.error.message


def test_it_can_be_unloaded_and_loaded_again(member: Member) -> None:
    before = member.text(ask(noise(1.0)))
    member.backend.unload()
    with pytest.raises(Unavailable):
        member.run(ask(noise(1.0)))
    member.backend.load(member.model, "cpu")
    assert member.text(ask(noise(1.0))) == before


def test_whisper_takes_a_language_that_it_knows(tmp_path: Path) -> None:
    backend, _ = loaded(tmp_path, speech.whisper)
    english, chinese, french = backend.run(
        [ask(noise(1.0), language=code) for code in ("en", "zh", "fr")], Recorder(Path())
    )
    assert english.outputs["text"] != chinese.outputs["text"]
    assert isinstance(french.error, BadInput)
    assert "en, zh" in french.error.message


def test_it_says_when_each_stretch_is_said(member: Member, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(member.backend._recogniser, "seconds", 1.0)
    first, second = member.run(ask(noise(2.5), times=True), ask(noise(0.5), times=True))
    assert (first.error, second.error) == (None, None)
    segments = first.outputs["segments"]
    assert len(segments) >= 3
    assert segments[0]["start"] == 0
    assert segments[-1]["end"] == 2.5
    times = [time for one in segments for time in (one["start"], one["end"])]
    assert times == sorted(times)


@pytest.fixture(scope="module")
def whisper(tmp_path_factory: pytest.TempPathFactory) -> Transcriber:
    return loaded(tmp_path_factory.mktemp("whisper"), speech.whisper)[0]


def told(backend: Transcriber, *requests: Request) -> list[Any]:
    results = backend.run(requests, Recorder(Path()))
    assert [result.error for result in results] == [None] * len(requests)
    return [result.outputs for result in results]


def test_whisper_says_when_each_word_is_said(
    whisper: Transcriber, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(whisper._recogniser, "seconds", 1.0)
    plain, timed, short = told(
        whisper, ask(noise(2.5)), ask(noise(2.5), words=True), ask(noise(0.05), words=True)
    )
    assert "words" not in plain
    words = timed["words"]
    times = [time for word in words for time in (word["start"], word["end"])]
    assert times == sorted(times)
    assert times[0] >= 0
    assert 1.0 < times[-1] <= 2.5
    assert len(words) > 1
    assert all(word["word"] == word["word"].strip() != "" for word in words)
    assert max(word["end"] for word in short["words"]) <= 0.05
    assert told(whisper, ask(noise(2.5))) == [plain]  # and its attention is its own again


def test_a_prompt_changes_what_is_written_and_a_long_one_is_cut_at_its_beginning(
    whisper: Transcriber,
) -> None:
    plain, named, long, end = told(
        whisper,
        ask(noise(1.0)),
        ask(noise(1.0), prompt="Medley"),
        ask(noise(1.0), prompt="x" * 100 + " of the very end"),
        ask(noise(1.0), prompt="y" * 100 + " of the very end"),
    )
    assert named["text"] != plain["text"]
    assert long == end
    (broken,) = whisper.run([ask(noise(1.0), prompt="<|endoftext|>")], Recorder(Path()))
    assert isinstance(broken.error, BadInput)


def test_what_is_drawn_by_temperature_is_the_same_again_alone_or_in_a_batch(
    whisper: Transcriber,
) -> None:
    warm = ask(noise(1.0), temperature=1.0)
    cold, *drawn = told(whisper, ask(noise(1.0)), warm, ask(noise(1.0, 1), temperature=1.0), warm)
    assert drawn[0] == drawn[2] == told(whisper, warm)[0]
    assert drawn[0]["text"] != cold["text"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (" Hello there, you.", [" Hello", " there,", " you."]),
        ("你好 world", ["你", "好", " world"]),
    ],
)
def test_words_are_cut_at_spaces_or_sign_by_sign_where_none_are_written(
    whisper: Transcriber, text: str, words: list[str]
) -> None:
    recogniser = whisper._recogniser
    assert recogniser is not None
    tokens = recogniser.processor.tokenizer(text, add_special_tokens=False).input_ids
    found = list(_words_of(recogniser.processor.tokenizer, tokens))
    assert [word for word, _ in found] == words
    assert [place for _, places in found for place in places] == list(range(len(tokens)))


def test_qwen_writes_in_the_language_that_is_named(tmp_path: Path) -> None:
    backend, _ = loaded(tmp_path, speech.qwen_asr)
    unnamed, named = backend.run(
        [ask(noise(1.0)), ask(noise(1.0), language="de")], Recorder(Path())
    )
    assert unnamed.outputs["text"] != named.outputs["text"]


def test_the_catalogue_says_which_languages_a_model_understands(tmp_path: Path) -> None:
    from dataclasses import replace

    backend, model = loaded(tmp_path, speech.wav2vec2)
    backend.load(replace(model, options={"languages": ["en"]}), "cpu")
    english, german = backend.run(
        [ask(noise(1.0), language=code) for code in ("en", "de")], Recorder(Path())
    )
    assert english.error is None
    assert isinstance(german.error, BadInput)


def test_files_that_are_no_recogniser_are_unavailable(tmp_path: Path) -> None:
    def load(folder: Path) -> None:
        Transcriber().load(
            ModelSpec(id="x", backend="asr", tools=frozenset(), source=str(folder)), "cpu"
        )

    pickled, other, broken = (tmp_path / name for name in ("pickled", "other", "broken"))
    for folder in (pickled, other, broken):
        folder.mkdir()
    (pickled / "pytorch_model.bin").write_bytes(b"")
    (other / "config.json").write_text('{"model_type": "bert"}')
    (broken / "config.json").write_text('{"model_type": "whisper"}')
    for folder, reason in (
        (tmp_path / "none", "not at"),
        (pickled, "pickle"),
        (other, "bert"),
        (broken, "cannot be read"),
    ):
        with pytest.raises(Unavailable, match=reason):
            load(folder)


def test_a_long_recording_is_cut_where_it_is_quiet_and_nothing_is_lost() -> None:
    wave = noise(5.0).samples[0]
    wave[int(1.85 * RATE) : int(2.0 * RATE)] = 0
    found = list(pieces(wave, RATE, 2.0))
    assert 1.85 * RATE <= len(found[0]) <= 2.0 * RATE
    assert all(len(piece) <= 2.0 * RATE for piece in found)
    np.testing.assert_array_equal(np.concatenate(found), wave)


@pytest.mark.parametrize(
    ("texts", "whole"),
    [
        (["Hello", "", "there."], "Hello there."),
        (["你好", "世界。", "再见"], "你好世界。再见"),
        (["你好", "world"], "你好 world"),
        ([], ""),
    ],
)
def test_texts_are_joined_as_their_script_is_written(texts: list[str], whole: str) -> None:
    assert joined(texts) == whole

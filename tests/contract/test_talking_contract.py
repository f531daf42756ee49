"""What everything that answers speech by speech promises, shown on tiny random models."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from generators.registry import GENERATORS
from generators.speech import talking
from generators.speech.talkers import Moshi, Omni
from generators.speech.talking import SpeechToSpeech
from medley.backend import Backend, ModelSpec, Request, Result
from medley.errors import BackendError, BadInput, OutOfMemory, StepStopped, Unavailable
from medley.media.sound import write_sound
from medley.media.values import Audio
from medley.toolset.sounds import SPEECH_TO_SPEECH
from tests.contract.hub_fixtures import Recorder
from tests.tiny import talkers

FAMILIES: dict[str, Callable[[Path], None]] = {
    "moshi": talkers.moshi,
    "qwen2.5-omni": talkers.qwen_omni,
}


@dataclass
class Member:
    """A loaded talker."""

    name: str
    backend: SpeechToSpeech
    model: ModelSpec

    def run(self, *requests: Request, control: Recorder | None = None) -> list[Result]:
        return self.backend.run(requests, control or Recorder(Path()))

    def sound(self, request: Request) -> Audio:
        (result,) = self.run(request)
        assert result.error is None, result.error
        audio = result.outputs["audio"]
        assert isinstance(audio, Audio)
        return audio


def said(seed: int = 0, seconds: float = 0.6, rate: int = 16_000, channels: int = 1) -> Audio:
    dice = np.random.default_rng(seed)
    samples = dice.normal(0, 0.2, (channels, int(seconds * rate))).clip(-1, 1)
    return Audio(samples=samples.astype(np.float32), rate=rate)


def ask(audio: Any = None, seed: int = 1, **params: Any) -> Request:
    given = SPEECH_TO_SPEECH.params(**{"max_seconds": 0.8} | params).model_dump()
    heard = said() if audio is None else audio
    return Request(tool="speech_to_speech", inputs={"audio": heard}, params=given, seed=seed)


def same(first: Audio, second: Audio) -> bool:
    return first.samples.shape == second.samples.shape and np.allclose(
        first.samples, second.samples, atol=1e-4
    )


@pytest.fixture(scope="module", params=list(FAMILIES))
def member(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Member]:
    import torch

    folder = tmp_path_factory.mktemp("talk")
    torch.manual_seed(0)
    FAMILIES[request.param](folder)
    backend = SpeechToSpeech()
    model = ModelSpec(id="tiny", backend="x", tools=backend.tools, source=str(folder))
    backend.load(model, "cpu")
    yield Member(request.param, backend, model)
    backend.unload()


def test_it_is_a_backend(member: Member) -> None:
    assert isinstance(member.backend, Backend)
    assert member.backend.tools == {"speech_to_speech"}
    assert "generators.speech.talking:SpeechToSpeech" in GENERATORS.values()


def test_a_message_is_answered_by_sound_and_words(member: Member) -> None:
    (result,) = member.run(ask())
    assert set(result.outputs) == {"audio", "text"}
    audio = result.outputs["audio"]
    assert audio.samples.dtype == np.float32
    assert audio.samples.shape[0] == 1
    assert 0 < np.abs(audio.samples).max() <= 1
    assert audio.rate == member.backend._talker.rate  # type: ignore[union-attr]
    assert isinstance(result.outputs["text"], str)
    assert result.usage == {"output_seconds": audio.seconds}
    assert write_sound(audio)[:4] == b"RIFF"


@pytest.mark.parametrize("seconds", [0.3, 0.55, 1.2])
def test_a_reply_is_no_longer_than_asked(member: Member, seconds: float) -> None:
    found = member.sound(ask(max_seconds=seconds)).seconds
    assert found <= seconds
    assert found > (seconds - 0.1 if member.name == "moshi" else 0)  # the other may end before


@pytest.mark.parametrize(("rate", "channels"), [(8_000, 1), (44_100, 2), (48_000, 1)])
def test_any_rate_and_number_of_channels_is_heard(member: Member, rate: int, channels: int) -> None:
    assert member.sound(ask(said(rate=rate, channels=channels))).seconds > 0


def test_a_very_short_message_is_heard(member: Member) -> None:
    assert member.sound(ask(said(seconds=0.01))).seconds > 0


def test_what_is_said_changes_the_reply(member: Member) -> None:
    loud = Audio(samples=np.sign(said(1).samples), rate=16_000)
    assert not same(member.sound(ask()), member.sound(ask(loud)))


def test_an_equal_seed_gives_an_equal_reply_and_another_seed_another(member: Member) -> None:
    import torch

    before = torch.random.get_rng_state()
    first, again, other = (member.sound(ask(seed=seed)) for seed in (1, 1, 2))
    assert same(first, again)
    assert not same(first, other)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_batch_equals_its_singles(member: Member) -> None:
    requests = [ask(), ask(said(1, 1.1), 2, max_seconds=0.5), ask(seed=3)]
    together = member.run(*requests)
    for request, result in zip(requests, together, strict=True):
        (single,) = member.run(request)
        assert same(single.outputs["audio"], result.outputs["audio"])
        assert single.outputs.get("text") == result.outputs.get("text")


def test_progress_grows_to_the_whole(member: Member) -> None:
    heard: list[tuple[float, float]] = []

    class Listener(Recorder):
        def tick(self, done: float, total: float, **_: Any) -> None:
            heard.append((done, total))

    member.run(ask(), ask(), control=Listener(Path()))
    assert len(heard) > 16
    assert heard[-1] == (2, 2)
    assert [done for done, _ in heard] == sorted(done for done, _ in heard)


@pytest.mark.parametrize("tick", [2, 8, 12])
def test_a_stop_is_heard_within_a_token_and_the_model_can_be_used_again(
    member: Member, tick: int
) -> None:
    before = member.sound(ask())
    control = Recorder(Path(), stop_at=tick)
    with pytest.raises(StepStopped):
        member.run(ask(), control=control)
    assert control.ticks == tick
    assert same(member.sound(ask()), before)


def test_one_that_has_to_stop_leaves_the_others(member: Member) -> None:
    control = Recorder(Path(), stop_at=2, leaving=frozenset({0}))
    first, second = member.run(ask(), ask(), control=control)
    assert isinstance(first.error, BackendError)
    assert same(second.outputs["audio"], member.sound(ask()))


def test_a_bad_item_fails_alone(member: Member) -> None:
    other = Request(tool="speak", inputs={}, params={})
    nothing = Audio(samples=np.zeros((1, 0), np.float32), rate=16_000)
    broken = Audio(samples=np.full((1, 9_000), np.nan, np.float32), rate=16_000)
    long = said(seconds=20, rate=8_000)
    results = member.run(ask(), ask("words"), ask(nothing), ask(broken), ask(long), other, ask())
    assert [type(result.error) for result in results] == [
        type(None), *[BadInput] * 5, type(None)
    ]  # fmt: skip
    assert "at most" in results[4].error.message  # type: ignore[union-attr]


def test_a_reply_beyond_what_the_model_can_make_is_refused(member: Member) -> None:
    backend = SpeechToSpeech()
    ranges = {"speech_to_speech.max_seconds": (0.1, 0.5)}
    backend.load(replace(member.model, ranges=ranges), "cpu")
    good, long = backend.run([ask(max_seconds=0.5), ask(max_seconds=0.6)], Recorder(Path()))
    assert good.error is None
    assert isinstance(long.error, BadInput)
    assert "0.5" in long.error.message


def test_a_full_device_says_so(member: Member, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(samples: Any, rate: int) -> Result:
        raise MemoryError

    monkeypatch.setattr(talking, "sound", full)
    (result,) = member.run(ask())
    assert isinstance(result.error, OutOfMemory)


def test_it_can_be_unloaded_and_loaded_again(member: Member) -> None:
    before = member.sound(ask())
    member.backend.unload()
    with pytest.raises(Unavailable):
        member.run(ask())
    member.backend.load(member.model, "cpu")
    assert same(member.sound(ask()), before)


def test_half_precision_talks_too(member: Member) -> None:
    """As on an accelerator."""
    backend = SpeechToSpeech()
    backend.load(replace(member.model, options={"dtype": "bfloat16"}), "cpu")
    (result,) = backend.run([ask()], Recorder(Path()))
    assert result.error is None, result.error
    assert result.outputs["audio"].seconds > 0


def test_files_that_do_not_talk_are_unavailable(tmp_path: Path) -> None:
    pickled, other, broken, mute = (tmp_path / name for name in ("pickled", "other", "bad", "mute"))
    for folder in (pickled, other, broken, mute):
        folder.mkdir()
    (pickled / "pytorch_model.bin").write_bytes(b"")
    (other / "config.json").write_text('{"model_type": "bert"}')
    (broken / "config.json").write_text('{"model_type": "moshi"}')
    (mute / "config.json").write_text('{"model_type": "qwen2_5_omni"}')
    for folder, reason in (
        (tmp_path / "none", "not at"),
        (pickled, "pickle"),
        (other, "bert"),
        (broken, "cannot be read"),
        (mute, "omni_voices"),
    ):
        with pytest.raises(Unavailable, match=reason):
            SpeechToSpeech().load(_spec(folder), "cpu")


def test_moshi_gives_the_codes_of_its_own_generate(member: Member) -> None:
    """Those after the message, without the last one, which its own way makes once more."""
    import torch

    talker = member.backend._talker
    if not isinstance(talker, Moshi):
        pytest.skip("Qwen2.5-Omni is used by its own `generate`")
    message = said().samples[0][:4_000]
    decoded = []
    codec, decode = talker._model.audio_encoder, talker._model.audio_encoder.decode
    codec.decode = lambda codes: decoded.append(codes) or decode(codes)
    try:
        with torch.inference_mode():
            torch.manual_seed(5)
            wave, _ = talker.answer(message, 0.8)
            words = torch.full((1, 25), 3)
            torch.manual_seed(5)
            whole = talker._model.generate(
                input_ids=words,
                attention_mask=torch.ones_like(words),
                user_audio_codes=talker._codes(message),
                moshi_audio_codes=talker._codes(np.zeros_like(message)),
                max_new_tokens=12,
                return_audio_waveforms=False,
                return_audio_codes=True,
                **Moshi._DRAW,
            ).audio_codes
    finally:
        del codec.decode
    assert len(wave) == 10 * 160  # ten frames of 0.08 seconds
    assert decoded[0].shape[-1] == 35
    assert torch.equal(decoded[0], whole[..., :-1])


def test_moshi_hears_although_it_writes_nothing(member: Member) -> None:
    """Words that are none are no padding: what is heard at their places counts."""
    talker = member.backend._talker
    if not isinstance(talker, Moshi):
        pytest.skip("only Moshi is padded while it listens")
    masks = []
    hook = talker._model.decoder.register_forward_pre_hook(
        lambda module, args, given: masks.append(given["attention_mask"]), with_kwargs=True
    )
    try:
        member.sound(ask())
    finally:
        hook.remove()
    assert masks
    assert all(mask is None or bool(mask.all()) for mask in masks)


def test_a_reply_of_moshi_is_over_when_no_word_comes(
    member: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    talker = member.backend._talker
    if not isinstance(talker, Moshi):
        pytest.skip("Qwen2.5-Omni ends by itself")
    import torch

    over = talker._over(2)
    word, quiet = 9, talker._silent
    patience = int(Moshi._QUIET * 12.5)
    for tokens, ends in (
        ([word] * 40, False),
        ([word, word, *[quiet[0]] * 60], False),  # nothing said yet: those are before its turn
        ([quiet[0], quiet[0], word, *[quiet[0]] * (patience - 1)], False),
        ([quiet[0], quiet[0], word, *quiet * patience], True),
    ):
        assert over(torch.tensor([tokens]), None).tolist() == [ends]
    monkeypatch.setattr(Moshi, "_over", lambda *_: lambda tokens, scores: tokens[:, -1] > -1)
    (result,) = member.run(ask())
    assert isinstance(result.error, BackendError)  # one step holds no sound
    monkeypatch.setattr(
        Moshi, "_over", lambda self, start: lambda ids, _: ids[:, 0] * 0 + ids.shape[1] > start + 7
    )
    assert member.sound(ask()).seconds == pytest.approx(6 * 0.08)


def test_message_and_reply_of_moshi_fit_its_memory(member: Member) -> None:
    if member.name != "moshi":
        pytest.skip("only Moshi remembers both in one row")
    (result,) = member.run(ask(said(seconds=8), max_seconds=3))
    assert isinstance(result.error, BadInput)
    assert "10 seconds" in result.error.message


def test_a_voice_of_qwen_omni_is_chosen_by_name(member: Member, tmp_path: Path) -> None:
    if member.name == "moshi":
        pytest.skip("Moshi has one voice")
    sounds = []
    for voice in ("Chelsie", "Ethan"):
        backend = SpeechToSpeech()
        backend.load(replace(member.model, options={"voice": voice}), "cpu")
        (result,) = backend.run([ask()], Recorder(Path()))
        sounds.append(result.outputs["audio"])
    assert same(sounds[0], member.sound(ask()))
    assert not same(*sounds)
    with pytest.raises(Unavailable, match="it has: Chelsie, Ethan"):
        SpeechToSpeech().load(replace(member.model, options={"voice": "Nobody"}), "cpu")
    (tmp_path / "bad.safetensors").write_bytes(b"nothing")
    options = {"voices": str(tmp_path / "bad.safetensors")}
    with pytest.raises(Unavailable, match="cannot be read"):
        SpeechToSpeech().load(replace(member.model, options=options), "cpu")


def test_the_pickle_of_voices_is_never_loaded(
    member: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    if member.name == "moshi":
        pytest.skip("Moshi has no such file")
    assert (Path(member.model.source) / "spk_dict.pt").is_file()

    def refused(*_: Any, **__: Any) -> None:
        raise AssertionError("a pickle was loaded")

    monkeypatch.setattr(torch, "load", refused)
    SpeechToSpeech().load(member.model, "cpu")


def test_qwen_omni_puts_the_sound_where_its_processor_does(member: Member) -> None:
    """As many places as the audio tower gives."""
    import torch

    talker = member.backend._talker
    if not isinstance(talker, Omni):
        pytest.skip("Moshi has no such places")
    tower = talker._model.thinker.model.audio_tower
    for frames in (10, 57, 100, 399):
        prompt = talker._prompt(frames)
        _, places = tower._get_feat_extract_output_lengths(torch.tensor([frames]))
        assert prompt.count(3) == int(places)
        assert prompt[prompt.index(3) - 1] == 4
        assert "You are Qwen" in talker._tokenizer.decode(prompt)
        assert talker._tokenizer.decode(prompt).endswith("<|im_start|>assistant\n")


def _spec(folder: Path) -> ModelSpec:
    return ModelSpec(id="x", backend="x", tools=frozenset(), source=str(folder))

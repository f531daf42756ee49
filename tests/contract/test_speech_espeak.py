"""The synthesizer: real words through its own process."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from generators.speech.backend import EspeakBackend
from generators.speech.synthesizer import Synthesizer
from medley.backend import Backend, ModelSpec, Request, Result
from medley.errors import BackendError, BadInput, StepStopped, Unavailable
from medley.media.values import Audio
from medley.toolset.sounds import SPEAK

SPEC = ModelSpec(id="espeak", backend="espeak", tools=frozenset({"speak"}))


class Reporting:
    """A control that counts its reports, and stops after so many."""

    scratch = Path("/nonexistent")

    def __init__(self, stop_after: int = 10**9) -> None:
        self.heard: list[float] = []
        self._stop_after = stop_after

    def tick(self, done: float, total: float, *, message: str = "", preview: Any = None) -> None:
        self.heard.append(done / total)
        if len(self.heard) > self._stop_after:
            raise StepStopped

    def delta(self, text: str) -> None: ...


@pytest.fixture(scope="module")
def synthesizer() -> Any:
    synthesizer = Synthesizer()
    yield synthesizer
    synthesizer.stop()


@pytest.fixture(scope="module")
def speech(synthesizer: Synthesizer) -> EspeakBackend:
    backend = EspeakBackend(synthesizer)
    backend.load(SPEC, "cpu")
    return backend


def ask(text: Any, **params: Any) -> Request:
    return Request(tool="speak", inputs={"text": text}, params=SPEAK.params(**params).model_dump())


def spoken(speech: EspeakBackend, text: str, **params: Any) -> Audio:
    (result,) = speech.run([ask(text, **params)], Reporting())
    assert result.error is None, result.error
    audio = result.outputs["audio"]
    assert isinstance(audio, Audio)
    return audio


def refusal(speech: EspeakBackend, request: Request) -> str:
    (result,) = speech.run([request], Reporting())
    assert isinstance(result.error, BadInput), result
    return result.error.message


@pytest.mark.parametrize(
    "text", ["a small cat", "一只小猫", "The word 猫 means cat.", "42", "Привет"]
)
def test_words_become_sound(speech: EspeakBackend, text: str) -> None:
    audio = spoken(speech, text)

    assert isinstance(speech, Backend)
    assert (audio.rate, len(audio.samples), audio.samples.dtype) == (22_050, 1, np.float32)
    assert 0.3 < audio.seconds < 5
    assert 0.05 < np.abs(audio.samples).max() <= 1


def test_equal_words_sound_equal_and_others_do_not(speech: EspeakBackend) -> None:
    first, again, other = (spoken(speech, word) for word in ("cat", "cat", "dog"))

    assert first.samples.tobytes() == again.samples.tobytes()
    assert first.samples.tobytes() != other.samples.tobytes()


def test_the_language_is_taken_from_the_writing(speech: EspeakBackend) -> None:
    auto, chinese = spoken(speech, "小猫"), spoken(speech, "小猫", language="zh")
    english = spoken(speech, "小猫", language="en")

    assert auto.samples.tobytes() == chinese.samples.tobytes()
    assert auto.samples.tobytes() != english.samples.tobytes()


def test_twice_the_speed_takes_about_half_the_time(speech: EspeakBackend) -> None:
    words = "the quick brown fox jumps over the lazy dog and runs away"

    assert spoken(speech, words, speed=2.0).seconds < 0.65 * spoken(speech, words).seconds


def test_voice_and_pitch_are_heard(speech: EspeakBackend) -> None:
    plain = spoken(speech, "hello")

    for params in ({"voice": "f2"}, {"voice": "en-gb-scotland+f3"}, {"pitch": 90}):
        assert spoken(speech, "hello", **params).samples.tobytes() != plain.samples.tobytes()


@pytest.mark.parametrize("voice", ["nosuch", "../../etc/passwd", "fr-fr", "en+..", "a b"])
def test_a_voice_that_is_not_there_is_a_bad_input(speech: EspeakBackend, voice: str) -> None:
    assert "voice" in refusal(speech, ask("hello", voice=voice))


@pytest.mark.parametrize("text", ["", " \n", "?!…", None, 7, "word " * 5000])
def test_what_cannot_be_said_is_a_bad_input(speech: EspeakBackend, text: Any) -> None:
    assert refusal(speech, ask(text))


def test_a_bad_item_fails_alone(speech: EspeakBackend) -> None:
    results: list[Result] = speech.run([ask("one"), ask(""), ask("two")], Reporting())

    assert [result.error is None for result in results] == [True, False, True]


def test_long_words_report_and_can_be_stopped(speech: EspeakBackend) -> None:
    control = Reporting()
    speech.run([ask("many words " * 100)], control)

    assert len(control.heard) > 20
    assert control.heard == sorted(control.heard)
    with pytest.raises(StepStopped):
        speech.run([ask("many words " * 100)], Reporting(stop_after=5))
    assert spoken(speech, "still here").seconds > 0.3


def test_a_killed_process_is_started_again(speech: EspeakBackend, synthesizer: Synthesizer) -> None:
    spoken(speech, "before")
    first = synthesizer.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)

    assert spoken(speech, "after").seconds > 0.3
    assert synthesizer.pid != first


def test_unloading_ends_the_process_and_it_may_be_loaded_again() -> None:
    synthesizer = Synthesizer()
    backend = EspeakBackend(synthesizer)
    backend.load(SPEC, "cpu")
    backend.unload()

    assert synthesizer.pid is None
    backend.load(SPEC, "cpu")
    assert synthesizer.pid is not None
    backend.unload()


def test_without_the_library_speech_is_unavailable(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text('print(\'{"missing": "No module named espeakng_loader"}\')')

    with pytest.raises(Unavailable, match="espeak-ng"):
        EspeakBackend(Synthesizer(program)).load(SPEC, "cpu")


@pytest.mark.parametrize("body", ["", "print('nonsense')", "import sys; sys.exit(3)"])
def test_a_program_that_does_not_answer_is_unavailable(tmp_path: Path, body: str) -> None:
    program = tmp_path / "program.py"
    program.write_text(body)

    with pytest.raises(Unavailable):
        Synthesizer(program).start()


def test_words_that_kill_the_process_twice_are_a_backend_error(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text("print('{\"rate\": 22050}', flush=True); input()")

    with pytest.raises(BackendError, match="twice"):
        Synthesizer(program).say("deadly", voice="en-us", words_per_minute=165, pitch=50)


def test_the_library_is_not_loaded_into_the_process_that_asks() -> None:
    program = """
from pathlib import Path
from generators.speech.synthesizer import Synthesizer
synthesizer = Synthesizer()
synthesizer.say("hello", voice="en-us", words_per_minute=165, pitch=50)
assert "libespeak" not in Path("/proc/self/maps").read_text()
synthesizer.stop()
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)

"""The tool `speak`: words in English and Chinese, each stretch of a text by a voice of its
language.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
from pydantic import ValidationError

from generators.speech.synthesizer import Synthesizer
from medley.backend import Control, ModelSpec, Request, Result
from medley.errors import BackendError, BadInput, MedleyError
from medley.media.values import Audio
from medley.toolset.sounds import SpeakParams

Language = Literal["en", "zh"]

_VOICES: dict[Language, str] = {"en": "en-us", "zh": "cmn"}
_WORDS_PER_MINUTE = 165
_LONGEST = 20_000  # characters, some twenty minutes
_CHARACTERS_PER_SECOND: dict[Language, float] = {"en": 14.0, "zh": 4.0}
_CHINESE = r"\u3007\u3400-\u9fff\uf900-\ufaff"
_WORDS_OF = re.compile(rf"(?P<zh>[{_CHINESE}])|(?P<en>[^\W\d_])")
_VARIANT = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,31}")
_FULL_VOICE = re.compile(
    r"[a-z]{2,3}(?:[-/][A-Za-z0-9]{1,16}){0,4}(?:\+[A-Za-z][A-Za-z0-9_-]{0,31})?"
)


class EspeakBackend:
    """Speaks through espeak-ng in a process of its own, started by the first request."""

    tools = frozenset({"speak"})

    def __init__(self, synthesizer: Synthesizer | None = None) -> None:
        self._synthesizer = synthesizer or Synthesizer()

    def load(self, model: ModelSpec, device: str) -> None:
        """Starts the process. Raises `Unavailable` when espeak-ng is not installed."""
        self._synthesizer.start()

    def run(self, batch: Sequence[Request], control: Control) -> list[Result]:
        """One result per request: `audio`, mono at 22,050 Hz. Raises `StepStopped`."""
        results = []
        for done, request in enumerate(batch):
            control.tick(done, len(batch))
            try:
                audio = self._speak(request, control, done, len(batch))
                results.append(
                    Result(outputs={"audio": audio}, usage={"output_seconds": audio.seconds})
                )
            except MedleyError as error:
                results.append(Result(error=error))
            except (ValueError, OSError) as error:
                results.append(Result(error=BackendError(f"speak failed: {error}")))
        return results

    def unload(self) -> None:
        """Ends the process."""
        self._synthesizer.stop()

    def _speak(self, request: Request, control: Control, done: int, total: int) -> Audio:
        text, params = _asked(request)
        pieces: list[Audio] = []
        stretches = list(_stretches(text, params))
        expected = sum(len(words) / _CHARACTERS_PER_SECOND[lang] for lang, words in stretches)
        before = 0.0

        def tick(seconds: float) -> None:
            part = min(0.99, (before + seconds) / max(1.0, expected / params.speed))
            control.tick(done + part, total, message="speaking")

        for language, words in stretches:
            pieces.append(
                self._synthesizer.say(
                    words,
                    voice=_voice(language, params.voice),
                    words_per_minute=round(_WORDS_PER_MINUTE * params.speed),
                    pitch=params.pitch,
                    tick=tick,
                )
            )
            before += pieces[-1].seconds
        samples = np.concatenate([piece.samples for piece in pieces], axis=1)
        if not samples.shape[1] or not np.abs(samples).max():
            raise BadInput("There is nothing in these words that can be said aloud.")
        return Audio(samples=samples, rate=pieces[0].rate)


def _asked(request: Request) -> tuple[str, SpeakParams]:
    text = request.inputs.get("text")
    if not isinstance(text, str):
        raise BadInput("The input 'text' is missing.")
    text = " ".join(text.replace("\0", " ").split())
    if not any(character.isalnum() for character in text):
        raise BadInput("There is nothing in these words that can be said aloud.")
    if len(text) > _LONGEST:
        raise BadInput(f"{len(text)} characters cannot be said at once; at most {_LONGEST} can.")
    try:
        return text, SpeakParams.model_validate(dict(request.params))
    except ValidationError as error:
        first = error.errors()[0]
        raise BadInput(f"Parameter {'.'.join(map(str, first['loc']))}: {first['msg']}.") from error


def _stretches(text: str, params: SpeakParams) -> Iterator[tuple[Language, str]]:
    """The text in stretches of one language. Digits and marks belong to the words before them."""
    if params.language == "en" or params.language == "zh":
        yield params.language, text
        return
    if params.language != "auto":
        raise BadInput(f"This synthesizer speaks en and zh, not {params.language!r}.")
    found = [(match.start(), _language(match)) for match in _WORDS_OF.finditer(text)]
    current: Language = found[0][1] if found else "en"
    begin = 0
    for start, language in found:
        if language != current:
            yield current, text[begin:start]
            begin, current = start, language
    yield current, text[begin:]


def _language(match: re.Match[str]) -> Language:
    return "zh" if match["zh"] else "en"


def _voice(language: Language, wanted: str) -> str:
    """espeak-ng's name of a voice: a variant such as `f2` is put on the language, a full name is
    taken as it is.

    Names never reach a path unchecked: no dots, no leading slash.
    """
    if not wanted:
        return _VOICES[language]
    if _FULL_VOICE.fullmatch(wanted) and (
        wanted.partition("-")[0].partition("+")[0] in ("en", "cmn", "zh", "yue")
    ):
        same = wanted.startswith("en") == (language == "en")
        variant = wanted.partition("+")[2]
        return wanted if same else _voice(language, variant)
    if _VARIANT.fullmatch(wanted):
        return f"{_VOICES[language]}+{wanted}"
    raise BadInput(f"{wanted!r} is no voice; for example: f2, m3, Alicia, en-gb, en-us+f2.")

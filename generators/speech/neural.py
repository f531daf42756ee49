"""The tool `speak` by a trained voice: VITS, SpeechT5, Bark, Pocket TTS, VibeVoice.

A text is said sentence by sentence. A parameter that the model cannot follow is refused, with what
it can do: a voice at another pace than was asked for would be a surprise.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from generators.one_by_one import Progress, one_by_one, seeded, sound
from generators.speech.voices import Voice, Wave, voice_of
from medley.backend import Control, ModelSpec, Request, Result
from medley.checkpoints import folder_of, loading, place
from medley.errors import BadInput, Unavailable
from medley.forwards import before_each

_LONGEST = 20_000  # characters, some twenty minutes
_PAUSE = 0.15  # seconds between sentences that are said one by one
_USUAL_PITCH = 50
_SENTENCE = re.compile(r"(?<=[.!?;:…])\s+|(?<=[。！？；：])|\n+")
_CHINESE = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]")
_WRITE_CHINESE = {"zh", "yue", "ja", "cmn"}


class NeuralSpeech:
    """Speaks with a trained voice. Options of the model: `languages` (ISO 639 codes), `voices` (a
    folder of voices), `vocoder`, `dtype`.
    """

    tools = frozenset({"speak"})

    def __init__(self) -> None:
        self._voice: Voice | None = None

    def load(self, model: ModelSpec, device: str) -> None:
        """Brings the weights into memory. Raises `Unavailable`, `OutOfMemory`."""
        folder = folder_of(model)
        with loading(model, device):
            self._voice = voice_of(model, folder, place(device))

    def unload(self) -> None:
        """Frees the weights."""
        self._voice = None

    def run(self, batch: Sequence[Request], control: Control) -> list[Result]:
        """`audio` per request: mono, float32 in [-1, 1], at the voice's own rate. An equal seed
        gives equal sound, whatever else is in the batch. Raises `StepStopped` within a token.
        """
        if self._voice is None:
            raise Unavailable("No model is loaded.")
        voice = self._voice
        return one_by_one(
            batch, control, lambda request, progress: _speak(voice, request, progress)
        )


def _speak(voice: Voice, request: Request, progress: Progress) -> Result:
    text = _text(request)
    _check(voice, text, request.params)
    wanted = str(request.params.get("voice", ""))
    speed = float(request.params.get("speed", 1.0))
    parts = list(_parts(text, voice.longest))
    progress.expected = sum(voice.calls(part) for part in parts)
    waves: list[Wave] = []
    with before_each(voice.watched, progress.call):
        for part in parts:
            with seeded(request.seed):
                waves.append(voice.say(part, wanted, speed))
    spoken = [wave for wave in waves if wave.size]
    if not spoken:
        raise BadInput("There is nothing in these words that this voice can say.")
    pause = np.zeros(int(_PAUSE * voice.rate), np.float32)
    whole = np.concatenate([piece for wave in spoken for piece in (pause, wave)][1:])
    return sound(whole, voice.rate)


def _text(request: Request) -> str:
    if request.tool != "speak":
        raise BadInput(f"This backend does not serve {request.tool!r}.")
    text = request.inputs.get("text")
    if not isinstance(text, str):
        raise BadInput("The input 'text' is missing.")
    text = text.replace("\0", " ").strip()
    if not any(character.isalnum() for character in text):
        raise BadInput("There is nothing in these words that can be said aloud.")
    if len(text) > _LONGEST:
        raise BadInput(f"{len(text)} characters cannot be said at once; at most {_LONGEST} can.")
    return text


def _check(voice: Voice, text: str, params: Any) -> None:
    spoken = ", ".join(sorted(voice.languages))
    language = str(params.get("language", "auto"))
    if voice.languages:
        if language != "auto" and language not in voice.languages:
            raise BadInput(f"This voice does not speak {language!r}; it speaks: {spoken}.")
        if _CHINESE.search(text) and not voice.languages & _WRITE_CHINESE:
            raise BadInput(f"These are Chinese characters; this voice speaks: {spoken}.")
    wanted = str(params.get("voice", ""))
    if wanted and wanted not in voice.names:
        known = ", ".join(voice.names[:20]) or "only its own, so leave `voice` out"
        raise BadInput(f"There is no voice {wanted!r}; this model has: {known}.")
    if voice.keeps_pace and float(params.get("speed", 1.0)) != 1.0:
        raise BadInput("This voice speaks at its own pace; leave `speed` out.")
    if int(params.get("pitch", _USUAL_PITCH)) != _USUAL_PITCH:
        raise BadInput("The pitch of a trained voice cannot be chosen; leave `pitch` out.")


def _parts(text: str, longest: int) -> Iterator[str]:
    """The text in parts of whole sentences, each of at most `longest` characters; a longer sentence
    is cut between words.
    """
    part = ""
    for sentence in filter(None, (found.strip() for found in _SENTENCE.split(text))):
        if part and len(part) + 1 + len(sentence) > longest:
            yield part
            part = ""
        part = f"{part} {sentence}" if part else sentence
        while len(part) > longest:
            cut = part.rfind(" ", longest // 2, longest)
            cut = cut if cut > 0 else longest
            yield part[:cut]
            part = part[cut:].strip()
    if part:
        yield part

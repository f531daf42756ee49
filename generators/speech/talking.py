"""The tool `speech_to_speech`: a spoken message is answered by a model that hears and speaks by
itself, with no words needed between.
"""

from collections.abc import Sequence

import numpy as np

from generators.one_by_one import Progress, check_ranges, one_by_one, sound
from generators.speech.talkers import Talker, Wave, talker_of
from medley.backend import Control, ModelSpec, Request, Result
from medley.checkpoints import folder_of, loading, place
from medley.errors import BadInput, Unavailable
from medley.forwards import before_each
from medley.media.sound import check_sound, mono, resample
from medley.media.values import Audio

_SHORTEST = 0.1  # seconds; shorter messages are filled up with silence


class SpeechToSpeech:
    """Answers speech by speech. Options of the model: `dtype`; for Qwen2.5-Omni `voices` (a file)
    and `voice` (the name of one).
    """

    tools = frozenset({"speech_to_speech"})

    def __init__(self) -> None:
        self._spec: ModelSpec | None = None
        self._talker: Talker | None = None

    def load(self, model: ModelSpec, device: str) -> None:
        """Brings the weights into memory. Raises `Unavailable`, `OutOfMemory`."""
        folder = folder_of(model)
        with loading(model, device):
            self._talker = talker_of(model, folder, place(device))
            self._spec = model

    def unload(self) -> None:
        """Frees the weights."""
        self._spec = self._talker = None

    def run(self, batch: Sequence[Request], control: Control) -> list[Result]:
        """Per request `audio`: mono, float32 in [-1, 1], at the model's own rate and no longer than
        `max_seconds`; and `text`, the reply in words, where there are some. Raises `StepStopped`
        within a token.
        """
        if self._talker is None:
            raise Unavailable("No model is loaded.")
        return one_by_one(batch, control, self._answer)

    def _answer(self, request: Request, progress: Progress) -> Result:
        assert self._spec is not None
        assert self._talker is not None
        message = _message(request, self._talker)
        check_ranges(self._spec, request)
        seconds = float(request.params["max_seconds"])
        progress.expected = self._talker.calls(seconds)
        with before_each(self._talker.watched, progress.call):
            wave, text = self._talker.answer(message, seconds)
        result = sound(wave[: int(seconds * self._talker.rate)], self._talker.rate)
        words = {"text": text} if text else {}
        return Result(outputs={**result.outputs, **words}, usage=result.usage)


def _message(request: Request, talker: Talker) -> Wave:
    """What was said, as the talker hears it: mono samples (n,) at its rate."""
    if request.tool != "speech_to_speech":
        raise BadInput(f"This backend does not serve {request.tool!r}.")
    audio = request.inputs.get("audio")
    if not isinstance(audio, Audio):
        raise BadInput("The input 'audio' is missing.")
    check_sound(audio)
    if audio.seconds > talker.longest:
        raise BadInput(
            f"This message takes {audio.seconds:.0f} seconds; this model hears at most "
            f"{talker.longest:.0f}."
        )
    heard: Wave = resample(mono(audio), talker.hears).samples[0]
    missing = int(_SHORTEST * talker.hears) - len(heard)
    return np.pad(heard, (0, missing)) if missing > 0 else heard

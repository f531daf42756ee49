"""The tool `transcribe`: what is said in a recording, by a speech model of transformers.

A long recording is heard in pieces, cut where it is quiet. Pieces of several recordings are heard
together where that changes nothing of what is written.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hub.recognisers import Recogniser, Wave, recogniser
from medley.backend import Control, ModelSpec, Request, Result
from medley.checkpoints import folder_of, loading, place
from medley.errors import BackendError, BadInput, MedleyError, OutOfMemory, Unavailable
from medley.forwards import before_each
from medley.media.sound import check_sound, mono, resample
from medley.media.values import Audio

_SILENT = 1e-3  # a peak below -60 dB: nobody speaks, and models make words up
_FRAME = 0.1  # seconds over which loudness is measured
_SEARCH = 0.2  # share of a piece's end in which the quietest place is looked for
_SHORTEST = 0.1  # seconds; shorter pieces are filled up with silence


@dataclass(slots=True)
class _Recording:
    """One request that can be heard."""

    place: int
    language: str | None
    translate: bool
    seconds: float
    pieces: list[Wave]
    written: list[str] = field(default_factory=list)
    error: MedleyError | None = None


class Transcriber:
    """Writes down speech. Options of the model: `languages` (ISO 639 codes, where the checkpoint
    does not say), `dtype`.
    """

    tools = frozenset({"transcribe"})

    def __init__(self) -> None:
        self._recogniser: Recogniser | None = None

    def load(self, model: ModelSpec, device: str) -> None:
        """Brings the weights into memory. Raises `Unavailable`, `OutOfMemory`."""
        folder = folder_of(model)
        with loading(model, device):
            self._recogniser = recogniser(model, folder, place(device))

    def unload(self) -> None:
        """Frees the weights."""
        self._recogniser = None

    def run(self, batch: Sequence[Request], control: Control) -> list[Result]:
        """`text` per request; empty where nothing is said. Raises `StepStopped` within a token."""
        if self._recogniser is None:
            raise Unavailable("No model is loaded.")
        results: dict[int, Result] = {}
        recordings: list[_Recording] = []
        for index, request in enumerate(batch):
            try:
                recordings.append(_recording(self._recogniser, index, request))
            except MedleyError as error:
                results[index] = Result(error=error)
        self._write_all(self._recogniser, recordings, control)
        results |= {recording.place: _result(recording) for recording in recordings}
        return [results[index] for index in range(len(batch))]

    def _write_all(
        self, recogniser: Recogniser, recordings: list[_Recording], control: Control
    ) -> None:
        total = sum(len(recording.pieces) for recording in recordings)
        done = 0
        control.tick(0, total)
        groups: dict[Any, list[_Recording]] = defaultdict(list)
        for recording in recordings:
            groups[recording.language, recording.translate].append(recording)
        for group in groups.values():
            queue = [(owner, piece) for owner in group for piece in owner.pieces]
            for start in range(0, len(queue), recogniser.together):
                part = queue[start : start + recogniser.together]
                _leave(part, control)
                heard = [pair for pair in part if pair[0].error is None]
                _write(recogniser, heard, control, done, total)
                done += len(part)
                control.tick(done, total)


def _leave(part: list[tuple[_Recording, Wave]], control: Control) -> None:
    for owner, _ in part:
        if owner.error is None and control.stopped(owner.place):
            owner.error = BackendError("The step had to stop.")


def _write(
    recogniser: Recogniser,
    part: list[tuple[_Recording, Wave]],
    control: Control,
    done: int,
    total: int,
) -> None:
    """Adds what is said in these pieces to their recordings. A piece that cannot be heard fails its
    recording alone.
    """
    import torch

    spoken = [(owner, piece) for owner, piece in part if np.abs(piece).max() >= _SILENT]
    if not spoken:
        return
    owner = spoken[0][0]
    limit = max(recogniser.limit(len(piece) / recogniser.rate) for _, piece in spoken)
    calls = 0

    def heard() -> None:
        nonlocal calls
        control.tick(done + len(part) * min(0.99, calls / limit), total)
        calls += 1

    error: MedleyError
    try:
        with torch.inference_mode(), before_each([recogniser.model], heard):
            texts = recogniser.write(
                [_filled(piece, recogniser.rate) for _, piece in spoken],
                owner.language,
                owner.translate,
            )
    except torch.OutOfMemoryError:
        error = OutOfMemory("There is no room to hear this recording.")
    except Exception as failed:  # noqa: BLE001 - whatever a model raises fails its item alone
        error = BackendError(f"transcribe failed: {type(failed).__name__}: {failed}")
    else:
        for (owner, _), text in zip(spoken, texts, strict=True):
            owner.written.append(text.strip())
        return
    if len(spoken) == 1:
        owner.error = error
        return
    for pair in spoken:
        if pair[0].error is None:
            _write(recogniser, [pair], control, done, total)


def _recording(recogniser: Recogniser, index: int, request: Request) -> _Recording:
    if request.tool != "transcribe":
        raise BadInput(f"This backend does not serve {request.tool!r}.")
    audio = request.inputs.get("audio")
    if not isinstance(audio, Audio):
        raise BadInput("A recording is needed.")
    check_sound(audio)
    language = str(request.params.get("language", "auto"))
    translate = bool(request.params.get("translate", False))
    _check(recogniser, language, translate)
    wave = resample(mono(audio), recogniser.rate).samples[0]
    return _Recording(
        place=index,
        language=None if language == "auto" else language,
        translate=translate,
        seconds=audio.seconds,
        pieces=list(pieces(wave, recogniser.rate, recogniser.seconds)),
    )


def _check(recogniser: Recogniser, language: str, translate: bool) -> None:
    known = recogniser.languages
    if language != "auto" and known and language not in known:
        raise BadInput(
            f"This model does not understand {language!r}; it knows: {', '.join(sorted(known))}."
        )
    if translate and not recogniser.translates:
        raise BadInput("This model writes in the language that is spoken; it does not translate.")


def pieces(wave: Wave, rate: int, seconds: float) -> Iterator[Wave]:
    """The recording (n,) in pieces of at most `seconds`, cut where it is quietest near their ends.
    Together they are the whole.
    """
    longest, frame = int(seconds * rate), max(1, int(_FRAME * rate))
    while len(wave) > longest:
        first = int(longest * (1 - _SEARCH))
        frames = (longest - first) // frame
        end = wave[first : first + frames * frame].reshape(frames, frame)
        cut = first + int((end**2).mean(axis=1).argmin()) * frame + frame // 2
        yield wave[:cut]
        wave = wave[cut:]
    yield wave


def joined(texts: Sequence[str]) -> str:
    """Texts that follow each other: with a space between them, but not between Chinese or Japanese
    characters.
    """
    whole = ""
    for text in filter(None, texts):
        close = whole and _is_wide(whole[-1]) and _is_wide(text[0])
        whole += ("" if close or not whole else " ") + text
    return whole


def _is_wide(character: str) -> bool:
    return "\u3000" <= character <= "\u9fff" or "\uf900" <= character <= "\uffef"


def _filled(wave: Wave, rate: int) -> Wave:
    missing = int(_SHORTEST * rate) - len(wave)
    return np.pad(wave, (0, missing)) if missing > 0 else wave


def _result(recording: _Recording) -> Result:
    if recording.error is not None:
        return Result(error=recording.error)
    usage = {"input_seconds": recording.seconds}
    return Result(outputs={"text": joined(recording.written)}, usage=usage)

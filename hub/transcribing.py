"""The tool `transcribe`: what is said in a recording, by a speech model of transformers.

A long recording is heard in pieces, cut where it is quiet. Pieces of several recordings are heard
together where that changes nothing of what is written.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hub.hearing import Heard, Manner, Recogniser, Stretch, Wave
from hub.recognisers import recogniser
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
    manner: Manner
    seconds: float
    pieces: list[Wave]
    written: list[tuple[int, Heard]] = field(default_factory=list)  # of which piece
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
        """`text`, `segments` and, where they are wanted, `words` per request; empty where nothing
        is said. Raises `StepStopped` within a token.
        """
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
        rate = self._recogniser.rate
        results |= {recording.place: _result(recording, rate) for recording in recordings}
        return [results[index] for index in range(len(batch))]

    def _write_all(
        self, recogniser: Recogniser, recordings: list[_Recording], control: Control
    ) -> None:
        total = sum(len(recording.pieces) for recording in recordings)
        done = 0
        control.tick(0, total)
        groups: dict[Manner, list[_Recording]] = defaultdict(list)
        for recording in recordings:
            groups[recording.manner].append(recording)
        for manner, group in groups.items():
            # What is drawn by chance is drawn alone: the same, whatever else is heard at the time.
            together = 1 if manner.temperature else recogniser.together
            queue = [
                (owner, number, piece)
                for owner in group
                for number, piece in enumerate(owner.pieces)
            ]
            for start in range(0, len(queue), together):
                part = queue[start : start + together]
                _leave(part, control)
                heard = [item for item in part if item[0].error is None]
                _write(recogniser, heard, control, done, total)
                done += len(part)
                control.tick(done, total)


#: A piece of a recording on its way: whose, which, and its samples.
_Piece = tuple[_Recording, int, Wave]


def _leave(part: list[_Piece], control: Control) -> None:
    for owner, _, _ in part:
        if owner.error is None and control.stopped(owner.place):
            owner.error = BackendError("The step had to stop.")


def _write(
    recogniser: Recogniser,
    part: list[_Piece],
    control: Control,
    done: int,
    total: int,
) -> None:
    """Adds what is said in these pieces to their recordings. A piece that cannot be heard fails its
    recording alone.
    """
    import torch

    spoken = [item for item in part if np.abs(item[2]).max() >= _SILENT]
    if not spoken:
        return
    manner = spoken[0][0].manner
    limit = max(recogniser.limit(len(piece) / recogniser.rate) for _, _, piece in spoken)
    calls = 0

    def heard() -> None:
        nonlocal calls
        control.tick(done + len(part) * min(0.99, calls / limit), total)
        calls += 1

    error: MedleyError
    try:
        with (
            torch.inference_mode(),
            torch.random.fork_rng(enabled=manner.temperature > 0),
            before_each([recogniser.model], heard),
        ):
            if manner.temperature:
                torch.manual_seed(spoken[0][1])
            waves = [_filled(piece, recogniser.rate) for _, _, piece in spoken]
            if manner.times or manner.words:
                found = recogniser.write_timed(waves, manner)
            else:
                texts = recogniser.write(waves, manner)
                found = [
                    Heard([(0.0, len(piece) / recogniser.rate, text)])
                    for (_, _, piece), text in zip(spoken, texts, strict=True)
                ]
    except torch.OutOfMemoryError:
        error = OutOfMemory("There is no room to hear this recording.")
    except Exception as failed:  # noqa: BLE001 - whatever a model raises fails its item alone
        error = BackendError(f"transcribe failed: {type(failed).__name__}: {failed}")
    else:
        for (owner, number, _), said in zip(spoken, found, strict=True):
            owner.written.append((number, said))
            control.delta(_said(said.stretches), owner.place)
        return
    if len(spoken) == 1:
        spoken[0][0].error = error
        return
    for item in spoken:
        if item[0].error is None:
            _write(recogniser, [item], control, done, total)


def _recording(recogniser: Recogniser, index: int, request: Request) -> _Recording:
    if request.tool != "transcribe":
        raise BadInput(f"This backend does not serve {request.tool!r}.")
    audio = request.inputs.get("audio")
    if not isinstance(audio, Audio):
        raise BadInput("A recording is needed.")
    check_sound(audio)
    manner = _manner(request.params)
    _check(recogniser, manner)
    wave = resample(mono(audio), recogniser.rate).samples[0]
    timed = manner.times or manner.words
    return _Recording(
        place=index,
        manner=manner,
        seconds=audio.seconds,
        pieces=list(
            pieces(wave, recogniser.rate, recogniser.finest if timed else recogniser.seconds)
        ),
    )


def _manner(params: Mapping[str, Any]) -> Manner:
    language = str(params.get("language", "auto"))
    return Manner(
        language=None if language == "auto" else language,
        translate=bool(params.get("translate", False)),
        times=bool(params.get("times", False)),
        words=bool(params.get("words", False)),
        prompt=str(params.get("prompt", "")).strip(),
        temperature=float(params.get("temperature", 0.0)),
    )


def _check(recogniser: Recogniser, manner: Manner) -> None:
    known = recogniser.languages
    if manner.language is not None and known and manner.language not in known:
        raise BadInput(
            f"This model does not understand {manner.language!r}; "
            f"it knows: {', '.join(sorted(known))}."
        )
    if fault := recogniser.fault_of(manner):
        raise BadInput(fault)


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


def _said(stretches: Sequence[Stretch]) -> str:
    return joined([text.strip() for _, _, text in stretches])


def _result(recording: _Recording, rate: int) -> Result:
    if recording.error is not None:
        return Result(error=recording.error)
    segments = _placed(
        recording, rate, "text", [(n, one.stretches) for n, one in recording.written]
    )
    text = joined([_said(heard.stretches) for _, heard in recording.written])
    outputs: dict[str, Any] = {"text": text, "segments": segments}
    if recording.manner.words:
        found = [(number, heard.words) for number, heard in recording.written]
        outputs["words"] = _placed(recording, rate, "word", found)
    return Result(outputs=outputs, usage={"input_seconds": recording.seconds})


def _placed(
    recording: _Recording, rate: int, name: str, found: Sequence[tuple[int, Sequence[Stretch]]]
) -> list[dict[str, Any]]:
    """Stretches of pieces as those of the whole recording; what is said stands under `name`."""
    begins = np.cumsum([0, *(len(piece) for piece in recording.pieces)]) / rate
    return [
        {
            "start": round(float(begins[number]) + start, 3),
            "end": round(min(float(begins[number]) + end, recording.seconds), 3),
            name: text.strip(),
        }
        for number, stretches in found
        for start, end, text in stretches
        if text.strip()
    ]

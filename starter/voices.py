"""The spoken names: espeak-ng and flite say every concept in many voices, some held out.

espeak-ng is reached through ctypes (`espeakng-loader` carries the library); it is not safe with
threads, so each process initialises its own. flite is a program of another origin: a diphone
voice and three voices of recorded speakers.
"""

import ctypes
import io
import logging
import multiprocessing
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from starter.concepts import CACHE, Concept, label_of, load_concepts
from starter.sounds import SOUNDS, make_sound

RATE = 16_000
SAMPLES = 2 * RATE
SPEECH = CACHE / "speech"
FLITE_FOLDER = CACHE / "src" / "flite"

ACCENTS = (
    "en-us", "gmw/en", "en-gb-scotland", "en-gb-x-rp", "en-029",
    "en-gb-x-gbclan", "en-gb-x-gbcwmd", "en-us-nyc",
)  # fmt: skip
VARIANTS = (
    "m1", "m2", "m3", "m4", "m5", "m7", "m8", "f1", "f2", "f3", "f5", "klatt", "klatt2", "klatt3",
    "klatt5", "klatt6", "Alex", "Alicia", "Andrea", "Annie", "Gene", "Jacky", "Lee", "Mario",
    "Michael", "Mike", "adam", "anika", "antonio", "aunty", "belinda", "benjamin", "caleb", "ed",
    "edward", "grandpa", "ian", "iven", "john", "linda", "marcelo", "max", "michel", "miguel",
    "norbert", "pablo", "paul", "pedro", "quincy", "rob", "robert", "sandro", "shelby", "travis",
    "victor", "zac",
)  # fmt: skip
# Voices that no training may hear. flite's "slt" is a recorded woman, of other origin than all
# espeak-ng voices; the men's voices of flite are in the training set.
HELD_OUT_VARIANTS = ("m6", "f4", "klatt4", "Andy", "steph", "david", "grandma")
FLITE_VOICES = ("kal16", "awb", "rms")
HELD_OUT_FLITE = ("slt",)
HELD_OUT_VOICES = (*HELD_OUT_VARIANTS, *HELD_OUT_FLITE)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Saying:
    """One rendering to make: what is said, by whom, how fast and how high."""

    label: int
    text: str
    language: str  # "en" or "zh"; "" for a sound without words
    kind: str  # "name", "synonym" or "sound"
    engine: str  # "espeak", "flite" or "made"
    voice: str
    speed: float  # words per minute (espeak), stretch of durations (flite)
    pitch: float  # 0..100 (espeak), mean in Hz (flite)


def _texts(concept: Concept) -> Iterator[tuple[str, str, str, int]]:
    """(text, language, kind, number of espeak renderings in training)."""
    for place, text in enumerate(concept.english):
        yield text, "en", "synonym" if place else "name", (24, 10, 4)[min(place, 2)]
    for place, text in enumerate(concept.chinese):
        yield text, "zh", "synonym" if place else "name", (16, 8, 4)[min(place, 2)]


def _espeak(
    label: int, text: tuple[str, str, str], variants: tuple[str, ...], rng: np.random.Generator
) -> Saying:
    what, language, kind = text
    accent = "cmn" if language == "zh" else ACCENTS[int(rng.integers(len(ACCENTS)))]
    voice = f"{accent}+{variants[int(rng.integers(len(variants)))]}"
    speed, pitch = float(rng.integers(115, 215)), float(rng.integers(20, 81))
    return Saying(label, what, language, kind, "espeak", voice, speed, pitch)


def _flite(label: int, text: tuple[str, str, str], voice: str, rng: np.random.Generator) -> Saying:
    what, language, kind = text
    mean = {"slt": 170.0}.get(voice, 110.0) * float(rng.uniform(0.8, 1.3))
    stretch = float(rng.uniform(0.8, 1.4))
    return Saying(label, what, language, kind, "flite", voice, stretch, mean)


def sayings(split: str, label: int, concept: Concept) -> list[Saying]:
    """What is said of one concept in `train`, `heldout_espeak` or `heldout_flite`."""
    rng = np.random.default_rng([label, len(split)])
    made: list[Saying] = []
    for what, language, kind, count in _texts(concept):
        text = (what, language, kind)
        spoken = kind == "name" or what in (concept.synonyms[0], concept.zh_synonyms[0])
        if split == "train":
            made += [_espeak(label, text, VARIANTS, rng) for _ in range(count)]
            if language == "en":
                times = 3 if kind == "name" else 1
                made += [_flite(label, text, v, rng) for v in FLITE_VOICES for _ in range(times)]
        elif split == "heldout_espeak" and spoken:
            times = 4 if kind == "name" else 1
            made += [_espeak(label, text, HELD_OUT_VARIANTS, rng) for _ in range(times)]
        elif split == "heldout_flite" and spoken and language == "en":
            times = 3 if kind == "name" else 1
            made += [_flite(label, text, v, rng) for v in HELD_OUT_FLITE for _ in range(times)]
    return made


class Espeak:
    """espeak-ng in this process; one at a time, no threads."""

    _RATE, _PITCH, _CHARS_UTF8, _SYNCHRONOUS = 1, 3, 1, 2

    def __init__(self) -> None:
        import espeakng_loader

        self._library = ctypes.CDLL(espeakng_loader.get_library_path())
        data = espeakng_loader.get_data_path().encode()
        self.rate = self._library.espeak_Initialize(self._SYNCHRONOUS, 0, data, 0)
        self._chunks: list[NDArray[np.int16]] = []
        kind = ctypes.CFUNCTYPE(
            ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
        )
        self._callback = kind(self._take)
        self._library.espeak_SetSynthCallback(self._callback)

    def _take(self, wave: "ctypes._Pointer[ctypes.c_short]", count: int, _events: int) -> int:
        if wave and count > 0:
            self._chunks.append(np.ctypeslib.as_array(wave, (count,)).copy())
        return 0

    def say(self, saying: Saying) -> NDArray[np.float64]:
        """Samples at `self.rate`, in -1..1. Raises ValueError for an unknown voice."""
        library = self._library
        if library.espeak_SetVoiceByName(saying.voice.encode()) != 0:
            raise ValueError(f"espeak-ng has no voice {saying.voice}")
        library.espeak_SetParameter(self._RATE, int(saying.speed), 0)
        library.espeak_SetParameter(self._PITCH, int(saying.pitch), 0)
        self._chunks.clear()
        text = saying.text.encode()
        library.espeak_Synth(text, len(text) + 1, 0, 1, 0, self._CHARS_UTF8, None, None)
        library.espeak_Synchronize()
        return np.concatenate(self._chunks or [np.zeros(1, np.int16)]).astype(float) / 32768


def say_flite(saying: Saying) -> tuple[NDArray[np.float64], int]:
    """Samples in -1..1 and their rate, from the unpacked flite program."""
    import soundfile

    libraries = next(FLITE_FOLDER.glob("usr/lib/*/libflite.so.1")).parent
    command = [
        str(FLITE_FOLDER / "usr/bin/flite"), "-voice", saying.voice,
        "--setf", f"duration_stretch={saying.speed:.3f}",
        "--setf", f"int_f0_target_mean={saying.pitch:.1f}",
        "-t", saying.text, "-o", "/dev/stdout",
    ]  # fmt: skip
    environment = {**os.environ, "LD_LIBRARY_PATH": str(libraries)}
    done = subprocess.run(command, capture_output=True, check=True, env=environment)
    samples, rate = soundfile.read(io.BytesIO(done.stdout))
    return samples, rate


def fit(samples: NDArray[np.float64], rate: int) -> NDArray[np.int16]:
    """Trim leading silence, cut or pad to two seconds, resample to 16 kHz: (32000,) int16."""
    loud = np.flatnonzero(np.abs(samples) > 0.02 * max(1e-6, float(np.abs(samples).max())))
    samples = samples[loud[0] if len(loud) else 0 :][: 2 * rate]
    padded = np.zeros(2 * rate)
    padded[: len(samples)] = samples
    bins = np.zeros(SAMPLES // 2 + 1, dtype=complex)
    spectrum = np.fft.rfft(padded)[: len(bins)]
    bins[: len(spectrum)] = spectrum
    resampled = np.fft.irfft(bins, SAMPLES) * (SAMPLES / len(padded))
    peak = max(1e-6, float(np.abs(resampled).max()))
    return (resampled * (0.7 / peak) * 32767).astype(np.int16)


@cache
def _espeak_here() -> Espeak:
    return Espeak()


def _render(job: tuple[str, int]) -> tuple[list[Saying], NDArray[np.int16]]:
    split, label = job
    made = sayings(split, label, load_concepts()[label])
    made = [s for s in made if s.engine == "espeak" or FLITE_FOLDER.exists()]
    rows = np.zeros((len(made), SAMPLES), np.int16)
    for row, saying in enumerate(made):
        if saying.engine == "flite":
            rows[row] = fit(*say_flite(saying))
        else:
            rows[row] = fit(_espeak_here().say(saying), _espeak_here().rate)
    return made, rows


def build_speech() -> None:
    """Write `cache/speech/{split}_pcm.npy` and `{split}_meta.npz`: words, then sounds."""
    SPEECH.mkdir(parents=True, exist_ok=True)
    count = len(load_concepts())
    with multiprocessing.get_context("spawn").Pool(min(8, os.cpu_count() or 1)) as pool:
        for split in ("train", "heldout_espeak", "heldout_flite"):
            if (SPEECH / f"{split}_meta.npz").exists():
                continue
            results = pool.imap(_render, [(split, label) for label in range(count)], chunksize=4)
            _write(SPEECH, split, [result for result in results if len(result[0])])
    for split, times, seed in (("train_sounds", 40, 1), ("heldout_sounds", 10, 2)):
        if not (SPEECH / f"{split}_meta.npz").exists():
            _write(SPEECH, split, [_sounds(concept_id, times, seed) for concept_id in SOUNDS])


def _sounds(concept_id: str, times: int, seed: int) -> tuple[list[Saying], NDArray[np.int16]]:
    label = label_of(concept_id)
    dice = np.random.default_rng([label, seed])
    saying = Saying(label, "", "", "sound", "made", concept_id, 0.0, 0.0)
    return [saying] * times, np.stack([make_sound(concept_id, dice) for _ in range(times)])


def _write(folder: Path, split: str, results: list[tuple[list[Saying], NDArray[np.int16]]]) -> None:
    if not results:
        log.info("%-15s left out", split)
        return
    made = [saying for some, _ in results for saying in some]
    np.save(folder / f"{split}_pcm.npy", np.concatenate([rows for _, rows in results]))
    np.savez(
        folder / f"{split}_meta.npz",
        label=np.array([s.label for s in made], np.int16),
        language=np.array([s.language for s in made]),
        voice=np.array([f"{s.engine}:{s.voice}" for s in made]),
        text=np.array([s.text for s in made]),
        kind=np.array([s.kind for s in made]),
    )
    log.info("%-15s %d sayings", split, len(made))

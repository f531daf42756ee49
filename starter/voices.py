"""The spoken names: four synthesizers say every concept in many voices, some of them held out."""

import logging
import multiprocessing
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from starter.concepts import CACHE, Concept, label_of, load_concepts
from starter.sounds import SOUNDS, make_sound
from starter.synthesizers import Saying, here, say

RATE = 16_000
SAMPLES = 2 * RATE
SPEECH = CACHE / "speech"

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
FLITE_VOICES = ("kal16", "awb", "rms")  # recorded men
PICO_VOICES = ("en-US_lh0", "en-GB_kh0")  # recorded women
# Voices that no training may hear: variants of espeak-ng, and two recorded speakers. flite's "slt"
# is a woman; Festival's "ked_diphone" a man, by a synthesizer that training does not hear at all.
HELD_OUT_VARIANTS = ("m6", "f4", "klatt4", "Andy", "steph", "david", "grandma")
HELD_OUT_FLITE = ("slt",)
HELD_OUT_FESTIVAL = ("ked_diphone",)
HELD_OUT_VOICES = (*HELD_OUT_VARIANTS, *HELD_OUT_FLITE, *HELD_OUT_FESTIVAL)
# Made in this order; `train_others` came last and widens what is said by recorded speakers.
SPLITS = ("train", "heldout_espeak", "heldout_flite", "heldout_festival", "train_others")

log = logging.getLogger(__name__)


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


def _festival(label: int, text: tuple[str, str, str], rng: np.random.Generator) -> Saying:
    what, language, kind = text
    stretch, mean = float(rng.uniform(0.8, 1.3)), float(rng.uniform(85, 130))
    voice = HELD_OUT_FESTIVAL[0]
    return Saying(label, what, language, kind, "festival", voice, stretch, mean)


def _others(
    label: int, text: tuple[str, str, str], place: int, rng: np.random.Generator
) -> Iterator[Saying]:
    """Recorded speakers with other throats: men as women and children, women as men."""
    what, language, kind = text
    for voice in (*FLITE_VOICES, *PICO_VOICES):
        woman = voice in PICO_VOICES
        many = (14, 7, 4) if woman else (5, 3, 2) if voice == "kal16" else (12, 6, 4)
        for _ in range(many[min(place, 2)]):
            throat = float(np.exp(rng.uniform(-0.2, 0.18) if woman else rng.uniform(-0.13, 0.28)))
            pitch = (1.0 if woman else 110.0) * throat**2 * float(rng.uniform(0.8, 1.3))
            engine, speed = "pico" if woman else "flite", float(rng.uniform(0.75, 1.35))
            yield Saying(label, what, language, kind, engine, voice, speed, pitch, throat)


def sayings(split: str, label: int, concept: Concept) -> list[Saying]:
    """What is said of one concept in one of `SPLITS`."""
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
        elif split == "train_others" and language == "en":
            made += _others(label, text, concept.english.index(what), rng)
        elif split == "heldout_espeak" and spoken:
            times = 4 if kind == "name" else 1
            made += [_espeak(label, text, HELD_OUT_VARIANTS, rng) for _ in range(times)]
        elif split == "heldout_flite" and spoken and language == "en":
            times = 3 if kind == "name" else 1
            made += [_flite(label, text, v, rng) for v in HELD_OUT_FLITE for _ in range(times)]
        elif split == "heldout_festival" and spoken and language == "en":
            times = 2 if kind == "name" else 1
            made += [_festival(label, text, rng) for _ in range(times)]
    return made


def fit(samples: NDArray[np.float64], rate: float) -> NDArray[np.int16]:
    """Trim leading silence, cut or pad to two seconds, resample to 16 kHz: (32000,) int16."""
    length = 2 * round(rate)
    loud = np.flatnonzero(np.abs(samples) > 0.02 * max(1e-6, float(np.abs(samples).max())))
    samples = samples[loud[0] if len(loud) else 0 :][:length]
    padded = np.zeros(length)
    padded[: len(samples)] = samples
    bins = np.zeros(SAMPLES // 2 + 1, dtype=complex)
    spectrum = np.fft.rfft(padded)[: len(bins)]
    bins[: len(spectrum)] = spectrum
    resampled = np.fft.irfft(bins, SAMPLES) * (SAMPLES / len(padded))
    peak = max(1e-6, float(np.abs(resampled).max()))
    return (resampled * (0.7 / peak) * 32767).astype(np.int16)


def _render(job: tuple[str, int]) -> tuple[list[Saying], NDArray[np.int16]]:
    split, label = job
    made = sayings(split, label, load_concepts()[label])
    made = [s for s in made if here(s.engine)]
    rows = np.zeros((len(made), SAMPLES), np.int16)
    for row, saying in enumerate(made):
        rows[row] = fit(*say(saying))
    return made, rows


def build_speech() -> None:
    """Write `cache/speech/{split}_pcm.npy` and `{split}_meta.npz`: words, then sounds."""
    SPEECH.mkdir(parents=True, exist_ok=True)
    count = len(load_concepts())
    with multiprocessing.get_context("spawn").Pool(min(8, os.cpu_count() or 1)) as pool:
        for split in SPLITS:
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

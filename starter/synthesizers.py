"""The programs that speak: espeak-ng, flite, SVOX Pico and Festival, each of another origin.

espeak-ng (`espeakng-loader`) and Pico are libraries reached through ctypes; both are not safe with
threads, so each process initialises its own. flite and Festival are programs. All but espeak-ng
come from Debian's packages, unpacked under `cache/src` and not installed; what is not there
does not speak.
"""

import ctypes
import io
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from starter.concepts import CACHE

FLITE_FOLDER = CACHE / "src" / "flite"
PICO_FOLDER = CACHE / "src" / "pico"
FESTIVAL_FOLDER = CACHE / "src" / "festival"

Wave = NDArray[np.float64]


@dataclass(frozen=True)
class Saying:
    """One rendering to make: what is said, by whom, how fast and how high.

    `throat` scales the resonances of the voice: above one is a shorter throat, as of a woman or a
    child. `speed` and `pitch` are those heard in the end.
    """

    label: int
    text: str
    language: str  # "en" or "zh"; "" for a sound without words
    kind: str  # "name", "synonym" or "sound"
    engine: str  # a key of `ENGINES`, or "made"
    voice: str
    speed: float  # words per minute (espeak), stretch of durations (the others)
    pitch: float  # 0..100 (espeak), mean in Hz (flite, festival), part of the voice's own (pico)
    throat: float = 1.0


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

    def say(self, saying: Saying) -> Wave:
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


class Pico:
    """One voice of SVOX Pico in this process, such as "en-US_lh0"."""

    RATE = 16_000
    _MEMORY, _BUSY, _IDLE, _CHUNK = 8_000_000, 201, 200, 4096

    def __init__(self, voice: str, folder: Path = PICO_FOLDER) -> None:
        self._library = ctypes.CDLL(str(next(folder.glob("usr/lib/*/libttspico.so.0"))))
        self._memory = ctypes.create_string_buffer(self._MEMORY)
        self._system, self._engine = ctypes.c_void_p(), ctypes.c_void_p()
        size = ctypes.c_uint32(self._MEMORY)
        self._call("initialize", self._memory, size, ctypes.byref(self._system))
        self._call("createVoiceDefinition", self._system, b"voice")
        data = folder / "usr/share/pico/lang"
        for name in (f"{voice.split('_')[0]}_ta.bin", f"{voice}_sg.bin"):
            resource, found = ctypes.c_void_p(), ctypes.create_string_buffer(200)
            path = str(data / name).encode()
            self._call("loadResource", self._system, path, ctypes.byref(resource))
            self._call("getResourceName", self._system, resource, found)
            self._call("addResourceToVoiceDefinition", self._system, b"voice", found)
        self._call("newEngine", self._system, b"voice", ctypes.byref(self._engine))

    def _call(self, name: str, *values: object) -> None:
        status = getattr(self._library, f"pico_{name}")(*values)
        if status != 0:
            raise RuntimeError(f"Pico's {name} gave {status}")

    def say(self, text: str) -> Wave:
        """Samples at `RATE`, in -1..1, of a text with Pico's own marks."""
        left, spoken = text.encode() + b"\0", b""
        while left:
            taken = ctypes.c_int16()
            size = ctypes.c_int16(len(left))
            self._call("putTextUtf8", self._engine, left, size, ctypes.byref(taken))
            left = left[taken.value :]
            spoken += self._drain()
        return np.frombuffer(spoken, np.int16).astype(float) / 32768

    def _drain(self) -> bytes:
        chunk, spoken = ctypes.create_string_buffer(self._CHUNK), b""
        got, kind, status = ctypes.c_int16(), ctypes.c_int16(), self._BUSY
        while status == self._BUSY:
            size = ctypes.c_int16(self._CHUNK)
            status = self._library.pico_getData(
                self._engine, chunk, size, ctypes.byref(got), ctypes.byref(kind)
            )
            spoken += chunk.raw[: got.value]
        if status != self._IDLE:
            raise RuntimeError(f"Pico stopped with {status}")
        return spoken


@cache
def _espeak() -> Espeak:
    return Espeak()


@cache
def _pico(voice: str) -> Pico:
    return Pico(voice)


def _say_espeak(saying: Saying) -> tuple[Wave, int]:
    return _espeak().say(saying), _espeak().rate


def _say_pico(saying: Saying) -> tuple[Wave, int]:
    speed, pitch = 100 / saying.speed, 100 * saying.pitch
    text = f'<speed level="{speed:.0f}"><pitch level="{pitch:.0f}">{saying.text}</pitch></speed>'
    return _pico(saying.voice).say(text), Pico.RATE


def _run(folder: Path, library: str, command: list[str]) -> tuple[Wave, int]:
    """The sound that an unpacked program writes to its standard output."""
    import soundfile

    libraries = next(folder.glob(f"usr/lib/*/{library}")).parent
    environment = {**os.environ, "LD_LIBRARY_PATH": str(libraries)}
    done = subprocess.run(command, capture_output=True, check=True, env=environment)
    samples, rate = soundfile.read(io.BytesIO(done.stdout))
    return samples, rate


def _say_flite(saying: Saying) -> tuple[Wave, int]:
    command = [
        str(FLITE_FOLDER / "usr/bin/flite"), "-voice", saying.voice,
        "--setf", f"duration_stretch={saying.speed:.3f}",
        "--setf", f"int_f0_target_mean={saying.pitch:.1f}",
        "-t", saying.text, "-o", "/dev/stdout",
    ]  # fmt: skip
    return _run(FLITE_FOLDER, "libflite.so.1", command)


def _say_festival(saying: Saying) -> tuple[Wave, int]:
    """Festival looks for its files where it would be installed, so its start is done by hand."""
    data = FESTIVAL_FOLDER / "usr/share/festival"
    mean = f"(target_f0_mean {saying.pitch:.1f}) (target_f0_std 14)"
    command = [
        str(FESTIVAL_FOLDER / "usr/bin/festival"), "-b",
        f'(set! datadir "{data}")', "(set! libdir datadir)",
        "(set! load-path (cons datadir nil))", "(set! system-voice-path nil)",
        '(load (path-append datadir "init.scm"))', f"(voice_{saying.voice})",
        f"(Parameter.set 'Duration_Stretch {saying.speed:.3f})",
        f"(set! int_lr_params '({mean} (model_f0_mean 170) (model_f0_std 34)))",
        f'(utt.save.wave (utt.synth (Utterance Text "{saying.text}")) "-" \'riff)',
    ]  # fmt: skip
    return _run(FESTIVAL_FOLDER, "libestools.so.2.5", command)


ENGINES: dict[str, Callable[[Saying], tuple[Wave, int]]] = {
    "espeak": _say_espeak,
    "flite": _say_flite,
    "pico": _say_pico,
    "festival": _say_festival,
}
_FOLDERS = {"flite": FLITE_FOLDER, "pico": PICO_FOLDER, "festival": FESTIVAL_FOLDER}


def here(engine: str) -> bool:
    """Whether this synthesizer was fetched."""
    return engine not in _FOLDERS or _FOLDERS[engine].exists()


def say(saying: Saying) -> tuple[Wave, float]:
    """Samples in -1..1 and the rate at which they are heard as `saying` wants.

    A throat shorter by a factor is a lower and slower voice played faster by that factor.
    """
    if saying.throat == 1.0:
        return ENGINES[saying.engine](saying)
    if saying.engine == "espeak":
        raise ValueError("espeak-ng has throats of its own: its variants")
    slow, low = saying.speed * saying.throat, saying.pitch / saying.throat
    samples, rate = ENGINES[saying.engine](replace(saying, speed=slow, pitch=low))
    return samples, rate * saying.throat

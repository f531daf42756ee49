"""The synthesizer's own process: espeak-ng through ctypes, words in and samples out over pipes.

espeak-ng is GPL-3.0-or-later. It is optional, is loaded by this program alone, and nothing else of
Medley is linked with it: the other side speaks the protocol below and runs without it.

    in   one line of JSON: {"voice": "en-us+f2", "text": …, "words_per_minute": 175, "pitch": 50}
    out  first one line of JSON: {"rate": 22050, "version": "1.52.0"} or {"missing": why}
         then for each request frames of 4 bytes little-endian length and that many bytes: samples
         (signed 16 bit), a frame of length 0 for the end, or a length of 0xFFFFFFFF followed by
         one line of JSON: {"error": why}
"""

import contextlib
import ctypes
import json
import os
import select
import signal
import struct
import sys
from typing import Any, BinaryIO, NoReturn

_SYNCHRONOUS, _DONT_EXIT = 2, 1 << 15
_RATE, _PITCH = 1, 3
_UTF8 = 1
_CHARACTERS = 1
_BUFFER_MS = 200
_ERROR = 0xFFFF_FFFF
_PR_SET_PDEATHSIG = 1
_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
)


class Espeak:
    """The library, initialised once; its callback writes samples straight to the pipe."""

    def __init__(self, out: BinaryIO) -> None:
        import espeakng_loader

        self._out = out
        self._library = ctypes.CDLL(espeakng_loader.get_library_path())
        data = espeakng_loader.get_data_path()
        self._variants = frozenset(os.listdir(os.path.join(data, "voices", "!v")))
        self.rate = int(
            self._library.espeak_Initialize(_SYNCHRONOUS, _BUFFER_MS, data.encode(), _DONT_EXIT)
        )
        if self.rate <= 0:
            raise OSError("espeak-ng cannot be initialised")
        self._callback = _Callback(self._heard)  # must live as long as the library
        self._library.espeak_SetSynthCallback(self._callback)
        self._library.espeak_Info.restype = ctypes.c_char_p
        self.version = (self._library.espeak_Info(None) or b"").decode()

    def _heard(self, samples: Any, count: int, events: Any) -> int:
        if count > 0 and samples:
            data = ctypes.string_at(samples, count * 2)
            self._out.write(struct.pack("<I", len(data)) + data)
            self._out.flush()
        return 0

    def say(self, voice: str, text: str, words_per_minute: int, pitch: int) -> None:
        """Speaks; samples leave through the pipe. Raises `ValueError` for a voice that is not
        there.
        """
        variant = voice.partition("+")[2]
        if variant and variant not in self._variants:  # the library would pass over it in silence
            raise ValueError(f"there is no voice {variant!r}")
        if self._library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise ValueError(f"there is no voice {voice!r}")
        self._library.espeak_SetParameter(_RATE, words_per_minute, 0)
        self._library.espeak_SetParameter(_PITCH, pitch, 0)
        words = text.replace("\0", " ").encode()
        failed = self._library.espeak_Synth(
            words, ctypes.c_size_t(len(words) + 1), 0, _CHARACTERS, 0, _UTF8, None, None
        )
        if failed:
            raise ValueError(f"espeak-ng gave up with code {failed}")


def _lines(parent: int) -> Any:
    """Requests, until the other side closes the pipe or is gone."""
    rest = b""
    while True:
        ready, _, _ = select.select([0], [], [], 5.0)
        if not ready:
            if os.getppid() != parent:
                return
            continue
        data = os.read(0, 1 << 16)
        if not data:
            return
        *lines, rest = (rest + data).split(b"\n")
        yield from lines


def _serve(espeak: Espeak, line: bytes, out: BinaryIO) -> NoReturn:
    """Speaks one request and ends this copy of the process."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    try:
        espeak.say(**json.loads(line))
        out.write(struct.pack("<I", 0))
    except (ValueError, TypeError) as error:
        answer = json.dumps({"error": str(error)}).encode() + b"\n"
        out.write(struct.pack("<I", _ERROR) + answer)
    except OSError:
        os._exit(1)
    out.flush()
    os._exit(0)


def main() -> None:
    """Serves requests one after the other."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what the library prints must not stand among the samples
    parent = os.getppid()
    try:
        espeak = Espeak(out)
    except (ImportError, OSError, RuntimeError, AttributeError) as error:
        out.write(json.dumps({"missing": str(error)}).encode() + b"\n")
        out.flush()
        return
    out.write(json.dumps({"rate": espeak.rate, "version": espeak.version}).encode() + b"\n")
    out.flush()
    for line in _lines(parent):
        # The library's state wanders from one utterance to the next. Each is spoken by a copy of
        # the fresh process, so that equal words give equal samples.
        child = os.fork()
        if not child:
            _serve(espeak, line, out)
        _, status = os.waitpid(child, 0)
        if status != 0:
            return


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError, KeyboardInterrupt):
        main()
    sys.stdout = None  # the pipe may be gone already

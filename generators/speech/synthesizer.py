"""The near side of the synthesizer's process: starts it on demand, again after it died, and ends
it when told to stop.
"""

import json
import logging
import os
import select
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from medley.errors import BackendError, BadInput, Unavailable
from medley.media.values import Audio

log = logging.getLogger(__name__)

_PROGRAM = Path(__file__).with_name("espeak_process.py")
_START_SECONDS = 30.0
_SILENCE_SECONDS = 60.0  # without a sample or an answer: it hangs
_ERROR = 0xFFFF_FFFF
_LONGEST_FRAME = 1 << 24


class _Died(Exception):
    """The process ended, or answered with nonsense."""


class Synthesizer:
    """One process, one request at a time."""

    def __init__(self, program: Path = _PROGRAM) -> None:
        self._program = program
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = 0
        self._rate = 0
        self._rest = b""
        self._lock = threading.Lock()

    @property
    def pid(self) -> int | None:
        """Of the process while it lives."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def start(self) -> None:
        """Starts the process unless it runs. Raises `Unavailable` when the library is not there."""
        if self.pid is not None and self._owner == os.getpid():
            return
        self._forget()
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-I", str(self._program)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd="/",
            )
        except OSError as error:
            raise Unavailable(f"The speech synthesizer cannot be started: {error}") from error
        self._owner = os.getpid()
        try:
            hello = json.loads(self._line(_START_SECONDS))
        except (_Died, ValueError) as error:
            self.stop()
            raise Unavailable("The speech synthesizer does not start.") from error
        if "missing" in hello:
            self.stop()
            raise Unavailable(
                "Speech needs espeak-ng (the package espeakng-loader), which is not installed "
                f"here: {hello['missing']}"
            )
        self._rate = int(hello["rate"])
        log.info("synthesizer_started pid=%s version=%s", self.pid, hello.get("version", ""))

    def say(
        self,
        text: str,
        *,
        voice: str,
        words_per_minute: int,
        pitch: int,
        tick: Callable[[float], None] = lambda seconds: None,
    ) -> Audio:
        """The words as mono sound. `tick` hears the seconds made so far; when it raises, the
        process is ended.

        Raises `BadInput` for an unknown voice, `Unavailable` without the library, `BackendError`
        when the process dies twice.
        """
        request = {
            "voice": voice,
            "text": text,
            "words_per_minute": words_per_minute,
            "pitch": pitch,
        }
        with self._lock:
            for attempt in (1, 2):
                self.start()
                try:
                    return self._say(request, tick)
                except _Died as error:
                    log.warning("synthesizer_died attempt=%s why=%s", attempt, error)
                    self.stop()
                except BadInput:
                    raise
                except BaseException:
                    self.stop()  # it is in the middle of something that nobody will read
                    raise
        raise BackendError("The speech synthesizer died twice on these words.")

    def stop(self) -> None:
        """Ends the process."""
        process, self._process, self._rest = self._process, None, b""
        if process is None or self._owner != os.getpid():
            return
        process.kill()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
        process.wait()

    def _forget(self) -> None:
        if self._owner == os.getpid():
            self.stop()
        self._process, self._rest = None, b""

    def _say(self, request: dict[str, Any], tick: Callable[[float], None]) -> Audio:
        self._send(json.dumps(request).encode() + b"\n")
        pieces: list[bytes] = []
        size = 0
        while length := struct.unpack("<I", self._exactly(4))[0]:
            if length == _ERROR:
                why = json.loads(self._line(_SILENCE_SECONDS))["error"]
                raise BadInput(f"This cannot be said: {why}.")
            if length > _LONGEST_FRAME:
                raise _Died("frame too long")
            pieces.append(self._exactly(length))
            size += length
            tick(size / 2 / self._rate)
        samples = np.frombuffer(b"".join(pieces), "<i2").astype(np.float32)
        return Audio(samples=samples[None] / np.float32(32_768), rate=self._rate)

    def _send(self, data: bytes) -> None:
        pipe = self._process.stdin if self._process else None
        if pipe is None:
            raise _Died("no process")
        try:
            pipe.write(data)
            pipe.flush()
        except OSError as error:
            raise _Died(str(error)) from error

    def _read(self, seconds: float) -> None:
        pipe = self._process.stdout if self._process else None
        if pipe is None:
            raise _Died("no process")
        ready, _, _ = select.select([pipe], [], [], seconds)
        data = os.read(pipe.fileno(), 1 << 16) if ready else b""
        if not data:
            raise _Died("it hangs" if not ready else "it ended")
        self._rest += data

    def _exactly(self, count: int) -> bytes:
        while len(self._rest) < count:
            self._read(_SILENCE_SECONDS)
        data, self._rest = self._rest[:count], self._rest[count:]
        return data

    def _line(self, seconds: float) -> bytes:
        until = time.monotonic() + seconds
        while b"\n" not in self._rest:
            self._read(max(0.0, until - time.monotonic()))
        line, _, self._rest = self._rest.partition(b"\n")
        return line

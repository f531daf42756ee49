"""Sandboxed: asks this process's sandbox to look into a file, and waits for the answer.

`medley.media.sandbox` gets the open file and nothing besides, under limits that the kernel keeps.
Whatever happens to it, the caller gets an answer or a typed refusal within bounded time and memory.
"""

import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from medley.errors import BrokenMedia, TooLarge, Unavailable, UnsupportedMedia
from medley.media.facts import Limits

_SANDBOX = Path(__file__).with_name("sandbox.py")
_GRACE = 10.0  # seconds on top of the sandbox's own clock, for a machine that is busy
_TIME_SIGNALS = (signal.SIGXCPU, signal.SIGALRM)
_CLEAN = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
_LONGEST_ANSWER = 64 << 20

Answer = tuple[dict[str, Any], bytes]


def in_sandbox(task: str, path: Path, limits: Limits, **options: Any) -> Answer:
    """What the sandbox makes of a file: its JSON and the bytes that follow. Blocks.

    Raises `UnsupportedMedia` (415), `BrokenMedia` (422) or `TooLarge` (413); `Unavailable` when no
    process can start.
    """
    job = {"task": task, "limits": asdict(limits), "options": options}
    with path.open("rb") as file, _SANDBOX_OF_THIS_PROCESS.slot():
        answer = _SANDBOX_OF_THIS_PROCESS.ask(file.fileno(), job, limits.probe_seconds)
    _raise_refusal(answer[0], limits)
    return answer


class _Sandbox:
    """The one sandbox of this process, started by the first file and again when it is gone."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # As many files at once as there are processors: their clocks run, so they must not queue.
        self._slots = threading.BoundedSemaphore(max(2, os.cpu_count() or 2))
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._owner = 0

    def slot(self) -> threading.BoundedSemaphore:
        """Waits for a free processor."""
        return self._slots

    def ask(self, file: int, job: dict[str, Any], seconds: float) -> Answer:
        """The sandbox's answer about an open file; empty when it gave none."""
        packet = json.dumps(job).encode()
        for _ in (1, 2):
            reader, writer = os.pipe()
            try:
                if self._send(packet, [file, writer]):
                    os.close(writer)
                    writer = -1
                    answer = _read(reader, seconds + _GRACE)
                    if answer[0] or self._alive():
                        return answer
            finally:
                os.close(reader)
                if writer >= 0:
                    os.close(writer)
            self._stop()
        raise Unavailable("The process that looks into files ended twice.")

    def _send(self, packet: bytes, descriptors: list[int]) -> bool:
        with self._lock:
            if not self._alive():
                self._start()
            if self._socket is None:
                return False
            try:
                socket.send_fds(self._socket, [packet], descriptors)
            except OSError:
                return False
            return True

    def _alive(self) -> bool:
        process = self._process
        return process is not None and self._owner == os.getpid() and process.poll() is None

    def _start(self) -> None:
        self._close()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        library = {name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ}
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-I", str(_SANDBOX)],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=_CLEAN | library,
                cwd="/",
            )
        except OSError as error:
            ours.close()
            raise Unavailable(f"Nothing can look into the file: {error}") from error
        finally:
            theirs.close()
        self._socket, self._owner = ours, os.getpid()

    def _stop(self) -> None:
        with self._lock:
            if not self._alive():
                self._close()

    def _close(self) -> None:
        """Closing the socket ends the sandbox; a copy that a fork inherited is only forgotten."""
        if self._socket is not None:
            self._socket.close()
        self._process, self._socket = None, None


_SANDBOX_OF_THIS_PROCESS = _Sandbox()


def _after_fork() -> None:
    global _SANDBOX_OF_THIS_PROCESS
    _SANDBOX_OF_THIS_PROCESS = _Sandbox()


os.register_at_fork(after_in_child=_after_fork)


def _read(reader: int, seconds: float) -> Answer:
    """What stands in the pipe when it is closed; a time signal when it stays open for too long."""
    until, data = time.monotonic() + seconds, bytearray()
    while True:
        ready, _, _ = select.select([reader], [], [], max(0.0, until - time.monotonic()))
        if not ready:
            return {"signal": int(signal.SIGALRM)}, b""
        piece = os.read(reader, 1 << 16)
        if not piece or len(data) > _LONGEST_ANSWER:
            break
        data += piece
    line, _, payload = bytes(data).partition(b"\n")
    try:
        return json.loads(line), payload
    except ValueError:
        return {}, b""


def _raise_refusal(answer: dict[str, Any], limits: Limits) -> None:
    if "done" in answer:
        return
    if answer.get("signal") in _TIME_SIGNALS:
        raise TooLarge(
            f"Decoding takes longer than the {limits.probe_seconds:g} seconds that are allowed."
        )
    match answer.get("refused"):
        case "unsupported_media":
            raise UnsupportedMedia(answer["found"], answer["accepted"])
        case "too_large":
            raise TooLarge(answer["message"])
        case "broken_media":
            raise BrokenMedia(answer["message"])
        case _:
            raise BrokenMedia(f"The decoder did not survive this file ({answer or 'no answer'}).")

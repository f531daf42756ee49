"""Probe: what is this file? Decided by decoding it in a process of its own that can do little else.

The process (`medley.media.sandbox`) gets the open file and nothing besides: limited memory,
processor time and wall clock, no file writing, no new privileges, and no network where the system
allows it to be taken away. Whatever happens to it, the caller gets facts or a typed refusal within
bounded time and memory.
"""

import json
import signal
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from medley.errors import BrokenMedia, TooLarge, Unavailable, UnsupportedMedia
from medley.media.facts import ACCEPTED, Facts, Limits

_SANDBOX = Path(__file__).with_name("sandbox.py")
_GRACE = 5.0  # seconds on top of the process's own clock, for a machine that is busy
_TIME_SIGNALS = (signal.SIGXCPU, signal.SIGALRM)


def probe(path: Path, limits: Limits) -> Facts:
    """Facts of a file. Blocks for some 0.1 s or more: call it in a thread from asynchronous code.

    Raises `UnsupportedMedia` (415), `BrokenMedia` (422) or `TooLarge` (413); `Unavailable` when no
    process can start.
    """
    command = [sys.executable, "-I", str(_SANDBOX), json.dumps(asdict(limits))]
    try:
        with path.open("rb") as file:
            done = subprocess.run(
                command,
                stdin=file,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                timeout=limits.probe_seconds + _GRACE,
                env={"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
                cwd="/",
                check=False,
            )
    except subprocess.TimeoutExpired as error:
        raise _too_slow(limits) from error
    except FileNotFoundError:
        raise
    except OSError as error:
        raise Unavailable(f"The decoding process could not be started: {error}") from error
    if -done.returncode in _TIME_SIGNALS:
        raise _too_slow(limits)
    return _verdict(done.stdout, done.returncode)


def _too_slow(limits: Limits) -> TooLarge:
    return TooLarge(
        f"Decoding takes longer than the {limits.probe_seconds:g} seconds that are allowed."
    )


def _verdict(answer: bytes, returncode: int) -> Facts:
    try:
        data: dict[str, Any] = json.loads(answer)
    except ValueError:
        why = f"signal {-returncode}" if returncode < 0 else f"exit {returncode}"
        raise BrokenMedia(f"The decoder did not survive this file ({why}).") from None
    if "facts" in data:
        return Facts.of_data(data["facts"])
    match data["refused"]:
        case "unsupported_media":
            raise UnsupportedMedia(data["found"], ACCEPTED)
        case "too_large":
            raise TooLarge(data["message"])
        case _:
            raise BrokenMedia(data["message"])

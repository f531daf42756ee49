"""The guard: a tiny process that keeps one command alive no longer than its owner.

Run as a script by `medley.guarded`; standard library only, so that it starts in a few milliseconds.
The owner writes one line to the guard's standard input, what to run, and then only holds it open:
end of file means that the owner asked for a stop, or died, by whatever signal. The guard then stops
the command's whole process group, first politely, then for good. Should the guard itself be killed,
the kernel signals the command (Linux: parent-death signal).
"""

import ctypes
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

_PR_SET_PDEATHSIG = 1
_ORPHAN_GRACE_S = 5.0
_LOOK_EVERY_S = (
    0.5  # how often the owner's pid is looked at, should its pipe have leaked to another process
)


def main() -> int:
    """Start the command, report its pid on standard output, wait; give its exit status."""
    spec: dict[str, Any] = json.loads(_first_line())
    owner = os.getppid()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C belongs to the owner
    if spec["log"]:
        log = os.open(spec["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    else:
        log = os.open(os.devnull, os.O_WRONLY)
    child = subprocess.Popen(
        spec["command"],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        cwd=spec["folder"],
        env=spec["env"],
        preexec_fn=_before_exec(spec),
    )
    os.write(1, f"{child.pid}\n".encode())
    os.close(1)
    if _wait(child, owner):
        return _status(child.returncode)
    return _stop(child, spec, owner)


def _first_line() -> bytes:
    """What to run. Not an argument: the environment holds secrets, and arguments are public."""
    line = b""
    while not line.endswith(b"\n"):
        more = os.read(0, 1 << 16)
        if not more:
            sys.exit(1)
        line += more
    return line


def _before_exec(spec: dict[str, Any]) -> Callable[[], None]:
    """What the child does before it becomes the command.

    Changing the user clears the death signal: that comes last.
    """
    prctl = ctypes.CDLL(None, use_errno=True).prctl if sys.platform == "linux" else None
    guard = os.getpid()

    def prepare() -> None:
        os.setsid()
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        if spec["uid"] is not None:
            os.setgroups([])
            os.setgid(spec["gid"])
            os.setuid(spec["uid"])
        if prctl is not None:
            prctl(_PR_SET_PDEATHSIG, int(spec["death_signal"]), 0, 0, 0)
            if os.getppid() != guard:  # it died before the signal was set
                os._exit(1)

    return prepare


def _wait(child: subprocess.Popen[bytes], owner: int) -> bool:
    """True when the child ended by itself; false when the owner is gone or wants a stop."""
    watched: list[int] = [0]
    pidfd = os.pidfd_open(child.pid) if sys.platform == "linux" else None
    if pidfd is not None:
        watched.append(pidfd)
    while True:
        ready, _, _ = select.select(watched, [], [], _LOOK_EVERY_S)
        if child.poll() is not None:
            return True
        if 0 in ready and not os.read(0, 1):
            return False
        if os.getppid() != owner:
            return False


def _stop(child: subprocess.Popen[bytes], spec: dict[str, Any], owner: int) -> int:
    """Ask, wait, kill. The rest of the group (children of the command) is killed in any case."""
    with suppress(ProcessLookupError):
        os.kill(child.pid, int(spec["stop_signal"]))
    began = time.monotonic()
    while child.poll() is None:
        # Of a dead owner, everything that this command works with is being stopped as well.
        grace_s = spec["grace_s"] if os.getppid() == owner else _ORPHAN_GRACE_S
        if time.monotonic() - began > grace_s:
            break
        time.sleep(0.02)
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    return _status(child.wait())


def _status(code: int) -> int:
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main())

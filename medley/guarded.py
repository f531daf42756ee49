"""Processes that die with their owner: the owner's side of `medley.guard`."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import medley.guard
from medley.stoppable import Stoppable


class Guarded(Stoppable):
    """A running command below a guard.

    It ends when `stop` is called, and also when this process dies in any way.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        log: Path | None = None,
        env: Mapping[str, str] | None = None,
        folder: Path | None = None,
        user: tuple[int, int] | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
        death_signal: signal.Signals = signal.SIGTERM,
        grace_s: float = 10.0,
    ) -> None:
        """`user` is the (uid, gid) to run as; `stop_signal` asks for an orderly end, SIGKILL
        follows after `grace_s`.
        """
        spec = {
            "command": list(command),
            "log": str(log) if log else None,
            "env": dict(os.environ if env is None else env),
            "folder": str(folder) if folder else None,
            "uid": user[0] if user else None,
            "gid": user[1] if user else None,
            "stop_signal": int(stop_signal),
            "death_signal": int(death_signal),
            "grace_s": grace_s,
        }
        self._guard = subprocess.Popen(
            [sys.executable, "-I", "-S", str(Path(medley.guard.__file__)), Path(command[0]).name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # a Ctrl+C at the terminal reaches the owner alone, which stops things in order
            start_new_session=True,
        )
        assert self._guard.stdin is not None
        self._guard.stdin.write(json.dumps(spec).encode() + b"\n")
        self._guard.stdin.flush()  # and stays open: its end tells the guard that we are gone
        self._grace_s = grace_s
        self.pid = self._read_pid()

    def _read_pid(self) -> int:
        assert self._guard.stdout is not None
        with self._guard.stdout as answer:
            line = answer.readline()
        if not line.strip():
            raise OSError(f"could not start the command (guard exit status {self._guard.wait()})")
        return int(line)

    def poll(self) -> int | None:
        """The command's exit status (128 + n for signal n), or None while it runs."""
        return self._guard.poll()

    def wait(self, timeout_s: float | None = None) -> int:
        """Wait for the command to end by itself; raises `subprocess.TimeoutExpired`."""
        return self._guard.wait(timeout_s)

    def stop(self) -> int:
        """Ask the command to end, wait, and give its exit status. Safe to call twice."""
        assert self._guard.stdin is not None
        self._guard.stdin.close()
        try:
            return self._guard.wait(self._grace_s + 10.0)
        except subprocess.TimeoutExpired:
            self._guard.kill()
            return self._guard.wait()

"""The child's side of the keeper: says what is held, hears what has to stop."""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator.engine import Lease
from workers.board import Board

Key = tuple[str, str, int]

LOADING_S = 1800.0  #: weights may take so long to load


def key_of(lease: Lease) -> Key:
    """What names a lease between child and keeper."""
    return (lease.job, lease.step, lease.token)


class Keeping:
    """A keeper process of this child. It is started again if it should end."""

    def __init__(
        self,
        *,
        database_url: str,
        worker: str,
        ttl: float,
        row: Mapping[str, Any],
        kill_after_s: float = 5.0,
    ) -> None:
        self._board = Board.make()
        self._first: dict[str, Any] = {
            "database_url": database_url,
            "worker": worker,
            "child": os.getpid(),
            "board": self._board.fd,
            "ttl": ttl,
            "kill_after_s": kill_after_s,
            "row": dict(row),
        }
        self._written: dict[str, Any] = {
            "hold": [],
            "deadline_s": 600.0,
            "stall_s": 120.0,
            "moved": 0,
            "models": [],
            "leaving": False,
        }
        self._board.write(self._written)
        self._loading: tuple[float, float, float] | None = None
        self._stops: dict[Key, str] = {}
        self._buffer = b""
        self._process = self._start()

    @property
    def pid(self) -> int:
        """The keeper's process id."""
        return self._process.pid

    def hold(self, leases: Sequence[Lease], *, deadline_s: float, stall_s: float) -> None:
        """From now on these leases are kept, and no others."""
        self._stops.clear()
        held = [lease.key() for lease in leases]
        self._write(hold=held, deadline_s=deadline_s, stall_s=stall_s)

    def drop(self, lease: Lease) -> None:
        """This lease is held no more; the others are."""
        self._write(hold=[key for key in self._written["hold"] if key != lease.key()])

    def let_go(self) -> None:
        """Nothing is held any more."""
        self._write(hold=[])

    def moved(self) -> None:
        """The step makes progress."""
        self._write(moved=self._written["moved"] + 1)

    def models(self, held: Sequence[str]) -> None:
        """These models are in memory now."""
        self._write(models=list(held))

    def loading(self, begun: bool) -> None:
        """Weights are being brought into memory: nothing moves, and the clock of the step waits."""
        if begun and self._loading is None:
            self._loading = (
                time.monotonic(),
                self._written["deadline_s"],
                self._written["stall_s"],
            )
            self._write(deadline_s=self._loading[1] + LOADING_S, stall_s=LOADING_S)
        elif not begun and self._loading is not None:
            since, deadline_s, stall_s = self._loading
            self._loading = None
            self._write(
                deadline_s=deadline_s + time.monotonic() - since,
                stall_s=stall_s,
                moved=self._written["moved"] + 1,
            )

    def leave(self) -> None:
        """This process ends in order: what it holds is given back without being counted."""
        self._write(leaving=True)

    def stops(self) -> Mapping[Key, str]:
        """Why which leases have to stop, as far as the keeper has said. Does not wait."""
        while True:
            try:
                data = os.read(self._out, 65536)
            except BlockingIOError:
                return self._stops
            if not data:
                return self._stops
            self._buffer += data
            *lines, self._buffer = self._buffer.split(b"\n")
            for line in lines:
                said = json.loads(line)
                self._stops[(said["job"], said["step"], said["token"])] = said["stop"]

    def ensure(self) -> None:
        """Starts another keeper if this one was killed: leases would run out."""
        if self._process.poll() is not None:
            self._close_pipes()
            self._process = self._start()

    def close(self) -> None:
        """Lets the keeper end; it gives back what was still held."""
        self._close_pipes()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=10)
        self._board.close()

    def _start(self) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-m", "workers.keeper"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=[self._board.fd],
            start_new_session=True,  # it must outlive the child, whatever ends the child's group
        )
        assert process.stdin is not None
        assert process.stdout is not None
        self._in, self._out = os.dup(process.stdin.fileno()), os.dup(process.stdout.fileno())
        process.stdin.close()
        process.stdout.close()
        os.set_blocking(self._out, False)
        self._buffer = b""
        os.write(self._in, json.dumps(self._first).encode() + b"\n")
        return process

    def _close_pipes(self) -> None:
        for end in (self._in, self._out):
            with contextlib.suppress(OSError):
                os.close(end)

    def _write(self, **changed: Any) -> None:
        self._written |= changed
        self._board.write(self._written)

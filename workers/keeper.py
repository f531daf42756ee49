"""The keeper: a small process that keeps the leases of one worker child.

It renews leases, so that a call that holds the GIL is not mistaken for death. It hears that a job
was canceled and tells the child. It kills a child that ignores a stop, runs past its deadline, or
shows no progress for too long. When the child is gone, however it went, it gives the child's steps
back at once.

It speaks lines of JSON: the child writes what it holds, the keeper writes what has to stop. It
imports nothing but the database driver, so that it starts fast and stays small.
"""

import contextlib
import json
import os
import select
import signal
import time
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from workers.board import Board

LOOK_S = 0.5  #: how often a running step is looked at for a stop
#: What a worker says of itself, beside its id.
ROW = ("lanes", "tools", "models", "serves", "lacks", "facts")
BEAT_S = 5.0  #: how often the worker's row is renewed

Key = tuple[str, str, int]


@dataclass
class Held:
    """A lease of the child, with what was noticed about it."""

    key: Key
    began: float
    stop: str | None = None
    stop_at: float = 0.0


@dataclass
class Keeper:
    """One child's leases. Times are monotonic here; leases live on the database's clock."""

    database_url: str
    worker: str
    child: int
    board: int  # file descriptor
    ttl: float
    kill_after_s: float
    row: dict[str, Any]
    conn: psycopg.Connection[Any] | None = None
    held: dict[Key, Held] = field(default_factory=dict)
    deadline_s: float = 600.0
    stall_s: float = 120.0
    moved: int = 0
    moved_at: float = field(default_factory=time.monotonic)
    leaving: bool = False

    def run(self) -> None:
        """Keeps until the child is gone."""
        board = Board(self.board)
        renew_at = beat_at = 0.0
        while True:
            # Nothing is ever sent through the pipe: its end tells that the child is gone.
            gone, _, _ = select.select([0], [], [], LOOK_S)
            if gone:
                break
            self.take(board.read())
            now = time.monotonic()
            if now >= beat_at:
                beat_at = now + BEAT_S
                self.beat()
            if self.held:
                if now >= renew_at:
                    renew_at = now + self.ttl / 3
                    self.renew()
                else:
                    self.look()
                self.enforce(now)
        self.take(board.read())
        self.give_back()

    def take(self, written: dict[str, Any] | None) -> None:
        """What the child has written on its board since the last look."""
        if not written:
            return
        now = time.monotonic()
        keys = [(item["job"], item["step"], item["token"]) for item in written["hold"]]
        if written["moved"] != self.moved or keys != list(self.held):
            self.moved, self.moved_at = written["moved"], now
        self.held = {key: self.held.get(key) or Held(key, now) for key in keys}
        self.deadline_s, self.stall_s = written["deadline_s"], written["stall_s"]
        self.leaving = written["leaving"]
        self.row["models"] = written["models"]

    def renew(self) -> None:
        """Renews all leases; those that are gone are over for the child."""
        leases = [{"job": job, "step": step, "token": token} for job, step, token in self.held]
        rows = self.ask(
            "SELECT job, step, token, stop FROM medley_renew(%s, %s)", [Jsonb(leases), self.ttl]
        )
        if rows is None:
            return
        alive = {(job, step, token): stop for job, step, token, stop in rows}
        for key, held in self.held.items():
            reason = alive.get(key, "fenced")
            if reason and held.stop is None:
                self.stop(held, reason)

    def look(self) -> None:
        """Asks whether a job of ours was told to stop."""
        jobs = list({job for job, _, _ in self.held})
        rows = self.ask(
            "SELECT id, cancel_reason FROM jobs WHERE id = ANY(%s) AND cancel_reason IS NOT NULL",
            [jobs],
        )
        reasons = dict(rows or [])
        for (job, _, _), held in self.held.items():
            if job in reasons and held.stop is None:
                self.stop(held, reasons[job])

    def enforce(self, now: float) -> None:
        """Deadlines and stalls: first a word, then SIGKILL."""
        for held in self.held.values():
            if held.stop is None and now - held.began > self.deadline_s:
                self.stop(held, "step_deadline")
            if held.stop is None and now - self.moved_at > self.stall_s:
                self.stop(held, "stalled")
            if held.stop is not None and now - held.stop_at > self.kill_after_s:
                self.kill(held)
                return

    def stop(self, held: Held, reason: str) -> None:
        """Tells the child to stop a step."""
        held.stop, held.stop_at = reason, time.monotonic()
        job, step, token = held.key
        line = json.dumps({"stop": reason, "job": job, "step": step, "token": token})
        with contextlib.suppress(OSError):
            os.write(1, line.encode() + b"\n")

    def kill(self, held: Held) -> None:
        """Ends a child that does not listen. What it did wrong is written down first."""
        error = _ERRORS.get(held.stop or "")
        if error is not None:
            again = 0.0 if error["retryable"] else None
            self.ask("SELECT medley_fail(%s, %s, %s, %s, %s)", [*held.key, Jsonb(error), again])
        if os.getppid() == self.child:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.child, signal.SIGKILL)
        self.held.clear()

    def beat(self) -> None:
        """Says that this worker lives."""
        row = self.row
        self.ask(
            f"INSERT INTO workers (id, {', '.join(ROW)}) VALUES (%s{', %s' * len(ROW)})"
            " ON CONFLICT (id) DO UPDATE SET beat_at = clock_timestamp(), models = excluded.models",
            [self.worker, *(Jsonb(row[name]) for name in ROW)],
        )

    def give_back(self) -> None:
        """Ends what the child still held: in order if it left in order, as a crash otherwise."""
        for pause in (0.0, 0.2, 0.5, 1.0, 2.0, 4.0):
            time.sleep(pause)
            query = "SELECT medley_lose_worker(%s, %s)"
            if self.ask(query, [self.worker, not self.in_order()]) is not None:
                self.ask("SELECT medley_forget_worker(%s)", [self.worker])
                return

    def in_order(self) -> bool:
        """Whether the child left on purpose, or its worker shuts down."""
        return self.leaving or os.path.exists(os.environ.get("MEDLEY_LEAVING_FILE", ""))

    def ask(self, query: str, values: list[Any]) -> list[tuple[Any, ...]] | None:
        """Runs one statement. None: the database does not answer, which is not known, never
        "dead".
        """
        try:
            if self.conn is None or self.conn.closed:
                self.conn = psycopg.connect(
                    self.database_url, autocommit=True, connect_timeout=5, application_name="keeper"
                )
            cursor = self.conn.execute(query.encode(), values)
            return cursor.fetchall() if cursor.description else []
        except psycopg.Error:
            with contextlib.suppress(psycopg.Error):
                if self.conn is not None:
                    self.conn.close()
            self.conn = None
            return None


_ERRORS: dict[str, dict[str, Any]] = {
    "step_deadline": {
        "code": "step_deadline",
        "message": "The step ran longer than its tool allows.",
        "retryable": False,
    },
    "stalled": {
        "code": "stalled",
        "message": "The step showed no progress for too long.",
        "retryable": True,
    },
}


def main() -> None:
    """Reads what to keep from the first line, then keeps."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it ends with its child, never before
    first = b""
    while not first.endswith(b"\n"):
        data = os.read(0, 65536)
        if not data:
            return
        first += data
    Keeper(**json.loads(first)).run()


if __name__ == "__main__":
    main()

"""Rounds go on whatever one of them raises, look at once when nudged, and end with their last."""

import threading

import pytest

from orchestrator.rounds import Rounds

PATIENCE_S = 30.0


class Counted(Rounds):
    """Counts its rounds; those of `broken` raise."""

    name = "counted"

    def __init__(self, every_s: float, broken: frozenset[int] = frozenset()) -> None:
        super().__init__(every_s)
        self.broken, self.done, self.closed = broken, 0, 0
        self.went, self.ended = threading.Semaphore(0), False

    def round(self) -> None:
        self.done += 1
        self.went.release()
        if self.done in self.broken:
            raise OSError("no disk")

    def last(self) -> None:
        self.ended = True

    def close(self) -> None:
        self.closed += 1


def waited(rounds: Counted, count: int) -> bool:
    return all(rounds.went.acquire(timeout=PATIENCE_S) for _ in range(count))


def test_a_round_that_fails_is_not_the_last(caplog: pytest.LogCaptureFixture) -> None:
    rounds = Counted(0.01, broken=frozenset({1, 2}))
    rounds.start()
    assert waited(rounds, 4)
    rounds.stop()
    assert (rounds.ended, rounds.closed) == (True, 3)  # after each that failed, and at the end
    assert caplog.text.count("counted failed") == 2


def test_who_is_nudged_looks_at_once() -> None:
    rounds = Counted(3600.0)
    rounds.start()
    rounds.nudge()
    assert waited(rounds, 1)
    rounds.stop()
    assert rounds.done == 1


def test_what_never_began_can_be_stopped() -> None:
    Counted(1.0).stop()

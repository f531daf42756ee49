"""The next batch is prepared while one runs; nothing of it has begun before it is claimed."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import pytest

from generators.testing import TestTools
from medley.backend import Control, Request, Result
from medley.errors import BadInput
from medley.settings import Settings
from orchestrator import engine, invariants
from orchestrator.database import connect
from orchestrator.engine import NewJob, NewStep
from orchestrator.relay import make_app
from workers import larder
from workers.child import make_runner

BATCH = 3


@dataclass
class Prepared(TestTools):
    """The test tools, with work to do before a batch. The second batch runs until the test has seen
    what it came for.
    """

    meanwhile: Callable[[], None]
    ran: list[list[str]] = field(default_factory=list)
    count: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def prepare(self, request: Request) -> Request:
        self.count.release()
        if request.params["text"] == "bad":
            raise BadInput("It cannot be prepared.")
        return replace(request, ready="ready")

    def run(self, batch: Sequence[Request], control: Control) -> list[Result]:
        self.ran.append([request.ready or "plain" for request in batch])
        if len(self.ran) == 2:
            for _ in range(BATCH):
                assert self.count.acquire(timeout=60)
            self.meanwhile()
        return super().run(batch, control)


@pytest.mark.parametrize("stop", [False, True])
def test_the_next_batch_is_ready_when_its_turn_comes(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, stop: bool
) -> None:
    monkeypatch.setattr(larder, "SHORT_S", 600.0)  # whatever the machine is busy with
    monkeypatch.setattr(larder, "ASIDE_S", 600.0)
    chosen = settings.model_copy(update={"lanes": ("cpu",), "test_tools": True})
    with connect(str(settings.database_url)) as conn:
        step = NewStep(id="s1", tool="test.echo", lane="cpu", model="test-tools")
        words = ["x"] * (3 * BATCH)
        words[-1] = "bad"
        jobs = [
            engine.submit(conn, NewJob(tenant="t", steps=[replace(step, params={"text": word})]))
            for word in words
        ]

        def meanwhile() -> None:
            waiting = conn.execute(
                "SELECT job, attempt, started_at FROM steps WHERE status = 'ready' ORDER BY job"
            ).fetchall()
            assert waiting == [(job, 0, None) for job in jobs[2 * BATCH :]]
            if stop:
                engine.cancel_job(conn, "t", jobs[-2])

        backend = Prepared(meanwhile)
        runner = make_runner(chosen, make_app(chosen))
        runner.offering.offer = replace(runner.offering.offer, batch={"test.echo": BATCH})
        runner.kitchen.residency._make = lambda name: backend
        try:
            runner.drain("cpu")
        finally:
            assert runner.kitchen.larder is not None
            runner.kitchen.larder.close()
            runner.keeping.close()
            runner.link.drop()
        prepared = ["ready", "plain"] if stop else ["ready", "ready", "plain"]
        assert backend.ran == [["plain"] * BATCH, ["plain"] * BATCH, prepared]
        ends = conn.execute("SELECT status, attempt FROM steps ORDER BY job").fetchall()
        assert ends.count(("succeeded", 1)) == len(jobs) - stop
        assert ends[-2] == (("canceled", 0) if stop else ("succeeded", 1))
        assert invariants.check(conn, settled=True) == []

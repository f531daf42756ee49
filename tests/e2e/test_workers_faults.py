"""Real Celery workers, injured in every way: each job ends once, nothing is lost or done twice."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
import redis

from medley.embedded import EmbeddedPostgres, EmbeddedValkey
from medley.settings import Settings
from medley.status import JobStatus
from orchestrator import engine, invariants
from orchestrator.database import Raw, connect, create_engine
from orchestrator.engine import NewJob, NewStep
from orchestrator.migrations import upgrade
from orchestrator.relay import Relay, make_app, send

TTL_S = 3.0
PATIENCE_S = 150.0


def step(name: str, tool: str = "test.echo", *needs: str, **params: Any) -> NewStep:
    """A step of a test tool that reads these steps."""
    inputs = {"texts": [{"from": f"{need}.out"} for need in needs]} if needs else {}
    return NewStep(id=name, tool=tool, lane="cpu", model="test-tools", params=params, inputs=inputs)


@dataclass
class World:
    """A database, a broker, a relay, and a worker with two children."""

    settings: Settings
    conn: Raw
    relay: Relay
    environment: dict[str, str] = field(default_factory=dict)
    worker: subprocess.Popen[bytes] | None = None

    def start_worker(self, **environment: str) -> None:
        """Starts the worker and waits until its children are there."""
        url, redis_url = self.settings.database_url, self.settings.redis_url
        assert url is not None
        assert redis_url is not None
        given = {
            "MEDLEY_DATABASE_URL": url,
            "MEDLEY_REDIS_URL": redis_url,
            "MEDLEY_HOME": str(self.settings.home),
            "MEDLEY_TEST_TOOLS": "1",
            "MEDLEY_LANES": '["cpu"]',
            "MEDLEY_WORKER_PROCESSES": "2",
            "MEDLEY_LEASE_TTL_S": str(TTL_S),
            **environment,
        }
        with (self.settings.home / "worker.log").open("ab") as log:
            self.worker = subprocess.Popen(
                [sys.executable, "-m", "workers"],
                env={**os.environ, **given},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.until(lambda: len(self.children()) == 2)

    def stop_worker(self) -> None:
        """Asks the worker to end, and waits."""
        if self.worker is not None:
            self.worker.terminate()
            self.worker.wait(timeout=60)

    def submit(self, *steps: NewStep) -> str:
        """Submits a job as the API does."""
        job = engine.submit(self.conn, NewJob(tenant="t", steps=steps))
        self.relay.nudge()
        return job

    def children(self) -> list[int]:
        """Process ids of the children that are heard of."""
        return [int(row[0]) for row in self.all("SELECT facts->>'pid' FROM workers")]

    def child_of(self, job: str) -> int:
        """The process that runs a step of this job now."""
        found = self.until(
            lambda: self.all(
                "SELECT w.facts->>'pid' FROM steps s JOIN workers w ON w.id = s.worker"
                " WHERE s.job = %s AND s.status = 'running'",
                job,
            )
        )
        return int(found[0][0])

    def all(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """Rows."""
        return self.conn.execute(query.encode(), values).fetchall()

    def status(self, job: str) -> JobStatus:
        """Where the job stands."""
        return JobStatus(self.all("SELECT status FROM jobs WHERE id = %s", job)[0][0])

    def ended(self, job: str) -> JobStatus:
        """How the job ended."""
        self.until(
            lambda: self.all("SELECT 1 FROM jobs WHERE id = %s AND finished_at IS NOT NULL", job)
        )
        return self.status(job)

    def outcomes(self, job: str) -> list[str]:
        """What became of the attempts of a job, in order."""
        query = "SELECT outcome FROM step_attempts WHERE job = %s ORDER BY ended_at"
        return [row[0] for row in self.all(query, job)]

    def until(self, found: Callable[[], Any]) -> Any:
        """Waits for something to become true."""
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            if value := found():
                return value
            time.sleep(0.02)
        log = (self.settings.home / "worker.log").read_text(errors="replace")
        raise AssertionError(f"it did not happen; the worker said:\n{log[-3000:]}")

    def check(self) -> None:
        """Every job is over, and every invariant holds."""
        self.until(lambda: not self.all("SELECT 1 FROM jobs WHERE finished_at IS NULL"))
        assert invariants.check(self.conn, settled=True) == []


def open_world(database_url: str, redis_url: str, home: Path) -> Iterator[World]:
    """A world without a worker yet."""
    settings = Settings(
        home=home,
        database_url=database_url,
        redis_url=redis_url,
        test_tools=True,
        lease_ttl_s=TTL_S,
    )
    pool = create_engine(database_url)
    relay = Relay(pool, settings)
    relay.start()
    with connect(database_url) as conn:
        world = World(settings, conn, relay)
        try:
            yield world
        finally:
            world.stop_worker()
            relay.stop()
            pool.dispose()


@pytest.fixture(scope="module")
def own_database_url(postgres: EmbeddedPostgres) -> Iterator[str]:
    """One database for the tests that share a worker."""
    with psycopg.connect(postgres.url_of("postgres"), autocommit=True) as conn:
        conn.execute("CREATE DATABASE workers_faults")
    upgrade(postgres.url_of("workers_faults"))
    yield postgres.url_of("workers_faults")
    with psycopg.connect(postgres.url_of("postgres"), autocommit=True) as conn:
        conn.execute("DROP DATABASE workers_faults WITH (FORCE)")


@pytest.fixture(scope="module")
def shared(
    own_database_url: str, valkey: EmbeddedValkey, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    """The world that most tests share; its children die often, its worker does not."""
    home = tmp_path_factory.mktemp("workers")
    for world in open_world(own_database_url, valkey.url, home):
        world.start_worker()
        yield world


@pytest.fixture
def world(shared: World) -> Iterator[World]:
    """The shared world; after each test every job is over and every invariant holds."""
    yield shared
    shared.check()


@pytest.fixture
def fresh(database_url: str, redis_url: str, tmp_path: Path) -> Iterator[World]:
    """A world of this test alone, without a worker yet."""
    yield from open_world(database_url, redis_url, tmp_path)


def test_a_chain_of_steps_ends_once(world: World) -> None:
    job = world.submit(step("a", text="hello"), step("b", "test.echo", "a"))
    assert world.ended(job) is JobStatus.SUCCEEDED
    assert world.outcomes(job) == ["succeeded", "succeeded"]


def test_a_step_whose_worker_is_killed_runs_again(world: World) -> None:
    job = world.submit(step("a", "test.sleep", s=2.0))
    os.kill(world.child_of(job), signal.SIGKILL)
    assert world.ended(job) is JobStatus.SUCCEEDED
    assert world.outcomes(job) == ["lost", "succeeded"]


def test_a_step_that_kills_its_workers_is_dead_after_three(world: World) -> None:
    job = world.submit(step("a", "test.segv"), step("b"))
    assert world.ended(job) is JobStatus.FAILED
    error = world.all("SELECT error->>'code' FROM jobs WHERE id = %s", job)
    assert error == [("step_poisoned",)]
    assert sorted(world.outcomes(job)) == ["dead", "lost", "lost", "succeeded"]


def test_errors_are_tried_again_and_counted_apart_from_crashes(world: World) -> None:
    job = world.submit(step("a", "test.fail", times=1), step("b", "test.fail", kind="permanent"))
    assert world.ended(job) is JobStatus.FAILED
    assert sorted(world.outcomes(job)) == ["failed", "retried", "succeeded"]


def test_a_call_that_holds_the_interpreter_is_not_taken_for_death(world: World) -> None:
    job = world.submit(step("a", "test.gil", s=TTL_S * 2.5))
    assert world.ended(job) is JobStatus.SUCCEEDED
    assert world.outcomes(job) == ["succeeded"]


def test_a_canceled_step_stops_and_its_worker_goes_on(world: World) -> None:
    job = world.submit(step("a", "test.sleep", s=300.0))
    child = world.child_of(job)
    engine.cancel_job(world.conn, "t", job)
    assert world.ended(job) is JobStatus.CANCELED
    assert child in world.children()


def test_a_step_that_ignores_its_deadline_is_killed(world: World) -> None:
    job = world.submit(step("a", "test.hang", s=300.0))
    assert world.ended(job) is JobStatus.FAILED
    error = world.all("SELECT error->>'code' FROM jobs WHERE id = %s", job)
    assert error == [("step_deadline",)]


def test_a_zombie_cannot_commit_after_its_lease(world: World) -> None:
    job = world.submit(step("a", "test.sleep", s=1.0))
    child = world.child_of(job)
    keeper = int(world.until(lambda: keepers_of(child))[0])
    for process in (keeper, child):
        os.kill(process, signal.SIGSTOP)
    try:
        assert world.ended(job) is JobStatus.SUCCEEDED
    finally:
        for process in (keeper, child):
            os.kill(process, signal.SIGCONT)
    assert world.outcomes(job) == ["lost", "succeeded"]
    assert world.ended(world.submit(*(step(f"s{n}") for n in range(4)))) is JobStatus.SUCCEEDED


def keepers_of(child: int) -> list[str]:
    """Process ids below a child."""
    path = Path(f"/proc/{child}/task/{child}/children")
    return path.read_text().split() if path.exists() else []


def test_a_wake_up_that_comes_many_times_claims_once(world: World) -> None:
    send(make_app(world.settings), {"cpu": 8})
    job = world.submit(step("a"))
    for _ in range(5):
        send(make_app(world.settings), {"cpu": 8})
    assert world.ended(job) is JobStatus.SUCCEEDED
    assert world.outcomes(job) == ["succeeded"]


def test_three_hundred_jobs_at_once_end_once_though_the_broker_forgets(
    world: World, valkey: EmbeddedValkey
) -> None:
    jobs = [world.submit(step("a")) for _ in range(300)]
    with redis.Redis.from_url(valkey.client_url) as client:
        for _ in range(5):
            client.flushall()
            time.sleep(0.2)
    assert {world.ended(job) for job in jobs} == {JobStatus.SUCCEEDED}
    assert [world.outcomes(job) for job in jobs] == [["succeeded"]] * 300


def test_equal_steps_of_a_tenant_run_once(world: World) -> None:
    first = world.submit(step("a", "test.bytes", n=5000))
    world.ended(first)
    second = world.submit(step("a", "test.bytes", n=5000))
    assert world.ended(second) is JobStatus.SUCCEEDED
    assert world.outcomes(second) == ["cached"]
    outputs = world.all("SELECT outputs FROM jobs WHERE id = ANY(%s)", [first, second])
    assert outputs[0] == outputs[1]


def test_a_step_may_append_steps_to_its_job(world: World) -> None:
    job = world.submit(step("a", "test.expand", n=3))
    assert world.ended(job) is JobStatus.SUCCEEDED
    assert len(world.outcomes(job)) == 4


def test_children_that_die_at_any_named_point_lose_and_repeat_nothing(fresh: World) -> None:
    points = ("after_claim", "after_blob_before_commit", "after_commit_before_wake")
    mark = fresh.settings.home / "crashed"
    fresh.start_worker(
        MEDLEY_CRASH_AT=",".join(f"worker.{point}" for point in points),
        MEDLEY_CRASH_MARK=str(mark),
    )
    job = fresh.submit(step("a", "test.bytes", n=5000), replace(step("b"), after=["a"]))
    assert fresh.ended(job) is JobStatus.SUCCEEDED
    assert fresh.outcomes(job) == ["lost", "lost", "succeeded", "lost", "succeeded"]
    assert all(mark.with_name(f"crashed.worker.{point}").exists() for point in points)
    fresh.check()


def test_a_child_that_dies_as_it_enters_leaves_no_row(fresh: World) -> None:
    mark = fresh.settings.home / "crashed"
    fresh.start_worker(MEDLEY_CRASH_AT="worker.after_entry", MEDLEY_CRASH_MARK=str(mark))
    fresh.until(mark.with_name("crashed.worker.after_entry").exists)
    fresh.until(lambda: [psutil.pid_exists(pid) for pid in fresh.children()] == [True, True])


def test_a_worker_whose_children_hang_starts_anew(fresh: World) -> None:
    fresh.start_worker(MEDLEY_STALL_S="10")
    assert fresh.worker is not None
    old = fresh.children()
    for pid in old:
        os.kill(pid, signal.SIGSTOP)
    job = fresh.submit(step("a"))
    assert fresh.ended(job) is JobStatus.SUCCEEDED
    assert fresh.worker.poll() is None
    fresh.until(lambda: not set(old) & set(fresh.children()))
    fresh.check()


def test_a_worker_that_dies_between_update_and_wake_up_is_made_up_for(fresh: World) -> None:
    mark = fresh.settings.home / "crashed"
    fresh.relay.stop()  # only the worker's own relay is left, and it dies
    fresh.start_worker(
        MEDLEY_CRASH_AT="relay.after_update_before_publish", MEDLEY_CRASH_MARK=str(mark)
    )
    with fresh.conn.transaction():
        job = fresh.submit(step("a"))
        # Later than the children's own first look, so that only the relay can tell them of it.
        fresh.conn.execute(
            "UPDATE steps SET (not_before, wake_at) = (SELECT later, later FROM"
            " (SELECT clock_timestamp() + interval '10 seconds' AS later) AS soon)"
        )
    assert fresh.worker is not None
    assert fresh.worker.wait(timeout=PATIENCE_S) == -signal.SIGKILL
    fresh.until(lambda: not fresh.children())
    fresh.start_worker()
    assert fresh.ended(job) is JobStatus.SUCCEEDED
    fresh.check()


def test_a_worker_that_is_told_to_end_gives_back_what_it_cannot_finish(fresh: World) -> None:
    fresh.start_worker()
    job = fresh.submit(step("a", "test.sleep", s=40.0))
    fresh.child_of(job)
    fresh.stop_worker()
    assert fresh.outcomes(job) == ["released"]
    assert fresh.all("SELECT status, attempt, crash_count FROM steps") == [("ready", 0, 0)]
    engine.cancel_job(fresh.conn, "t", job)
    fresh.check()


def test_a_restarted_postgres_costs_a_moment(
    server_home: Path, redis_url: str, tmp_path: Path
) -> None:
    home = server_home / "own"
    home.mkdir(mode=0o755)
    server = EmbeddedPostgres(home, durable=True)
    upgrade(server.url)
    try:
        for world in open_world(server.url, redis_url, tmp_path):
            world.start_worker()
            jobs = [
                world.submit(step("a", "test.sleep", s=0.2), step("b", "test.echo", "a"))
                for _ in range(10)
            ]
            world.child_of(jobs[0])
            server.stop()
            server = EmbeddedPostgres(home, durable=True)
            world.conn = connect(server.url)
            assert {world.ended(job) for job in jobs} == {JobStatus.SUCCEEDED}
            world.check()
    finally:
        server.stop()

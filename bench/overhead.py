"""What durability costs: a five-step no-op workflow, four ways, in one run on the same servers.

- medley: jobs of five `test.echo` steps through engine, broker and two workers; Postgres with fsync
- api: the same, posted over HTTP
- chain: a bare Celery chain of five no-op tasks on the same Valkey, two workers; nothing is durable
- dbos: a DBOS workflow of five no-op steps on the same Postgres, in process

Throughput is that of `--jobs` jobs submitted at once; latency is that of one at a time. Rounds
alternate, so that a noisy machine is noisy for all. Only the ratios mean anything.

    python bench/overhead.py [--jobs 200] [--single 50] [--rounds 3] [--only medley,chain] [--json]
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import psycopg
import redis

from medley.embedded import EmbeddedPostgres, EmbeddedValkey
from medley.settings import Settings
from orchestrator import engine, invariants
from orchestrator.database import connect, create_engine
from orchestrator.engine import NewJob, NewStep
from orchestrator.events import channel
from orchestrator.migrations import upgrade
from orchestrator.relay import Relay

ROOT = Path(__file__).resolve().parent.parent
STEPS = 5
CHILDREN = 2


@dataclass
class Servers:
    """Where everything runs."""

    home: Path
    database_url: str
    redis_url: str
    client_url: str

    def environment(self) -> dict[str, str]:
        """What a worker or the API needs to know."""
        return {
            **os.environ,
            "MEDLEY_DATABASE_URL": self.database_url,
            "MEDLEY_REDIS_URL": self.redis_url,
            "MEDLEY_HOME": str(self.home),
            "MEDLEY_TEST_TOOLS": "1",
            "MEDLEY_LANES": '["cpu"]',
            "MEDLEY_WORKER_PROCESSES": str(CHILDREN),
            "BENCH_BROKER": self.redis_url,
            "BENCH_REDIS": self.client_url,
        }


@dataclass
class Contender:
    """One way to run the workflow: many at once, and one."""

    name: str
    many: Callable[[int], None]
    one: Callable[[], None]
    rates: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def round(self, jobs: int, single: int) -> None:
        """Measures once."""
        began = time.perf_counter()
        self.many(jobs)
        self.rates.append(jobs / (time.perf_counter() - began))
        for _ in range(single):
            began = time.perf_counter()
            self.one()
            self.seconds.append(time.perf_counter() - began)

    def report(self) -> dict[str, float]:
        """Median rate, and latency in milliseconds."""
        cuts = statistics.quantiles(self.seconds, n=20)
        return {
            "jobs_per_s": round(statistics.median(self.rates), 1),
            "p50_ms": round(1000 * statistics.median(self.seconds), 2),
            "p95_ms": round(1000 * cuts[18], 2),
        }


@contextmanager
def process(servers: Servers, *command: str) -> Iterator[None]:
    """A Python process beside this one, ended at the end."""
    with (servers.home / "bench.log").open("ab") as log:
        running = subprocess.Popen(
            [sys.executable, *command], cwd=ROOT, env=servers.environment(), stdout=log, stderr=log
        )
    try:
        yield
    finally:
        running.terminate()
        running.wait(timeout=60)


def five_steps() -> list[NewStep]:
    """s1 to s5, each of which reads the one before."""
    return [
        NewStep(
            id=f"s{number}",
            tool="test.echo",
            lane="cpu",
            model="test-tools",
            params={"text": "hello"} if number == 1 else {},
            inputs={"texts": [{"from": f"s{number - 1}.out"}]} if number > 1 else {},
        )
        for number in range(1, STEPS + 1)
    ]


@contextmanager
def medley(servers: Servers) -> Iterator[Contender]:
    """Through the engine: submitted as the API does it, one transaction each."""
    settings = Settings(database_url=servers.database_url, redis_url=servers.redis_url)
    pool = create_engine(servers.database_url)
    relay = Relay(pool, settings)
    relay.start()
    client = redis.Redis.from_url(servers.client_url)
    with connect(servers.database_url) as conn:

        def many(jobs: int) -> None:
            for _ in range(jobs):
                engine.submit(conn, NewJob(tenant="bench", steps=five_steps()))
                relay.nudge()
            wait_until_idle(conn)

        def one() -> None:
            job = NewJob(tenant="bench", steps=five_steps())
            with client.pubsub() as listener:
                listener.subscribe(channel(job.id))
                listener.get_message(timeout=5)
                engine.submit(conn, job)
                relay.nudge()
                while not ended(conn, job.id):
                    listener.get_message(timeout=0.05)

        yield Contender("medley", many, one)
    relay.stop()
    pool.dispose()


@contextmanager
def api(servers: Servers) -> Iterator[Contender]:
    """The same through `POST /v1/jobs`."""
    port = "8497"
    plan = {
        "steps": [
            {"id": step.id, "tool": step.tool, "inputs": step.inputs, "params": step.params}
            for step in five_steps()
        ]
    }
    command = ("-m", "uvicorn", "--factory", "api.main:create_app", f"--port={port}")
    with (
        process(servers, *command, "--log-level=warning"),
        httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as http,
        connect(servers.database_url) as conn,
    ):
        until(lambda: answers(http))

        def post(**headers: str) -> dict[str, Any]:
            answer = http.post("/v1/jobs", json={"plan": plan}, headers=headers)
            answer.raise_for_status()
            return dict(answer.json())

        def many(jobs: int) -> None:
            for _ in range(jobs):
                post()
            wait_until_idle(conn)

        def one() -> None:
            found = post(Prefer="wait=30")
            assert found["status"] == "succeeded", found

        yield Contender("api", many, one)


@contextmanager
def chain(servers: Servers) -> Iterator[Contender]:
    """A bare Celery chain."""
    os.environ.update(BENCH_BROKER=servers.redis_url, BENCH_REDIS=servers.client_url)
    sys.path.insert(0, str(ROOT))
    from celery import chain as celery_chain

    from bench.chain_app import last, step

    client = redis.Redis.from_url(servers.client_url, socket_timeout=120)
    names = ("-m", "celery", "-A", "bench.chain_app", "worker", "-c", str(CHILDREN))

    def submit() -> None:
        links = [step.s("hello"), *(step.s() for _ in range(STEPS - 2)), last.s()]
        celery_chain(*links).apply_async()

    def many(jobs: int) -> None:
        for _ in range(jobs):
            submit()
        for _ in range(jobs):
            assert client.blpop(["bench:done"], timeout=60) is not None

    with process(servers, *names, "--loglevel=ERROR"):
        many(1)
        yield Contender("chain", many, lambda: many(1))


@contextmanager
def dbos(servers: Servers) -> Iterator[Contender]:
    """DBOS, in process."""
    from dbos import DBOS

    url = servers.database_url.replace("/medley?", "/dbos?")
    DBOS(config={"name": "bench", "system_database_url": url, "run_admin_server": False})

    @DBOS.step()
    def step(text: str) -> str:
        return text

    @DBOS.workflow()
    def five(text: str) -> str:
        for _ in range(STEPS):
            text = step(text)
        return text

    DBOS.launch()

    def many(jobs: int) -> None:
        for handle in [DBOS.start_workflow(five, "hello") for _ in range(jobs)]:
            handle.get_result()

    many(1)
    yield Contender("dbos", many, lambda: many(1))
    DBOS.destroy()


def ended(conn: psycopg.Connection[Any], job: str) -> bool:
    """Whether a job is over."""
    row = conn.execute("SELECT finished_at FROM jobs WHERE id = %s", [job]).fetchone()
    return row is not None and row[0] is not None


def wait_until_idle(conn: psycopg.Connection[Any]) -> None:
    """Waits until no job is open."""
    query = "SELECT EXISTS (SELECT FROM jobs WHERE finished_at IS NULL)"
    until(lambda: not conn.execute(query).fetchone()[0])  # type: ignore[index]


def until(found: Callable[[], bool]) -> None:
    """Waits, a hundredth of a second at a time."""
    end = time.monotonic() + 120
    while not found():
        assert time.monotonic() < end, "it did not happen; see bench.log"
        time.sleep(0.01)


def answers(http: httpx2.Client) -> bool:
    """Whether the API is up."""
    try:
        return http.get("/healthz").status_code == 200
    except httpx2.TransportError:
        return False


CONTENDERS = {"medley": medley, "api": api, "chain": chain, "dbos": dbos}


def run(names: list[str], jobs: int, single: int, rounds: int) -> dict[str, dict[str, float]]:
    """Starts everything, measures in turns, and checks that the engine kept its promises."""
    home = Path(tempfile.mkdtemp(prefix="medley-bench-"))
    home.chmod(0o755)
    with ExitStack() as stack:
        postgres = stack.enter_context(EmbeddedPostgres(home))
        valkey = stack.enter_context(EmbeddedValkey(home))
        servers = Servers(home, postgres.url, valkey.url, valkey.client_url)
        upgrade(postgres.url)
        if {"medley", "api"} & set(names):
            stack.enter_context(process(servers, "-m", "workers"))
            with connect(postgres.url) as conn:
                heard = "SELECT count(*) FROM workers"
                until(lambda: conn.execute(heard).fetchone()[0] == CHILDREN)  # type: ignore[index]
        ways = [stack.enter_context(CONTENDERS[name](servers)) for name in names]
        for way in ways:
            way.many(20)
        for number in range(rounds):
            for way in ways if number % 2 == 0 else reversed(ways):
                way.round(jobs, single)
        with connect(postgres.url) as conn:
            broken = invariants.check(conn, settled=True)
            assert not broken, broken
        return {way.name: way.report() for way in ways}


def main() -> None:
    """Reads the command line, prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--single", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default=",".join(CONTENDERS))
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    reports = run(given.only.split(","), given.jobs, given.single, given.rounds)
    if given.json:
        print(json.dumps(reports))
        return
    base = reports.get("chain", {}).get("jobs_per_s")
    print(f"{'':8} {'jobs/s':>8} {'x chain':>8} {'p50 ms':>8} {'p95 ms':>8}")
    for name, found in reports.items():
        ratio = f"{found['jobs_per_s'] / base:.2f}" if base else "-"
        print(
            f"{name:8} {found['jobs_per_s']:8.1f} {ratio:>8}"
            f" {found['p50_ms']:8.2f} {found['p95_ms']:8.2f}"
        )


if __name__ == "__main__":
    main()

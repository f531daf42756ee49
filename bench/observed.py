"""What watching costs: the same requests to two services side by side, one with metrics, one
without, while somebody scrapes both; and the same jobs through two workers.

    python bench/observed.py [--requests 2000] [--jobs 100] [--rounds 5] [--json]

Rounds alternate, so that a noisy machine is noisy for both. Only the ratios mean anything.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from bench.overhead import ROOT, Servers, answers, five_steps, until, wait_until_idle
from medley.embedded import EmbeddedPostgres, EmbeddedValkey
from orchestrator.database import connect
from orchestrator.migrations import upgrade

READ = "/v1/assets"


@dataclass
class Service:
    """An API and its worker, and what was measured of them."""

    name: str
    servers: Servers
    http: httpx2.Client
    requests: list[float] = field(default_factory=list)  # a second
    jobs: list[float] = field(default_factory=list)

    def round(self, requests: int, jobs: int) -> None:
        """Measures once."""
        began = time.perf_counter()
        for number in range(requests):
            self.http.get(READ).raise_for_status()
            if number % 500 == 0:
                self.http.get("/metrics")
        self.requests.append(requests / (time.perf_counter() - began))
        plan = {
            "steps": [
                {"id": step.id, "tool": step.tool, "inputs": step.inputs, "params": step.params}
                for step in five_steps()
            ]
        }
        with connect(self.servers.database_url) as conn:
            began = time.perf_counter()
            for _ in range(jobs):
                self.http.post("/v1/jobs", json={"plan": plan}).raise_for_status()
            wait_until_idle(conn)
            self.jobs.append(jobs / (time.perf_counter() - began))


@contextmanager
def service(
    name: str,
    home: Path,
    postgres: EmbeddedPostgres,
    valkey: EmbeddedValkey,
    port: int,
    **more: str,
) -> Iterator[Service]:
    """A service on a database and a Redis number of its own."""
    with connect(postgres.url_of("postgres")) as conn:
        conn.execute(f"CREATE DATABASE bench_{name}".encode())
    url = postgres.url_of(f"bench_{name}")
    upgrade(url)
    number = {"on": 1, "off": 2}[name]
    redis_url = valkey.url.replace("virtual_host=0", f"virtual_host={number}")
    servers = Servers(home, url, redis_url, valkey.client_url.replace("db=0", f"db={number}"))
    environment = servers.environment() | {"MEDLEY_PORT": str(port)} | more
    with ExitStack() as stack:
        log = stack.enter_context((home / f"{name}.log").open("ab"))
        for module in ("api", "workers"):
            running = subprocess.Popen(
                [sys.executable, "-m", module], cwd=ROOT, env=environment, stdout=log, stderr=log
            )
            stack.callback(running.wait, timeout=60)
            stack.callback(running.terminate)
        http = stack.enter_context(httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=60))
        until(lambda: answers(http))
        http.get(READ).raise_for_status()
        yield Service(name, servers, http)


def main() -> int:
    """Measures and reports."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--jobs", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="medley-bench-")))
        home.chmod(0o755)
        postgres = stack.enter_context(EmbeddedPostgres(home))
        valkey = stack.enter_context(EmbeddedValkey(home))
        both = [
            stack.enter_context(service("on", home, postgres, valkey, 8498, MEDLEY_METRICS="true")),
            stack.enter_context(
                service("off", home, postgres, valkey, 8499, MEDLEY_METRICS="false")
            ),
        ]
        for each in both:
            each.round(20, 2)
            each.requests.clear()
            each.jobs.clear()
        for number in range(asked.rounds):
            for each in both if number % 2 == 0 else reversed(both):
                each.round(asked.requests, asked.jobs)
    found: dict[str, Any] = {
        each.name: {
            "requests_per_s": round(statistics.median(each.requests), 1),
            "jobs_per_s": round(statistics.median(each.jobs), 1),
        }
        for each in both
    }
    found["on/off"] = {
        name: round(found["on"][name] / found["off"][name], 3) for name in found["off"]
    }
    if asked.json:
        print(json.dumps(found))
    else:
        for name, line in found.items():
            print(f"{name:<7}", "  ".join(f"{key} {value}" for key, value in line.items()))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

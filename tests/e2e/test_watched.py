"""A watched service of real processes: one trace through API and worker, logs as JSON, metrics of
workers that were killed.
"""

import json
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest

from medley.guarded import Guarded
from medley.settings import Settings
from tests.e2e.test_api_worker import answers, run, surroundings, upload
from tests.flow.api_world import caption_plan, png
from tests.flow.test_observability import ASKED, collector

pytestmark = pytest.mark.timeout(300)
__all__ = ["collector"]  # a fixture


@pytest.fixture
def watched(
    settings: Settings, tmp_path: Path, collector: tuple[str, list[Any]]
) -> Iterator[httpx2.Client]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {
        **surroundings(settings),
        "MEDLEY_LANES": '["cpu"]',
        "MEDLEY_WORKER_PROCESSES": "1",
        "MEDLEY_LEASE_TTL_S": "2",
        "MEDLEY_PORT": str(port),
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": collector[0],
    }
    with ExitStack() as stack:
        for name in ("workers", "api"):
            command = [sys.executable, "-m", name]
            part = Guarded(command, log=tmp_path / f"{name}.log", env=environment)
            stack.callback(part.stop)
        client = httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=120)
        stack.enter_context(client)
        while not answers(client):
            assert part.poll() is None, (tmp_path / "api.log").read_text()
            time.sleep(0.1)
        yield client


def child_of_worker(client: httpx2.Client) -> int:
    """The process that runs steps."""
    while True:
        for worker in client.get("/v1/system").json()["workers"]:
            pid = int(worker["facts"]["pid"])
            if worker["live"] and psutil.pid_exists(pid):
                return pid
        time.sleep(0.2)


def test_one_trace_leads_from_the_request_through_a_killed_worker_to_the_end(
    watched: httpx2.Client, collector: tuple[str, list[Any]], tmp_path: Path
) -> None:
    _, came = collector
    watched.headers["traceparent"] = ASKED
    child = child_of_worker(watched)
    sleeping = {"id": "s1", "tool": "test.sleep", "inputs": {}, "params": {"s": 3}}
    sent = watched.post("/v1/jobs", json={"plan": {"steps": [sleeping]}})
    assert sent.status_code == 202, sent.text
    job = sent.json()
    while watched.get(job["urls"]["self"]).json()["status"] != "running":
        time.sleep(0.05)
    os.kill(child, 9)
    while watched.get(job["urls"]["self"]).json()["status"] != "succeeded":
        time.sleep(0.2)
    picture = run(watched, plan=caption_plan(upload(watched, "a.png", png())))
    # Two requests, two jobs, two attempts of one step, two steps; and what was loaded for them.
    wanted = {"POST /v1/jobs": 2, "invoke_workflow plan": 2, "execute_tool test.sleep": 2}
    wanted |= {"execute_tool resize": 1, "execute_tool caption": 1, "load_model test-tools": 1}
    while any([span.name for span in came].count(name) < n for name, n in wanted.items()):
        time.sleep(0.1)
    spans = {span.span_id.hex(): span for span in came if span.trace_id.hex() == ASKED[3:35]}
    for span in spans.values():
        if span.name.startswith("execute"):  # below its job, that below the request
            job_span = spans[span.parent_span_id.hex()]
            assert job_span.name == "invoke_workflow plan"
            assert spans[job_span.parent_span_id.hex()].name == "POST /v1/jobs"
        if span.name.startswith("load_model"):
            assert spans[span.parent_span_id.hex()].name.startswith("execute_tool")
    assert {span.name for span in spans.values()} >= wanted.keys()
    _metrics_know(watched)
    _logs_are_json(tmp_path, picture["id"])


def _metrics_know(watched: httpx2.Client) -> None:
    lost = 'medley_step_attempts_total{outcome="lost",tool="test.sleep"} 1.0'
    until = time.monotonic() + 60
    while lost not in (text := watched.get("/metrics").text):
        assert time.monotonic() < until, text
        time.sleep(1.0)
    assert 'medley_model_load_seconds_count{model="test-tools"}' in text


def _logs_are_json(folder: Path, job: str) -> None:
    lines = [json.loads(line) for line in (folder / "workers.log").read_text().splitlines()]
    committed = [line for line in lines if line.get("job") == job]
    assert {line["trace_id"] for line in committed} == {ASKED[3:35]}
    assert all(json.loads(line) for line in (folder / "api.log").read_text().splitlines())

"""A tool from outside in a real run: attached by the command line, planned over REST, run by a real
worker, its picture stored and worked on.
"""

import io
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from PIL import Image

from api.main import create_app
from medley.guarded import Guarded
from medley.settings import Settings
from tests.e2e.test_api_worker import run, surroundings
from tests.flow.api_world import served
from tests.outside_world import PROGRAM

pytestmark = pytest.mark.timeout(300)


def medley(settings: Settings, *words: str) -> subprocess.CompletedProcess[str]:
    """One run of the command line at the home of this test."""
    return subprocess.run(
        [sys.executable, "-c", "from medley.cli import app; app()", *words],
        capture_output=True,
        text=True,
        env=surroundings(settings),
        check=False,
        timeout=120,
    )


def attach(settings: Settings, name: str) -> str:
    """Attaches the server under this name; what was said about it."""
    attached = medley(settings, "mcp", "attach", name, "--command", f"{sys.executable} {PROGRAM}")
    assert attached.returncode == 0, attached.stderr
    return attached.stderr


@pytest.fixture
def client(settings: Settings, tmp_path: Path) -> Iterator[httpx2.Client]:
    assert "document" in attach(settings, "paint")  # what could not be typed, and why
    environment = {
        **surroundings(settings),
        "MEDLEY_LANES": '["cpu"]',
        "MEDLEY_WORKER_PROCESSES": "1",
    }
    log = tmp_path / "worker.log"
    worker = Guarded([sys.executable, "-m", "workers"], log=log, env=environment)
    try:
        with (
            served(create_app(settings)) as url,
            httpx2.Client(base_url=url, timeout=120) as opened,
        ):
            yield opened
    finally:
        worker.stop()


def plan(*steps: dict[str, Any], show: str, server: str = "paint") -> dict[str, Any]:
    return {
        "plan": {"steps": list(steps), "reply": {"show": [show]}},
        "options": {"tools_from": [server]},
    }


def runs(client: httpx2.Client, job: dict[str, Any]) -> bool:
    """Whether the job's first step runs."""
    found = client.get(job["urls"]["self"]).json()
    return bool(found["plan"]["steps"][0]["status"] == "running")


def follow(client: httpx2.Client, job: dict[str, Any]) -> None:
    """Waits for the end of a job."""
    with client.stream("GET", job["urls"]["events"]) as stream:
        list(stream.iter_lines())


def wait_for(true: Callable[[], Any]) -> None:
    """Waits for something that a worker does."""
    until = time.monotonic() + 120
    while not true():
        assert time.monotonic() < until
        time.sleep(0.2)


def test_a_picture_from_outside_is_stored_and_worked_on(client: httpx2.Client) -> None:
    swatch = {"id": "s1", "tool": "paint.swatch", "params": {"colour": "blue", "side": 20}}
    smaller = {
        "id": "s2",
        "tool": "resize",
        "inputs": {"image": {"from": "s1.image"}},
        "params": {"width": 10},
    }
    job = run(client, **plan(swatch, smaller, show="s2.image"))
    assert job["status"] == "succeeded", job["error"]
    (output,) = job["outputs"]
    with Image.open(io.BytesIO(client.get(output["url"]).content)) as picture:
        assert (picture.width, picture.getpixel((5, 5))[2]) == (10, 255)


def test_words_go_from_step_to_step_through_it(client: httpx2.Client) -> None:
    first = {"id": "s1", "tool": "paint.shout", "inputs": {"text": "hello"}}
    second = {"id": "s2", "tool": "paint.shout", "inputs": {"text": {"from": "s1.text"}}}
    job = run(client, **plan(first, second, show="s2.text"))
    assert [output["text"] for output in job["outputs"]] == ["HELLO!!"]


def test_what_is_no_picture_fails_its_step_with_a_reason(client: httpx2.Client) -> None:
    job = run(client, **plan({"id": "s1", "tool": "paint.broken_picture"}, show="s1.image"))
    assert job["status"] == "failed"
    (step,) = job["plan"]["steps"]
    assert step["error"]["code"] in ("unsupported_media", "broken_media")


def test_a_cancel_ends_a_call(client: httpx2.Client) -> None:
    slow = {"id": "s1", "tool": "paint.sleep", "params": {"seconds": 200}}
    job = client.post("/v1/jobs", json=plan(slow, show="s1.text")).json()
    wait_for(lambda: runs(client, job))
    client.post(job["urls"]["cancel"])
    follow(client, job)
    assert client.get(job["urls"]["self"]).json()["status"] == "canceled"


@pytest.mark.timeout(600)
def test_a_server_is_attached_used_and_detached_while_the_service_runs(
    client: httpx2.Client, settings: Settings
) -> None:
    loud = {"id": "s1", "tool": "ink.shout", "inputs": {"text": "hello"}}
    body = plan(loud, show="s1.text", server="ink")
    assert client.post("/v1/jobs", json=body).json()["code"] == "server_not_allowed"
    attach(settings, "ink")
    assert [output["text"] for output in run(client, **body)["outputs"]] == ["HELLO!"]
    wait_for(lambda: client.get("/v1/tools/ink.shout").json()["live"])  # its worker says so
    slow = {"id": "s1", "tool": "ink.sleep", "params": {"seconds": 200}}
    waits = {"id": "s2", "tool": "ink.shout", "inputs": {"text": "so long"}}
    endless = plan(slow, show="s1.text", server="ink")
    job = client.post("/v1/jobs", json=endless).json()
    behind = client.post("/v1/jobs", json=plan(waits, show="s2.text", server="ink")).json()
    wait_for(lambda: runs(client, job))
    assert medley(settings, "mcp", "detach", "ink").returncode == 0
    for ended in (job, behind):
        follow(client, ended)
        found = client.get(ended["urls"]["self"]).json()
        assert (found["status"], found["error"]["code"]) == ("failed", "server_detached")
    assert client.post("/v1/jobs", json=body).json()["code"] == "server_not_allowed"
    shout = {**loud, "tool": "paint.shout"}
    assert run(client, **plan(shout, show="s1.text"))["status"] == "succeeded"

"""The service with a real worker process: files in, steps run, files out, over HTTP alone."""

import io
import os
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from PIL import Image

from api.main import create_app
from medley.guarded import Guarded
from medley.settings import Settings
from tests.flow.api_world import caption_plan, png, served, wav
from tests.flow.test_api_events import names, parse

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def client(settings: Settings, tmp_path: Path) -> Iterator[httpx2.Client]:
    environment = {
        **surroundings(settings),
        "MEDLEY_LANES": '["cpu"]',
        "MEDLEY_WORKER_PROCESSES": "1",
    }
    worker = Guarded(
        [sys.executable, "-m", "workers"], log=tmp_path / "worker.log", env=environment
    )
    try:
        with (
            served(create_app(settings)) as url,
            httpx2.Client(base_url=url, timeout=120) as opened,
        ):
            yield opened
    finally:
        worker.stop()


def surroundings(settings: Settings) -> dict[str, str]:
    """The environment of a process that belongs to this test's service."""
    return {
        **os.environ,
        "MEDLEY_HOME": str(settings.home),
        "MEDLEY_DATABASE_URL": str(settings.database_url),
        "MEDLEY_REDIS_URL": str(settings.redis_url),
        "MEDLEY_TEST_TOOLS": "1",
    }


def answers(client: httpx2.Client) -> bool:
    """Whether a service is there."""
    try:
        return client.get("/healthz").status_code == 200
    except httpx2.TransportError:
        return False


def run(client: httpx2.Client, **body: Any) -> dict[str, Any]:
    """A job that has ended."""
    headers = {"prefer": "wait=60"}
    reply = client.post("/v1/jobs", json=body, headers=headers)
    job: dict[str, Any] = reply.json()
    while job["status"] in ("queued", "running"):
        with client.stream("GET", job["urls"]["events"]) as stream:
            list(stream.iter_lines())
        job = client.get(job["urls"]["self"]).json()
    return job


def upload(client: httpx2.Client, name: str, data: bytes) -> str:
    """The id of an uploaded file."""
    return str(client.post("/v1/assets", files={"file": (name, data)}).json()["id"])


def test_a_picture_is_made_smaller_and_gets_its_words(client: httpx2.Client) -> None:
    asset = upload(client, "a.png", png(size=(200, 100)))
    job = run(client, plan=caption_plan(asset))
    assert job["status"] == "succeeded", job["error"]
    (output,) = job["outputs"]
    content = client.get(output["url"])
    with Image.open(io.BytesIO(content.content)) as picture:
        assert picture.width == 2 * picture.height
    assert content.headers["content-type"] == "image/png"


def test_a_worker_that_is_up_makes_its_tools_live(client: httpx2.Client) -> None:
    while not client.get("/v1/tools/resize").json()["live"]:
        time.sleep(0.2)
    found = client.get("/v1/system").json()
    assert [worker["lanes"] for worker in found["workers"]] == [["cpu"]]
    assert (found["lanes"]["cpu"]["workers"], found["lanes"]["hub"]["workers"]) == (1, 0)
    assert client.get("/v1/tools/describe").json()["live"] is False


def test_a_sound_becomes_a_video_with_its_picture(client: httpx2.Client) -> None:
    sound, picture = upload(client, "a.wav", wav(0.5)), upload(client, "a.png", png())
    steps = [
        {"id": "wave", "tool": "waveform", "inputs": {"audio": {"asset": sound}}},
        {
            "id": "film",
            "tool": "slideshow",
            "inputs": {
                "images": [{"asset": picture}, {"from": "wave.image"}],
                "audio": {"asset": sound},
            },
        },
    ]
    job = run(client, plan={"steps": steps, "reply": {"show": ["film.video"], "text": "Done."}})
    assert job["status"] == "succeeded", job["error"]
    made = client.get(f"/v1/assets/{job['outputs'][0]['asset']}").json()
    assert (made["modality"], job["answer"]["text"]) == ("video", "Done.")
    assert made["facts"]["has_audio"] is True


def test_a_job_of_a_service_that_died_after_its_commit_is_run_all_the_same(
    client: httpx2.Client, settings: Settings, tmp_path: Path
) -> None:
    asset = upload(client, "a.png", png())
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**surroundings(settings), "MEDLEY_CRASH_AT": "api.after_commit_before_publish"}
    words = ["-m", "uvicorn", "--factory", "api.main:create_app", "--port", str(port)]
    dying = Guarded([sys.executable, *words], log=tmp_path / "api.log", env=environment)
    doomed = httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=60)
    while not answers(doomed):
        assert dying.poll() is None, (tmp_path / "api.log").read_text()
        time.sleep(0.1)
    with pytest.raises(httpx2.TransportError):
        doomed.post("/v1/jobs", json={"plan": caption_plan(asset, "last words")})
    (job,) = client.get("/v1/jobs").json()["data"]
    list(client.get(job["urls"]["events"]).iter_lines())
    assert client.get(job["urls"]["self"]).json()["status"] == "succeeded"


def test_a_stream_tells_every_step_of_a_real_run(client: httpx2.Client) -> None:
    asset = upload(client, "a.png", png())
    body = {"plan": caption_plan(asset)}
    headers = {"accept": "text/event-stream"}
    with client.stream("POST", "/v1/jobs", json=body, headers=headers) as reply:
        seen = names(list(parse(reply.iter_lines())))
    assert seen[0] == "snapshot"
    assert seen.count("step.completed") + seen.count("step.cached") == 2
    assert seen[-1] == "job.succeeded"

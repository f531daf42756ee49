"""OpenAI's SDK against the whole service: a real worker with the bundled models, and what died."""

import base64
import io
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from PIL import Image

from api.main import create_app
from medley.guarded import Guarded
from medley.media.carrying import notes_in
from medley.settings import Settings
from tests.e2e.test_api_worker import surroundings
from tests.flow.api_world import served

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def client(settings: Settings, tmp_path: Path) -> Iterator[openai.OpenAI]:
    environment = {**surroundings(settings), "MEDLEY_WORKER_PROCESSES": "1"}
    worker = Guarded(
        [sys.executable, "-m", "workers"], log=tmp_path / "worker.log", env=environment
    )
    try:
        with (
            served(create_app(settings)) as url,
            openai.OpenAI(
                base_url=f"{url}/v1", api_key="any", max_retries=0, timeout=300
            ) as opened,
        ):
            yield opened
    finally:
        worker.stop()


def test_the_sdk_draws_speaks_embeds_and_searches_here(client: openai.OpenAI) -> None:
    drawn: Any = client.images.generate(model="gpt-image-1", prompt="a cat", size="1024x1024")
    assert drawn.data[0].drawn_size == "64x64"
    with Image.open(io.BytesIO(base64.b64decode(drawn.data[0].b64_json))) as picture:
        assert picture.size == (1024, 1024)
        assert "medley" in picture.info  # its recipe
    quick = {"num_inference_steps": 4}
    kinds = [
        event.type
        for event in client.images.generate(
            prompt="a dog", stream=True, partial_images=1, extra_body=quick
        )
    ]
    assert kinds[-1] == "image_generation.completed"
    for form, start in (("mp3", (b"ID3", b"\xff")), ("opus", (b"OggS",)), ("aac", (b"ID3",))):
        sound = client.audio.speech.create(
            model="tts-1", voice="alloy", input="Hello there", response_format=form
        )
        assert sound.content.startswith(start)
        assert json.loads(notes_in(io.BytesIO(sound.content)))["words"] == "Hello there"
    picture_of = "data:image/png;base64," + drawn.data[0].b64_json
    parts: Any = [
        {"type": "text", "text": "a cat"},
        {"type": "image_url", "image_url": {"url": picture_of}},
        {"type": "text", "text": "thunder"},
    ]
    cat, seen, thunder = (
        item.embedding for item in client.embeddings.create(model="medley", input=parts).data
    )

    def cosine(a: list[float], b: list[float]) -> float:
        return sum(x * y for x, y in zip(a, b, strict=True))

    assert cosine(cat, seen) > cosine(thunder, seen)
    assert cosine(cat, cat) == pytest.approx(1, abs=1e-3)
    store = client.vector_stores.create(file_ids=[drawn.data[0].asset])
    (hit,) = client.vector_stores.search(store.id, query="cat")
    assert hit.file_id == drawn.data[0].asset
    found: Any = client.post("/search", cast_to=object, body={"query": "a cat", "limit": 2})
    assert drawn.data[0].asset in [hit["asset"]["id"] for hit in found["data"]]


def test_a_batch_goes_on_in_another_process_when_the_service_was_killed(
    settings: Settings, tmp_path: Path
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**surroundings(settings), "MEDLEY_WORKER_PROCESSES": "1"}
    words = ["-m", "uvicorn", "--factory", "api.main:create_app", "--port", str(port)]
    lines = [
        {
            "custom_id": f"r{number}",
            "method": "POST",
            "url": "/v1/embeddings",
            "body": {"model": "medley", "input": f"cat {number}"},
        }
        for number in range(20)
    ]
    url = f"http://127.0.0.1:{port}"
    first = Guarded([sys.executable, *words], log=tmp_path / "api1.log", env=environment)
    _await(url, first, tmp_path / "api1.log")
    with openai.OpenAI(base_url=f"{url}/v1", api_key="any", timeout=60) as client:
        text = "\n".join(json.dumps(line) for line in lines).encode()
        file = client.files.create(file=("in.jsonl", text), purpose="batch")
        batch = client.batches.create(
            input_file_id=file.id, endpoint="/v1/embeddings", completion_window="24h"
        )
        while client.batches.retrieve(batch.id).status == "validating":
            time.sleep(0.05)
        os.kill(first.pid, signal.SIGKILL)
        first.stop()
    worker = Guarded([sys.executable, "-m", "workers"], log=tmp_path / "w.log", env=environment)
    second = Guarded([sys.executable, *words], log=tmp_path / "api2.log", env=environment)
    try:
        _await(url, second, tmp_path / "api2.log")
        with openai.OpenAI(base_url=f"{url}/v1", api_key="any", timeout=60) as client:
            while (done := client.batches.retrieve(batch.id)).status != "completed":
                assert done.status in ("in_progress", "finalizing"), done
                time.sleep(0.2)
            answers = client.files.content(done.output_file_id or "").text.splitlines()
            jobs: Any = client.get("/jobs?limit=100", cast_to=object)
    finally:
        second.stop()
        worker.stop()
    assert [json.loads(row)["custom_id"] for row in answers] == [f"r{n}" for n in range(20)]
    assert len(jobs["data"]) == 20  # nothing was asked for twice


def _await(url: str, process: Guarded, log: Path) -> None:
    while True:
        assert process.poll() is None, log.read_text()
        try:
            if httpx2.get(f"{url}/healthz", timeout=5).status_code == 200:
                return
        except httpx2.TransportError:
            time.sleep(0.1)

"""OpenAI's own client against a whole service with the bundled models: pictures, speech out."""

import base64
import io
import json
import sys
from collections.abc import Iterator
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
from tests.flow.hub_world import wait_until

pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def client(
    tmp_path_factory: pytest.TempPathFactory, module_database_url: str, valkey: Any
) -> Iterator[openai.OpenAI]:
    home = tmp_path_factory.mktemp("starter")
    settings = Settings(
        home=home, database_url=module_database_url, redis_url=valkey.url, lease_ttl_s=4.0
    )
    environment = {
        **surroundings(settings),
        "MEDLEY_TEST_TOOLS": "0",
        "MEDLEY_LEASE_TTL_S": "4",
        "MEDLEY_WORKER_PROCESSES": "1",
    }
    worker = Guarded([sys.executable, "-m", "workers"], log=home / "worker.log", env=environment)
    try:
        with served(create_app(settings)) as url:
            found = openai.OpenAI(base_url=f"{url}/v1", api_key="-", max_retries=0, timeout=300)
            wait_until(lambda: "text_to_image" in live(url), 120)
            yield found
            found.close()
    finally:
        worker.stop()


def live(url: str) -> set[str]:
    """Tools that a worker serves now."""
    tools = httpx2.get(f"{url}/v1/tools", timeout=60).json()["data"]
    return {tool["name"] for tool in tools if tool["live"]}


def picture(encoded: str) -> Image.Image:
    """The picture in base64."""
    return Image.open(io.BytesIO(base64.b64decode(encoded)))


def test_a_picture_is_drawn_in_a_stream_and_told_again(client: openai.OpenAI) -> None:
    tool: Any = {"type": "image_generation", "output_format": "webp", "partial_images": 1}
    stream = client.responses.create(
        model="medley", input="Draw a red apple.", tools=[tool], stream=True
    )
    events = [event.to_dict(warnings=False) for event in stream]
    kinds = [event["type"] for event in events]
    for kind in ("in_progress", "generating", "completed"):
        assert f"response.image_generation_call.{kind}" in kinds
    assert kinds[-1] == "response.completed"
    final: Any = events[-1]["response"]
    drawn = next(item for item in final["output"] if item["type"] == "image_generation_call")
    assert picture(drawn["result"]).format == "WEBP"
    assert final["output"][-1]["type"] == "message"
    assert final["medley"]["outputs"][0]["type"] == "image"
    again = client.responses.retrieve(final["id"], stream=True)
    partial = "response.image_generation_call.partial_image"
    told = [item.to_dict(warnings=False) for item in again]
    mine = [(e["type"], e["sequence_number"]) for e in events if e["type"] != partial]
    assert [(e["type"], e["sequence_number"]) for e in told] == mine


def test_a_picture_comes_with_a_chat_completion(client: openai.OpenAI) -> None:
    asked: Any = {"modalities": ["text", "image"]}
    found = client.chat.completions.create(
        model="gpt-4o",
        messages=[{"role": "user", "content": "Draw a yellow banana."}],
        extra_body=asked,
    )
    message: Any = found.choices[0].message.to_dict()
    url = message["images"][0]["image_url"]["url"]
    assert picture(url.partition(",")[2]).format == "PNG"
    assert message["content"]


def test_what_a_picture_shows_is_said(client: openai.OpenAI) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(buffer, "PNG")
    url = "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
    content: Any = [
        {"type": "input_text", "text": "What is in this picture?"},
        {"type": "input_image", "image_url": url, "detail": "auto"},
    ]
    response = client.responses.create(model="medley", input=[{"role": "user", "content": content}])
    assert (response.status, bool(response.output_text)) == ("completed", True)


def test_an_answer_is_spoken(client: openai.OpenAI) -> None:
    found = client.chat.completions.create(
        model="starter/hub",
        messages=[{"role": "user", "content": "Say hello."}],
        modalities=["text", "audio"],
        audio={"voice": "alloy", "format": "mp3"},
        max_completion_tokens=12,
    )
    spoken = found.choices[0].message.audio
    assert spoken is not None
    recipe = json.loads(notes_in(io.BytesIO(base64.b64decode(spoken.data))))
    assert (recipe["tool"], recipe["words"]) == ("speak", spoken.transcript)
    assert spoken.transcript

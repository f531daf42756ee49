"""OpenAI's own client against a running API, with a worker of the hub lane beside it: tiny hubs of
random weights, one of which sees, so shapes are tested and never what is said.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openai
import pytest

from api.main import create_app
from medley.settings import Settings
from tests.flow.api_world import served
from tests.flow.hub_world import HubWorld, hub_world
from tests.tiny.multimodal import MULTIMODAL

CHATTY = """
[[model]]
id = "tiny"
backend = "transformers"
tools = ["plan", "answer", "chat", "describe"]
source = "{folder}"
rank = -1
[model.options]
max_words = 6
max_steps = 2

[[model]]
id = "seeing"
backend = "multimodal"
tools = ["chat", "describe"]
source = "{seeing}"
rank = 9
[model.reads]
"describe.media" = ["image"]
"""


@dataclass
class OpenAiWorld:
    """The client, and the world around it."""

    client: openai.OpenAI
    url: str
    hub: HubWorld
    working: threading.Event  # set: the worker works


@contextmanager
def openai_world(settings: Settings, folder: Path) -> Iterator[OpenAiWorld]:
    """Such a world, alive while the block runs."""
    eyes = folder / "seeing"
    eyes.mkdir()
    MULTIMODAL["llava"](eyes)
    known = CHATTY.replace("{seeing}", str(eyes))
    with hub_world(settings, folder, known) as hub, served(create_app(hub.settings)) as url:
        stop, working = threading.Event(), threading.Event()
        working.set()

        def work() -> None:
            while not stop.wait(0.02):
                if working.wait(0.2):
                    hub.runner.drain("hub")

        worker = threading.Thread(target=work)
        worker.start()
        client = openai.OpenAI(base_url=f"{url}/v1", api_key="-", max_retries=0, timeout=120)
        try:
            yield OpenAiWorld(client, url, hub, working)
        finally:
            client.close()
            stop.set()
            worker.join(60)


@pytest.fixture(scope="module")
def world(
    tmp_path_factory: pytest.TempPathFactory, module_database_url: str, valkey: Any
) -> Iterator[OpenAiWorld]:
    """One such world for the tests of a file."""
    folder = tmp_path_factory.mktemp("openai")
    settings = Settings(
        home=folder, database_url=module_database_url, redis_url=valkey.url, lease_ttl_s=4.0
    )
    with openai_world(settings, folder) as opened:
        yield opened


@pytest.fixture
def client(world: OpenAiWorld) -> openai.OpenAI:
    """The client of the file's world, with the worker at work."""
    world.working.set()
    return world.client

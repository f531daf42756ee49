"""The bundled hub: the demo's request, an answer in Chinese, and its size."""

from pathlib import Path
from typing import Any

import pytest

from hub.local import LocalHub
from medley.backend import ModelSpec, Request
from medley.toolset import toolbox
from starter.hub_eval import WEIGHTS, signature
from tests.contract.hub_fixtures import Recorder

DEMO = "What is in the picture, and what do you hear? Then draw what you hear."


@pytest.fixture(scope="module")
def hub() -> LocalHub:
    """The bundled weights, in memory."""
    loaded = LocalHub()
    loaded.load(ModelSpec(id="h", backend="", tools=LocalHub.tools, source=str(WEIGHTS)), "cpu")
    return loaded


def plan(hub: LocalHub, words: str, *modalities: str) -> list[dict[str, Any]]:
    """The steps it plans."""
    assets = [{"id": f"a{k}", "modality": kind} for k, kind in enumerate(modalities, 1)]
    task = {"request": words, "assets": assets, "tools": list(toolbox().planned())}
    request = Request(tool="plan", inputs={"task": task}, params={})
    (result,) = hub.run([request], Recorder(Path()))
    steps: list[dict[str, Any]] = result.outputs["plan"]["steps"]
    return steps


def step(number: int, tool: str, port: str, asset: str) -> dict[str, Any]:
    """A step on one asset."""
    return {"id": f"s{number}", "tool": tool, "inputs": {port: {"asset": asset}}}


def test_the_demo_request_becomes_two_descriptions_and_a_drawing(hub: LocalHub) -> None:
    wanted = [
        step(1, "describe", "media", "a1"),
        step(2, "describe", "media", "a2"),
        step(3, "embedding_to_image", "embedding", "a2"),
    ]
    assert signature(plan(hub, DEMO, "image", "audio")) == signature(wanted)


def test_words_to_draw_are_quoted_from_the_request(hub: LocalHub) -> None:
    (drawn,) = plan(hub, "画一只猫")
    assert drawn["tool"] == "text_to_image"
    assert drawn["inputs"]["prompt"]["text"] in "画一只猫"


def test_a_chinese_request_is_answered_in_chinese(hub: LocalHub) -> None:
    said = {
        "id": "s1",
        "tool": "describe",
        "status": "succeeded",
        "about": {"media": "a1"},
        "text": "这是猫。",
    }
    failed = {"id": "s2", "tool": "speak", "status": "failed", "error": "没有声音"}
    facts = {"request": "图里是什么？念给我听", "steps": [said, failed]}
    request = Request(tool="answer", inputs={"facts": facts}, params={})
    (result,) = hub.run([request], Recorder(Path()))
    assert "这是猫。" in result.outputs["reply"]["text"]
    assert "成功" in result.outputs["reply"]["text"] or "没有" in result.outputs["reply"]["text"]


def test_the_bundled_hub_stays_small() -> None:
    size = sum(path.stat().st_size for path in WEIGHTS.rglob("*.safetensors"))
    assert size <= 8_400_000

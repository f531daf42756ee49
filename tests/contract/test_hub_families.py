"""Text hubs of many families: whatever the weights, every plan and every reply is valid."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.local import LocalHub
from medley.backend import ModelSpec, Request
from medley.errors import Unavailable, UnsafeWeights
from medley.gate import parse_plan
from medley.tasks import ReplyDraft
from tests.contract.hub_fixtures import Recorder, facts, plan_request
from tests.tiny.hubs import TEXT

OPTIONS = {"max_words": 24, "max_steps": 2}


def spec(folder: Path) -> ModelSpec:
    return ModelSpec(
        id="tiny", backend="transformers", tools=LocalHub.tools, source=str(folder), options=OPTIONS
    )


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """More threads only wait for each other in so small a model."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("family", TEXT)
def test_a_family_plans_and_answers(family: str, tmp_path: Path) -> None:
    TEXT[family](tmp_path)
    hub = LocalHub()
    hub.load(spec(tmp_path), "cpu")
    # A fault in the task makes a repair of it: drawn by a seed, not chosen.
    plan = plan_request("draw a red cat", seed=1, tools=["resize"], faults=[{}])
    less = facts() | {"faults": ["Say less."], "steps": facts()["steps"][1:2]}
    reply = Request(tool="answer", inputs={"facts": less}, params={}, seed=3)
    planned, replied = together = hub.run([plan, reply], Recorder(tmp_path))
    assert [result.error for result in together] == [None, None]
    parse_plan(planned.outputs["plan"])
    ReplyDraft.model_validate(replied.outputs["reply"])
    hub.unload()


def test_what_is_no_checkpoint_of_a_text_hub_is_unavailable(tmp_path: Path) -> None:
    hub = LocalHub()
    with pytest.raises(Unavailable, match="not at"):
        hub.load(spec(tmp_path / "nowhere"), "cpu")
    (tmp_path / "pytorch_model.bin").write_bytes(b"\x80\x04N.")
    with pytest.raises(UnsafeWeights, match="pickle"):
        hub.load(spec(tmp_path), "cpu")
    (tmp_path / "pytorch_model.bin").unlink()
    (tmp_path / "config.json").write_text('{"model_type": "clip_vision_model"}')
    with pytest.raises(Unavailable):
        hub.load(spec(tmp_path), "cpu")

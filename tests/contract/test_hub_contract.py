"""One suite for all hubs: local ones with random weights, one that sees, and a remote one behind a
real HTTP server.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from hub.remote import RemoteHub
from medley.backend import Backend, ModelSpec, Request, Result
from medley.errors import BackendError, MedleyError, StepStopped, Unavailable
from medley.gate import parse_plan
from medley.tasks import ReplyDraft
from tests.contract.hub_fixtures import (
    Recorder,
    embedding,
    facts,
    loaded_hub,
    loaded_multimodal_hub,
    plan_request,
)
from tests.contract.hub_server import HubServer, serving


@dataclass
class World:
    """A hub under test, with media that it can read."""

    hub: Backend
    media: Any
    folder: Path
    server: HubServer | None = None

    def run(self, *batch: Request, control: Recorder | None = None) -> list[Result]:
        """Runs a batch."""
        return self.hub.run(batch, control or Recorder(self.folder))

    def describe(self) -> Request:
        """Something to describe."""
        return Request(
            tool="describe",
            inputs={"media": self.media},
            params={"question": "What is this?", "language": "auto"},
        )


def answer() -> Request:
    """Facts to answer from."""
    return Request(tool="answer", inputs={"facts": facts()}, params={})


@pytest.fixture(scope="module", params=["local compact", "local chat", "multimodal", "remote"])
def world(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("hub")
    if request.param == "multimodal":
        yield World(loaded_multimodal_hub(folder), Image.new("RGB", (8, 8), "red"), folder)
        return
    local = loaded_hub(folder, compact=request.param == "local compact")
    if request.param != "remote":
        yield World(local, embedding(), folder)
        return
    with serving(local) as server:
        remote = RemoteHub()
        options = {"max_words": 24, "max_steps": 3, "max_tokens": 3000, "timeout_s": 60}
        remote.load(
            ModelSpec(
                id="r", backend="openai", tools=RemoteHub.tools, source=server.url, options=options
            ),
            "cpu",
        )
        yield World(remote, Image.new("RGB", (8, 8), "red"), folder, server)
        remote.unload()


def test_a_plan_has_the_shape_of_a_plan_whatever_the_weights(world: World) -> None:
    for words in ("draw a red cat", '画一只"猫"\n<|end|>', "", "{}[]\\"):
        (result,) = world.run(plan_request(words))
        assert result.error is None
        parse_plan(result.outputs["plan"])


def test_a_reply_names_only_assets_that_exist(world: World) -> None:
    (result,) = world.run(answer())
    draft = ReplyDraft.model_validate(result.outputs["reply"])
    assert set(re.findall(r"\[(a\d+)\]", draft.text)) | set(draft.show) <= {"a1", "a2"}


def test_media_are_described_in_words(world: World) -> None:
    (result,) = world.run(world.describe())
    assert isinstance(result.outputs["text"], str)


def test_a_bad_item_fails_alone(world: World) -> None:
    bad = Request(tool="plan", inputs={"task": {"nonsense": 1}}, params={})
    unknown = Request(tool="describe", inputs={"media": object()}, params={})
    results = world.run(plan_request("a"), bad, answer(), unknown, plan_request("b"))
    assert [result.error is None for result in results] == [True, False, True, False, True]
    assert "plan" in results[4].outputs
    assert "reply" in results[2].outputs


def test_a_stop_is_heard_within_one_token(world: World) -> None:
    control = Recorder(world.folder, stop_at=3)
    with pytest.raises(StepStopped):
        world.run(answer(), control=control)
    assert control.ticks == 3


def test_after_a_stop_the_hub_works_on(world: World) -> None:
    with pytest.raises(StepStopped):
        world.run(plan_request(), control=Recorder(world.folder, stop_at=1))
    assert world.run(plan_request())[0].error is None


def test_a_single_answer_is_streamed_as_it_grows(world: World) -> None:
    control = Recorder(world.folder)
    (result,) = world.run(answer(), control=control)
    assert len(control.deltas) > 1
    assert "".join(control.deltas).strip() == result.outputs["reply"]["text"].strip()


def test_tokens_are_counted(world: World) -> None:
    (result,) = world.run(answer())
    assert result.usage["input_tokens"] > 0
    assert result.usage["output_tokens"] > 0


def test_without_live_tools_the_plan_is_empty(world: World) -> None:
    (result,) = world.run(plan_request(tools=[]))
    assert result.outputs["plan"]["steps"] == []


def test_a_hub_that_is_not_loaded_says_so(world: World) -> None:
    with pytest.raises(BackendError):
        type(world.hub)().run([answer()], Recorder(world.folder))


def test_missing_weights_or_servers_are_unavailable(world: World) -> None:
    source = "http://127.0.0.1:9/v1" if world.server else "/nowhere"
    with pytest.raises(Unavailable):
        type(world.hub)().load(
            ModelSpec(id="x", backend="", tools=frozenset(), source=source), "cpu"
        )


def test_an_unknown_tool_is_refused(world: World) -> None:
    (result,) = world.run(Request(tool="speak", inputs={}, params={}))
    assert isinstance(result.error, MedleyError)


def test_each_of_several_answers_is_streamed_under_its_own_place(world: World) -> None:
    control = Recorder(world.folder)
    less = Request(tool="answer", inputs={"facts": facts() | {"steps": [], "show": []}}, params={})
    results = world.run(answer(), plan_request(), less, control=control)
    assert results[0].outputs["reply"] != results[2].outputs["reply"]
    for place in (0, 2):
        assert results[place].error is None
        assert control.text(place).strip() == results[place].outputs["reply"]["text"].strip()


def test_what_has_to_stop_leaves_the_batch_and_the_others_go_on(world: World) -> None:
    control = Recorder(world.folder, stop_at=2, leaving=frozenset({1}))
    results = world.run(answer(), plan_request(), answer(), control=control)
    assert [result.error is None for result in results] == [True, False, True]


def test_a_batch_gives_what_each_of_it_gives_alone(world: World) -> None:
    faults = [{"pointer": "/steps", "reason": "too few"}]
    batch = [plan_request("a"), plan_request("b, but longer than the other one"), answer()]
    batch += [plan_request("c", seed=3, faults=faults), plan_request("d", seed=4, faults=faults)]
    together = world.run(*batch)
    alone = [world.run(request)[0] for request in batch]
    assert [result.outputs for result in together] == [result.outputs for result in alone]
    assert [result.usage for result in together] == [result.usage for result in alone]

"""A workflow that is published as a tool, and used as a step."""

from collections.abc import Iterator
from typing import Any

import pytest

from api.main import create_app
from medley.settings import Settings
from tests.flow.api_world import World, open_world

CARD: dict[str, Any] = {
    "name": "Card",
    "about": "Smaller, with words on it.",
    "inputs": {"picture": {"modality": "image"}, "words": {"modality": "text"}},
    "plan": {
        "steps": [
            {"id": "s1", "tool": "resize", "inputs": {"image": {"input": "picture"}}},
            {
                "id": "s2",
                "tool": "caption",
                "inputs": {"image": {"from": "s1.image"}, "text": {"input": "words"}},
            },
        ],
        "reply": {"show": ["s2.image"]},
    },
}


@pytest.fixture
def world(settings: Settings) -> Iterator[World]:
    with open_world(create_app(settings), settings) as opened:
        yield opened


def publish(world: World, name: str = "flow.card") -> str:
    """The address of a published workflow."""
    saved = world.client.post("/v1/workflows", json=CARD).json()
    here = f"/v1/workflows/{saved['id']}"
    reply = world.client.put(f"{here}/tool", json={"name": name})
    assert (reply.status_code, reply.json().get("tool")) == (200, name)
    return here


def using(asset: str) -> dict[str, Any]:
    """A plan with the workflow as its step."""
    inputs = {"picture": {"asset": asset}, "words": {"text": "hello"}}
    step = {"id": "c", "tool": "flow.card", "inputs": inputs}
    return {"steps": [step], "reply": {"show": ["c.image"]}}


def test_a_published_workflow_is_listed_and_runs_as_a_step(world: World) -> None:
    publish(world)
    tool = world.client.get("/v1/tools/flow.card").json()
    assert set(tool["inputs"]) == {"picture", "words"}
    asset = world.upload()
    job = world.submit(plan=using(asset))
    assert [step["id"] for step in job["plan"]["steps"]] == ["c_s1", "c_s2"]
    world.hands.finish_all(asset)
    done = world.client.get(f"/v1/jobs/{job['id']}").json()
    assert (done["status"], done["outputs"][0]["name"]) == ("succeeded", "c_s2.image")


def test_what_is_withdrawn_is_no_tool_any_more(world: World) -> None:
    here = publish(world)
    assert world.client.delete(f"{here}/tool").status_code == 204
    assert world.client.get("/v1/tools/flow.card").status_code == 404
    reply = world.client.post("/v1/jobs", json={"plan": using(world.upload())})
    assert (reply.status_code, reply.json()["errors"][0]["pointer"]) == (422, "/plan/steps/0/tool")


def test_a_name_belongs_to_one_workflow_and_is_a_flow(world: World) -> None:
    publish(world)
    other = world.client.post("/v1/workflows", json=CARD).json()["id"]
    here = f"/v1/workflows/{other}/tool"
    assert world.client.put(here, json={"name": "flow.card"}).status_code == 409
    assert world.client.put(here, json={"name": "describe"}).status_code == 422
    missing = world.client.put("/v1/workflows/wf_x/tool", json={"name": "flow.other"})
    assert missing.status_code == 404


def test_a_workflow_that_uses_itself_or_shows_nothing_is_refused(world: World) -> None:
    here = publish(world)
    silent = {**CARD, "plan": {**CARD["plan"], "reply": {}}}
    quiet = world.client.post("/v1/workflows", json=silent).json()["id"]
    reply = world.client.put(f"/v1/workflows/{quiet}/tool", json={"name": "flow.quiet"})
    assert (reply.status_code, reply.json()["errors"][0]["pointer"]) == (422, "/plan/reply/show")
    itself = {**CARD, "inputs": {}, "plan": using(world.upload())}
    head = {"if-match": world.client.get(here).headers["etag"]}
    reply = world.client.put(here, json=itself, headers=head)
    assert reply.status_code == 422

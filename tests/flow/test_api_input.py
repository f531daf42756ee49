"""A job that asks back: it waits with a question, is answered, and goes on."""

from collections.abc import Iterator
from typing import Any

import pytest

from api.main import create_app
from medley.settings import Settings
from tests.flow.api_world import World, open_world, png


@pytest.fixture
def world(settings: Settings) -> Iterator[World]:
    with open_world(create_app(settings), settings) as opened:
        yield opened


def asking(world: World, **body: Any) -> dict[str, Any]:
    """A job whose hub has asked, as the caller sees it."""
    job = world.submit(input="Draw my favourite animal", **body)
    world.hands.finish(world.hands.take("hub"), question="Which animal is that?")
    found: dict[str, Any] = world.client.get(f"/v1/jobs/{job['id']}").json()
    return found


def test_a_question_is_shown_and_its_answer_makes_the_hub_plan_again(world: World) -> None:
    job = asking(world)
    assert job["status"] == "waiting"
    assert job["waiting_for"] == {"what": "input", "question": "Which animal is that?"}
    reply = world.client.post(job["urls"]["input"], json={"input": "A cat."})
    assert (reply.status_code, reply.json()["status"]) == (200, "running")
    assert reply.json()["waiting_for"] is None
    assert world.hands.take("hub").step == "plan2"
    assert world.client.post(job["urls"]["input"], json={"input": "A dog."}).status_code == 409


def test_an_answer_may_bring_files(world: World) -> None:
    job = asking(world)
    reply = world.client.post(
        job["urls"]["input"], data={"input": "This one."}, files={"file": ("cat.png", png())}
    )
    assert reply.status_code == 200
    assert len(world.client.get("/v1/assets").json()["data"]) == 1


def test_a_conversation_holds_the_question_and_the_answer(world: World) -> None:
    talk = world.client.post("/v1/conversations", json={}).json()["id"]
    job = asking(world, conversation=talk)
    world.client.post(job["urls"]["input"], json={"input": "A cat."})
    said = world.client.get(f"/v1/conversations/{talk}/items").json()["data"]
    words = [message["parts"][0]["text"] for message in said]
    assert words[0] == "Draw my favourite animal"
    assert words[-1] == "A cat."


@pytest.mark.parametrize(
    ("body", "status"),
    [({"input": ""}, 422), ({}, 422), ({"input": [{"type": "asset", "asset": "asset_x"}]}, 422)],
)
def test_an_answer_that_says_nothing_changes_nothing(
    world: World, body: dict[str, Any], status: int
) -> None:
    job = asking(world)
    assert world.client.post(job["urls"]["input"], json=body).status_code == status
    assert world.client.get(job["urls"]["self"]).json()["status"] == "waiting"


def test_a_job_that_asks_is_not_approved_but_can_be_canceled(world: World) -> None:
    job = asking(world)
    assert world.client.post(job["urls"]["approve"]).status_code == 409
    assert world.client.post(job["urls"]["cancel"]).json()["status"] == "canceled"
    assert world.client.post(job["urls"]["input"], json={"input": "A cat."}).status_code == 409


def test_a_job_that_asked_nothing_takes_no_answer(world: World) -> None:
    job, _ = world.plan_job(options={"approve": "plan"})
    assert job["waiting_for"] == {"what": "approval", "question": None}
    assert world.client.post(job["urls"]["input"], json={"input": "A cat."}).status_code == 409
    assert world.client.post("/v1/jobs/job_x/input", json={"input": "A cat."}).status_code == 404

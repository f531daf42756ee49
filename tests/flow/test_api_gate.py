"""The gate over HTTP: each kind of fault comes back with its place, a reason and what to do."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from api.main import create_app
from medley.settings import Settings
from orchestrator.database import transaction
from orchestrator.engine import Commit, commit_step
from tests.flow.api_world import World, caption_plan, open_world

PRIVATE_VOICE = """
[[model]]
id = "private/voice"
backend = "espeak"
tools = ["speak"]
licence = "CC-BY-NC-4.0"
commercial = false
rank = -1

[[model]]
id = "espeak-ng"
backend = "espeak"
tools = []
"""


@pytest.fixture
def world(settings: Settings) -> Iterator[World]:
    with open_world(create_app(settings), settings) as opened:
        yield opened


def step(step_id: str, tool: str, params: dict[str, Any] | None = None, **inputs: Any) -> Any:
    return {"id": step_id, "tool": tool, "inputs": inputs, "params": params or {}}


def refusal(world: World, steps: list[Any], **options: Any) -> dict[str, str]:
    """The first fault of a dry run."""
    body = {"plan": {"steps": steps}, "options": options}
    reply = world.client.post("/v1/plans", json=body)
    assert (reply.status_code, reply.json()["code"]) == (422, "invalid_plan"), reply.text
    for fault in reply.json()["errors"]:
        assert all(fault[name] for name in ("pointer", "reason", "suggestion"))
    first: dict[str, str] = reply.json()["errors"][0]
    return first


DRAW = step("s1", "text_to_image", prompt="a cat")
CHAIN = [DRAW, *(step(f"s{n}", "rotate", image={"from": f"s{n - 1}.image"}) for n in range(2, 18))]
READERS = [DRAW, *(step(f"s{n}", "rotate", image={"from": "s1.image"}) for n in range(2, 35))]


@pytest.mark.parametrize(
    ("steps", "options", "pointer", "reason", "suggestion"),
    [
        ([step("s1", "text2image", prompt="x")], {}, "/steps/0/tool", "no tool", "text_to_image"),
        ([step("s1", "plan", task="x")], {}, "/steps/0/tool", "may not", "Leave"),
        ([step("s1", "waveform", audio="x")], {}, "/steps/0/inputs/audio", "Got text", "speak"),
        ([step("s1", "speak")], {}, "/steps/0/inputs", "missing", "What to say"),
        (
            [step("s1", "speak", text={"from": "s9.text"})],
            {}, "/steps/0/inputs/text", "no step", "s1",
        ),
        (
            [step("s0", "rotate", image={"from": "s1.image"}), DRAW],
            {}, "/steps/0/inputs/image", "comes later", "before",
        ),
        (
            [
                step("s1", "rotate", image={"from": "s2.image"}),
                step("s2", "rotate", image={"from": "s1.image"}),
            ],
            {}, "/steps", "circle", "earlier",
        ),
        (
            [step("s1", "text_to_image", {"steps": 999}, prompt="x")],
            {}, "/steps/0/params/steps", "less than or equal to 150", "smaller",
        ),
        (
            [step("s1", "text_to_image", {"stepz": 9}, prompt="x")],
            {}, "/steps/0/params/stepz", "no such parameter", "steps",
        ),
        ([DRAW, step("s2", "speak", text="x")], {"max_steps": 1}, "/steps", "2 steps", "fewer"),
        (
            [step("s1", "embedding_to_image", embedding="x")],
            {"max_steps": 1}, "/steps", "with the embeddings", "fewer",
        ),
        (CHAIN, {}, "/steps", "17 steps in a row", "side by side"),
        (READERS, {}, "/steps/0", "33 steps read", "fewer"),
        (
            [DRAW, step("s2", "collage", images=[{"from": "s1.image"}] * 17)],
            {}, "/steps/1/inputs/images", "1 to 16", "shorter",
        ),
        (
            [step("s1", "resize", image={"asset": "asset_" + "0" * 32})],
            {}, "/steps/0/inputs/image", "no asset", "none",
        ),
        (
            [step("s1", "resize", image={"asset": "http://169.254.169.254/latest"})],
            {}, "/steps/0/inputs/image", "no asset", "none",
        ),
        (
            [{**DRAW, "model": "starter/hub"}],
            {}, "/steps/0/model", "does not serve", "starter/generator",
        ),
    ],
)  # fmt: skip
def test_a_fault_has_its_place_a_reason_and_a_suggestion(
    world: World,
    steps: list[Any],
    options: dict[str, Any],
    pointer: str,
    reason: str,
    suggestion: str,
) -> None:
    fault = refusal(world, steps, **options)
    assert fault["pointer"] == f"/plan{pointer}"
    assert reason in fault["reason"]
    assert suggestion in fault["suggestion"]


def test_a_plan_of_another_shape_is_told_what_to_do(world: World) -> None:
    odd = {"steps": [{"id": "s1", "tool": "speak", "inputs": {"text": {"url": "http://x"}}}]}
    reply = world.client.post("/v1/plans", json={"plan": odd})
    assert reply.status_code == 422
    assert all(fault["suggestion"] for fault in reply.json()["errors"])


def test_a_tool_that_no_live_worker_serves_is_refused_while_others_work(world: World) -> None:
    plan = {"steps": [DRAW]}
    assert world.client.post("/v1/plans", json={"plan": plan}).status_code == 200
    with transaction(world.hands.db) as conn:
        conn.execute(
            "INSERT INTO workers (id, lanes, tools) VALUES ('w', '[]', %s)",
            [json.dumps(["resize@1", "embed@1", "embedding_to_image@1"])],
        )
    fault = refusal(world, [DRAW])
    assert fault["reason"] == "No live worker serves 'text_to_image' now."
    assert "'embedding_to_image' can be used" in fault["suggestion"]
    # A job may be given early: it waits for its worker.
    assert world.client.post("/v1/jobs", json={"plan": plan}).status_code == 202


def test_a_model_that_may_not_be_used_commercially_is_named(settings: Settings) -> None:
    folder = settings.home / "models"
    folder.mkdir()
    (folder / "private.toml").write_text(PRIVATE_VOICE)
    speak = [step("s1", "speak", text="hello")]
    here = settings.model_copy(update={"model_folder": folder})
    with open_world(create_app(here), here) as world:
        assert world.client.post("/v1/plans", json={"plan": {"steps": speak}}).status_code == 200
        fault = refusal(world, speak, commercial_only=True)
    assert "private/voice (CC-BY-NC-4.0)" in fault["reason"]
    everywhere = here.model_copy(update={"commercial_only": True})
    with open_world(create_app(everywhere), everywhere) as world:
        assert "private/voice (CC-BY-NC-4.0)" in refusal(world, speak)["reason"]


def test_gpu_seconds_are_held_against_what_earlier_runs_took(world: World) -> None:
    asset = world.upload()
    part = {"type": "asset", "asset": asset, "modality": "image", "media_type": "image/png"}
    plan = caption_plan(asset)
    never_ran = world.client.post(
        "/v1/plans", json={"plan": plan, "options": {"max_gpu_seconds": 0.1}}
    )
    for _ in range(3):
        world.submit(plan=plan)
        for _ in range(2):
            lease = world.hands.take()
            done = Commit(outputs={"image": part}, usage={"gpu_seconds": 4.0})
            with transaction(world.hands.db) as conn:
                commit_step(conn, world.hands.name, lease, done)
    fault = refusal(world, plan["steps"], max_gpu_seconds=7.5)
    enough = world.client.post("/v1/plans", json={"plan": plan, "options": {"max_gpu_seconds": 8}})
    assert (never_ran.status_code, enough.status_code) == (200, 200)
    assert fault["pointer"] == "/plan/steps"
    assert "About 8.0 GPU seconds" in fault["reason"]
    assert "s1 (resize)" in fault["suggestion"]


def test_a_job_that_took_more_gpu_seconds_than_it_may_is_stopped(world: World) -> None:
    job, asset = world.plan_job(options={"max_gpu_seconds": 1})
    part = {"type": "asset", "asset": asset, "modality": "image", "media_type": "image/png"}
    world.hands.finish(world.hands.take(), outputs={"image": part}, usage={"gpu_seconds": 2.0})
    stopped = world.client.get(f"/v1/jobs/{job['id']}").json()
    assert (stopped["status"], stopped["error"]["code"]) == ("failed", "budget_exceeded")


def test_the_token_budget_of_a_job_stands_in_its_recipe(world: World) -> None:
    asset = world.upload()
    plan = {"steps": [step("s1", "describe", media={"asset": asset})]}
    job = world.submit(plan=plan, options={"max_output_tokens": 25})
    (described,) = [item for item in job["plan"]["steps"] if item["tool"] == "describe"]
    assert described["params"] == {"max_tokens": 25}
    raised = {"steps": [step("s1", "describe", {"max_tokens": 9000}, media={"asset": asset})]}
    job = world.submit(plan=raised, options={"max_output_tokens": 25})
    (described,) = [item for item in job["plan"]["steps"] if item["tool"] == "describe"]
    assert described["params"] == {"max_tokens": 25}


def test_an_edited_plan_may_not_take_the_name_of_the_jobs_own_steps(world: World) -> None:
    asset = world.upload()
    job = world.submit(input="Caption it", options={"approve": "plan"})
    lease = world.hands.take("hub")
    plan = caption_plan(asset)
    world.hands.finish(lease, outputs={"plan": {"type": "data", "data": plan}}, plan=plan)
    edited = {"steps": [{**plan["steps"][0], "id": "answer"}]}
    reply = world.client.patch(f"/v1/jobs/{job['id']}/plan", json={**edited, "reply": None})
    assert (reply.status_code, reply.json()["code"]) == (422, "invalid_plan")
    assert reply.json()["errors"][0]["pointer"] == "/plan/steps/0/id"

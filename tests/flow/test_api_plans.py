"""A plan as an object of its own: it waits, is edited, checked again, kept, approved, foreseen."""

from collections.abc import Iterator
from typing import Any

import pytest

from api.main import create_app
from medley.settings import Settings
from tests.flow.api_world import World, caption_plan, open_world


@pytest.fixture
def world(settings: Settings) -> Iterator[World]:
    with open_world(create_app(settings), settings) as opened:
        yield opened


def waiting(world: World) -> tuple[str, str]:
    """The address of a job that waits at its plan, and its picture."""
    job, asset = world.plan_job(options={"approve": "plan"})
    assert job["status"] == "waiting"
    return f"/v1/jobs/{job['id']}", asset


def test_a_plan_that_waits_can_be_edited_and_exactly_that_runs(world: World) -> None:
    job, asset = world.plan_job(options={"approve": "plan"})
    edited = caption_plan(asset, words="edited")
    reply = world.client.post(f"/v1/jobs/{job['id']}/approve", json={"plan": edited})
    world.hands.finish_all(asset)
    done = world.client.get(f"/v1/jobs/{job['id']}").json()
    assert (job["status"], reply.status_code, done["status"]) == ("waiting", 200, "succeeded")
    assert done["plan"]["steps"][1]["inputs"]["text"] == {"text": "edited"}
    assert world.client.post(f"/v1/jobs/{job['id']}/approve").status_code == 409


def test_an_edited_plan_is_checked_like_any_other(world: World) -> None:
    job, _ = world.plan_job(options={"approve": "plan"})
    plan = {"steps": [{"id": "s1", "tool": "nothing"}]}
    reply = world.client.post(f"/v1/jobs/{job['id']}/approve", json={"plan": plan})
    assert (reply.status_code, reply.json()["code"]) == (422, "invalid_plan")
    assert world.client.get(f"/v1/jobs/{job['id']}").json()["status"] == "waiting"


def test_an_edit_becomes_a_revision_and_all_of_them_are_kept(world: World) -> None:
    here, asset = waiting(world)
    first = world.client.get(f"{here}/plan")
    steps = caption_plan(asset, words="edited")["steps"]
    change = world.client.patch(f"{here}/plan", json={"steps": steps})
    assert (change.status_code, change.headers["etag"]) == (200, '"2"')
    assert change.json()["reply"] == first.json()["reply"]
    kept = world.client.get(f"{here}/plan/revisions").json()["data"]
    words = [item["plan"]["steps"][1]["inputs"]["text"]["text"] for item in kept]
    assert ([item["revision"] for item in kept], words) == ([1, 2], ["hello", "edited"])
    assert world.client.get(f"{here}/plan?revision=1").json() == first.json()
    assert world.client.get(f"{here}/plan?revision=3").status_code == 404
    assert world.client.get(here).json()["status"] == "waiting"


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"steps": [{"id": "s1", "tool": "nothing"}]}, "/plan/steps/0/tool"),
        ({"steps": 7}, "/steps"),
        ({"surprise": 1}, "/surprise"),
        (["steps"], ""),
    ],
)
def test_an_edit_that_cannot_run_changes_nothing(world: World, change: Any, pointer: str) -> None:
    here, _ = waiting(world)
    reply = world.client.patch(f"{here}/plan", json=change)
    assert (reply.status_code, reply.json()["code"]) == (422, "invalid_plan")
    assert reply.json()["errors"][0]["pointer"] == pointer
    assert len(world.client.get(f"{here}/plan/revisions").json()["data"]) == 1


def test_nobody_changes_or_approves_a_plan_that_he_has_not_seen(world: World) -> None:
    here, asset = waiting(world)
    change = {"steps": caption_plan(asset, words="one")["steps"]}
    seen = {"if-match": world.client.get(f"{here}/plan").headers["etag"]}
    replies = [world.client.patch(f"{here}/plan", json=change, headers=seen) for _ in range(2)]
    assert [reply.status_code for reply in replies] == [200, 412]
    stale = world.client.post(f"{here}/approve", json={"revision": 1})
    assert (stale.status_code, stale.json()["code"]) == (412, "revision_moved")
    assert world.client.post(f"{here}/approve", json={"revision": 2}).status_code == 200
    assert world.client.patch(f"{here}/plan", json=change).status_code == 409


def test_what_was_approved_runs_though_everything_was_restarted(settings: Settings) -> None:
    with open_world(create_app(settings), settings) as world:
        here, asset = waiting(world)
        change = {"steps": caption_plan(asset, words="edited")["steps"]}
        assert world.client.patch(f"{here}/plan", json=change).status_code == 200
    with open_world(create_app(settings), settings) as world:
        assert world.client.post(f"{here}/approve", json={"revision": 2}).status_code == 200
    with open_world(create_app(settings), settings) as world:
        world.hands.finish_all(asset)
        done = world.client.get(here).json()
        revisions = world.client.get(f"{here}/plan/revisions").json()["data"]
    assert done["status"] == "succeeded"
    assert done["plan"]["steps"][1]["inputs"]["text"] == {"text": "edited"}
    assert len(revisions) == 2


def test_a_dry_run_tells_which_steps_need_not_run(world: World) -> None:
    asset = world.upload()
    part = {"type": "asset", "asset": asset, "modality": "image", "media_type": "image/png"}
    tried = world.client.post("/v1/plans", json={"plan": caption_plan(asset)}).json()
    assert tried["estimate"]["cached"] == []
    world.submit(plan=tried["plan"])
    for _ in range(2):
        lease = world.hands.take()
        world.hands.finish(lease, outputs={"image": part}, cache_key=world.hands.key(lease))
    again = world.client.post("/v1/plans", json={"plan": caption_plan(asset)}).json()
    assert again["estimate"]["cached"] == ["s1", "s2"]
    assert again["estimate"]["seconds"] == {"p50": 0.0, "p90": 0.0}
    other = world.client.post("/v1/plans", json={"plan": caption_plan(asset, "other")}).json()
    assert other["estimate"]["cached"] == ["s1"]

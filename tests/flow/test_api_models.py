"""Models over HTTP: all that are known, what they are, and whether they serve here."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from api.main import create_app
from medley.settings import Settings
from orchestrator import engine
from orchestrator.database import connect
from orchestrator.engine import Commit, Offer
from tests.flow.api_world import World, open_world
from workers.child import enter, note_model

HUB, CLIP = "starter/hub", "openai/clip-vit-base-patch32"
OWN = """
[[model]]
id = "own/painter"
backend = "diffusers"
tools = ["text_to_image"]
source = "/nowhere"
licence = "CC-BY-NC-4.0"
commercial = false
gated = true
parameters = 4_000_000_000
fidelity = "stand-in"
systems = ["DALL·E", "CogView"]
[model.defaults]
"text_to_image.steps" = 4
[model.ranges]
"text_to_image.steps" = [1, 8]
"""


@pytest.fixture
def world(settings: Settings, tmp_path: Path) -> Iterator[World]:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "own.toml").write_text(OWN)
    own = {"model_folder": tmp_path / "own", "memory_budget_bytes": 4 << 30}
    chosen = settings.model_copy(update=own)
    with open_world(create_app(chosen), chosen) as opened:
        yield opened


def listed(world: World, **query: Any) -> list[str]:
    reply = world.client.get("/v1/models", params={"limit": 1000, **query})
    assert reply.status_code == 200, reply.text
    return [model["id"] for model in reply.json()["data"]]


def announce(settings: Settings, name: str, **row: Any) -> None:
    whole = {"lanes": [], "tools": [], "models": [], "serves": [], "lacks": {}, "facts": {}, **row}
    with connect(str(settings.database_url)) as conn:
        enter(conn, name, whole)


def test_each_model_of_the_list_can_be_asked_for(world: World) -> None:
    models = world.client.get("/v1/models").json()
    assert (models["object"], models["has_more"]) == ("list", False)
    for model in models["data"][:12]:
        assert world.client.get(f"/v1/models/{model['id']}").json() == model
        assert model["object"] == "model"
        assert {"created", "owned_by"} <= set(model)
    assert world.client.get("/v1/models/some/one/else").status_code == 404


def test_a_model_says_what_it_is(world: World) -> None:
    found = world.client.get("/v1/models/own/painter").json()
    assert (found["family"], found["fidelity"]) == ("own", "stand-in")
    assert found["systems"] == ["DALL·E", "CogView"]
    assert (found["licence"], found["commercial"], found["gated"]) == ("CC-BY-NC-4.0", False, True)
    assert found["memory"] == {
        "float32": 16_000_000_000, "bfloat16": 8_000_000_000, "int8": 4_000_000_000
    }  # fmt: skip
    assert (found["takes"], found["gives"]) == (["text"], ["image"])
    steps = found["params"]["text_to_image.steps"]
    assert steps == {"default": 4, "minimum": 1.0, "maximum": 8.0}
    assert (found["serving"], found["here"], found["fits"]) == (True, False, False)
    assert found["status"] == "missing"


def test_a_model_takes_what_it_reads_and_not_all_that_its_tool_takes(world: World) -> None:
    hub = world.client.get(f"/v1/models/{HUB}").json()
    assert (hub["takes"], hub["gives"]) == (["embedding"], ["text"])
    assert (hub["here"], hub["fits"], hub["status"]) == (True, True, "available")


def test_the_filters_can_be_combined(world: World) -> None:
    assert listed(world)[0] != CLIP  # what serves comes first
    assert {HUB, CLIP, "own/painter"} <= set(listed(world))
    serving = listed(world, serving="true")
    assert HUB in serving
    assert CLIP not in serving
    assert CLIP in listed(world, serving="false")
    assert set(listed(world, tool="text_to_image", serving="true")) == {
        "own/painter", "starter/generator"
    }  # fmt: skip
    assert listed(world, system="cogview", serving="true") == ["own/painter"]
    assert listed(world, system="CLIP", serving="true") == []
    assert world.client.get("/v1/models", params={"serving": "maybe"}).status_code == 422


def test_the_list_comes_in_pages(world: World) -> None:
    whole = listed(world)
    found: list[str] = []
    after: dict[str, str] = {}
    for _ in whole:
        reply = world.client.get("/v1/models", params={"limit": 3, **after}).json()
        found += [model["id"] for model in reply["data"]]
        if not reply["has_more"]:
            break
        after = {"after": reply["last_id"]}
    assert found == whole
    assert world.client.get("/v1/models", params={"after": "nobody"}).status_code == 404


def test_what_workers_say_is_told(world: World, settings: Settings) -> None:
    announce(settings, "w1", serves=[HUB], lacks={"own/painter": "Its files are not there."})
    hub = world.client.get(f"/v1/models/{HUB}").json()
    assert (hub["status"], hub["served_by"], hub["workers"]) == ("live", ["w1"], [])
    own = world.client.get("/v1/models/own/painter").json()
    assert (own["status"], own["lacks"]) == ("missing", "Its files are not there.")
    with connect(str(settings.database_url)) as conn:
        note_model(conn, "w1", HUB, "loaded")
    hub = world.client.get(f"/v1/models/{HUB}").json()
    assert (hub["status"], hub["workers"]) == ("loaded", ["w1"])
    announce(settings, "w2", serves=["own/painter"])
    own = world.client.get("/v1/models/own/painter").json()
    assert (own["status"], own["lacks"], own["served_by"]) == ("live", None, ["w2"])
    (worker,) = [w for w in world.client.get("/v1/system").json()["workers"] if w["id"] == "w1"]
    assert (worker["serves"], set(worker["lacks"])) == ([HUB], {"own/painter"})


def test_a_job_whose_only_model_is_missing_is_refused_when_it_is_sent(
    world: World, settings: Settings
) -> None:
    step = {"id": "s1", "tool": "text_to_image", "inputs": {"prompt": "a cat"}}
    pinned = {"plan": {"steps": [{**step, "model": "own/painter"}]}}
    assert world.client.post("/v1/jobs", json=pinned).status_code == 202  # nobody lacks it yet
    lacks = {"own/painter": "Its files are not there."}
    announce(settings, "w1", tools=["text_to_image@1"], serves=["starter/generator"], lacks=lacks)
    reply = world.client.post("/v1/jobs", json=pinned)
    assert reply.status_code == 422
    (fault,) = reply.json()["errors"]
    assert fault["pointer"] == "/plan/steps/0/model"
    assert "medley models pull own/painter" in fault["suggestion"]
    free = world.client.post("/v1/jobs", json={"plan": {"steps": [step]}})
    assert free.status_code == 202
    (planned,) = world.client.get(f"/v1/jobs/{free.json()['id']}").json()["plan"]["steps"]
    assert planned["model"] == "starter/generator"
    announce(settings, "w2", lacks={HUB: "Gone."})
    asked = world.client.post("/v1/jobs", json={"input": "Draw a cat"})
    assert asked.status_code == 503
    assert "medley models pull starter/hub" in asked.json()["detail"]


def test_a_model_is_unloaded_where_it_is_held_and_nowhere_else(
    world: World, settings: Settings
) -> None:
    encoder = "starter/encoder"
    free = world.client.post(f"/v1/models/{encoder}/unload").json()
    assert (free["status"], free["answer"]["text"]) == (
        "succeeded", f"No worker holds {encoder}: there is nothing to unload."
    )  # fmt: skip
    for name in ("w1", "w2"):
        announce(settings, name, lanes=["encode"], serves=[encoder])
        with connect(str(settings.database_url)) as conn:
            note_model(conn, name, encoder, "loaded")
    asked = world.client.post(f"/v1/models/{encoder}/unload").json()
    offer = Offer(lanes=["encode"], tools=["unload@1"])
    with connect(str(settings.database_url)) as conn:
        for name in ("w1", "w2"):
            (lease,) = engine.claim(conn, name, offer)
            assert lease.job == asked["id"]
            engine.commit_step(conn, name, lease, Commit())
    ended = world.client.get(f"/v1/jobs/{asked['id']}").json()
    assert ended["status"] == "succeeded"
    refused = world.client.post(f"/v1/models/{encoder}/load", params={"workers": 3})
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "too_few_workers")

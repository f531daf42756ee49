"""Tools from outside in the service: all see them, only jobs that name their server use them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from api.main import create_app
from medley.mcp.declaration import Declaration, Parameter
from medley.mcp.listing import Offered
from medley.mcp.snapshot import Server, Snapshot, path_of, remove, save
from medley.settings import Settings
from medley.toolset import installed
from orchestrator.catalogue import load_catalogue
from orchestrator.database import connect
from orchestrator.engine import Offer, claim
from orchestrator.hooks import hooks
from orchestrator.installation import Current, read_served
from tests.flow.api_world import World, open_world
from workers.offering import make_offer

WORDS = Parameter(name="text", kind="string", required=True)
TIMES = Parameter(name="times", kind="integer", low=1, high=3, default=1)
SHOUT = Declaration(name="paint.shout", about="Shouts.", text=WORDS, params=(TIMES,))
STEP: dict[str, Any] = {"id": "s1", "tool": "paint.shout", "inputs": {"text": "hello"}}
PLAN: dict[str, Any] = {"steps": [STEP], "reply": {"show": ["s1.text"]}}
ALLOWED = {"tools_from": ["paint"]}


def put(home: Path, declaration: Declaration = SHOUT) -> None:
    offered = Offered(called="shout", digest="0" * 64, declaration=declaration)
    server = Server(url="http://127.0.0.1:9/mcp", token="secret")
    save(home, Snapshot.of("paint", server, [offered]))


@pytest.fixture
def world(settings: Settings) -> Iterator[World]:
    put(settings.home)
    with open_world(create_app(settings), settings) as opened:
        yield opened


def test_a_tool_from_outside_is_shown_with_its_server(world: World) -> None:
    shown = world.client.get("/v1/tools/paint.shout").json()
    assert (shown["server"], shown["models"], shown["live"]) == ("paint", ["mcp/paint"], False)
    assert shown["params"]["properties"]["times"]["maximum"] == 3
    assert "server" not in world.client.get("/v1/tools/resize").json()


def test_a_plan_may_use_it_only_when_the_job_names_its_server(world: World) -> None:
    refused = world.client.post("/v1/jobs", json={"plan": PLAN})
    assert refused.status_code == 422
    (fault,) = refused.json()["errors"]
    assert fault["pointer"] == "/plan/steps/0/tool"
    assert '["paint"]' in fault["suggestion"]
    job = world.submit(plan=PLAN, options=ALLOWED)
    assert job["plan"]["steps"][0]["model"] == "mcp/paint"


def test_its_parameters_are_checked_like_any_others(world: World) -> None:
    wrong = {"steps": [{**STEP, "params": {"times": 4, "loud": True}}]}
    refused = world.client.post("/v1/jobs", json={"plan": wrong, "options": ALLOWED})
    pointers = [fault["pointer"] for fault in refused.json()["errors"]]
    assert pointers == ["/plan/steps/0/params/times", "/plan/steps/0/params/loud"]


@pytest.mark.parametrize("body", [{"plan": PLAN}, {"input": "Shout hello"}])
def test_a_server_that_is_not_attached_cannot_be_named(world: World, body: Any) -> None:
    refused = world.client.post("/v1/jobs", json={**body, "options": {"tools_from": ["bank"]}})
    assert (refused.status_code, refused.json()["code"]) == (422, "server_not_allowed")
    assert refused.json()["errors"][0]["pointer"] == "/options/tools_from"


def test_a_workflow_that_uses_it_is_kept_and_each_run_says_whether_it_may(world: World) -> None:
    saved = world.client.post("/v1/workflows", json={"name": "loud", "plan": PLAN})
    assert saved.status_code == 201, saved.text
    runs = saved.json()["urls"]["runs"]
    assert world.client.post(runs, json={}).status_code == 422
    assert world.client.post(runs, json={"options": ALLOWED}).status_code == 202


@pytest.mark.parametrize("options", [{}, ALLOWED])
def test_the_planner_sees_it_only_when_the_job_names_its_server(
    world: World, options: dict[str, Any]
) -> None:
    tools, models = installed(world.settings), load_catalogue(world.settings)
    world.submit(input="Shout hello", options=options)
    offer = Offer(lanes=["cpu", "hub"], tools=[f"{name}@1" for name in tools])
    assert world.settings.database_url is not None
    with connect(world.settings.database_url) as conn:
        conn.execute(
            "INSERT INTO workers (id, lanes, tools) VALUES ('w', '[]', to_jsonb(%s::text[]))",
            [offer.tools],
        )
        (lease,) = claim(conn, "w", offer)
        prepared = hooks(tools, models)["plan"].prepare(conn, lease, {})
    task = prepared.inputs["task"].data  # type: ignore[union-attr]
    assert ("paint.shout" in task["tools"]) is bool(options)
    assert [item["name"] for item in task["outside"]] == (["paint.shout"] if options else [])


def test_without_an_attached_server_nothing_is_different(settings: Settings) -> None:
    path_of(settings.home, "paint").unlink(missing_ok=True)
    with open_world(create_app(settings), settings) as world:
        names = [tool["name"] for tool in world.client.get("/v1/tools").json()["data"]]
        assert not [name for name in names if "." in name and not name.startswith("test.")]
        refused = world.client.post("/v1/jobs", json={"plan": PLAN})
        assert "no tool" in refused.json()["errors"][0]["reason"]


def test_a_running_service_learns_of_what_is_attached_and_detached(settings: Settings) -> None:
    path_of(settings.home, "paint").unlink(missing_ok=True)
    with open_world(create_app(settings), settings) as world:
        refused = world.client.post("/v1/jobs", json={"plan": PLAN, "options": ALLOWED})
        assert refused.json()["code"] == "server_not_allowed"
        put(settings.home)
        assert world.client.get("/v1/tools/paint.shout").json()["server"] == "paint"
        job = world.submit(plan=PLAN, options=ALLOWED)
        remove(settings.home, "paint")
        refused = world.client.post("/v1/jobs", json={"plan": PLAN, "options": ALLOWED})
        assert (refused.status_code, refused.json()["code"]) == (422, "server_not_allowed")
        assert world.client.get("/v1/tools/paint.shout").status_code == 404
        assert world.client.get(job["urls"]["self"]).json()["status"] == "queued"


def test_a_worker_still_serves_what_was_detached_to_end_it_and_no_plan_uses_it(
    settings: Settings,
) -> None:
    put(settings.home)
    current = Current(settings, read_served)
    assert current.now() is current.now()
    assert current.now().tools["paint.shout"].planned
    remove(settings.home, "paint")
    found = current.now()
    offer, missing = make_offer(settings, found.tools, found.models)
    assert "paint.shout@1" in offer.tools
    assert "mcp/paint" in (offer.models or ())
    assert not missing
    assert "paint.shout" not in found.tools.planned()
    assert "paint.shout" not in installed(settings)
    put(settings.home)
    assert current.now().tools["paint.shout"].planned
    put(settings.home, SHOUT.model_copy(update={"name": "paint.whisper"}))
    found = current.now()
    assert (found.tools["paint.whisper"].planned, found.tools["paint.shout"].planned) == (
        True,
        False,
    )
    assert found.models["mcp/paint"].backend == "mcp"
    assert found.models["mcp/paint"].tools == {"paint.whisper", "paint.shout"}
    (left,) = (settings.home / "mcp" / "withdrawn").iterdir()
    assert "secret" not in left.read_text()


def test_a_broken_snapshot_takes_away_its_own_tools_only(settings: Settings) -> None:
    put(settings.home)
    path_of(settings.home, "paint").write_text("{}")
    path_of(settings.home, "other").symlink_to("/etc/passwd")
    with open_world(create_app(settings), settings) as world:
        assert world.client.get("/v1/tools/paint.shout").status_code == 404
        assert world.client.get("/v1/tools/resize").status_code == 200

"""Workflows, conversations, plans, tools, models and the system over HTTP; and how errors look."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from api.main import create_app
from medley.settings import Settings
from orchestrator.database import connect, create_engine
from orchestrator.engine import NewMessage, NewStep
from tests.flow.api_world import World, caption_plan, open_world, png
from workers.child import enter, note_model
from workers.keeper import ROW


@pytest.fixture
def world(settings: Settings) -> Iterator[World]:
    with open_world(create_app(settings), settings) as opened:
        yield opened


def captioned(**more: Any) -> dict[str, Any]:
    """A workflow with a picture and words as inputs."""
    step = {
        "id": "s1",
        "tool": "caption",
        "inputs": {"image": {"input": "photo"}, "text": {"input": "words"}},
    }
    return {
        "name": "Caption",
        "inputs": {
            "photo": {"modality": "image"},
            "words": {"modality": "text", "default": "hello"},
        },
        "plan": {"steps": [step], "reply": {"show": ["s1.image"]}},
        **more,
    }


def test_a_workflow_has_versions_that_never_change(world: World) -> None:
    first = world.client.post("/v1/workflows", json=captioned())
    here = first.headers["location"]
    put = {"if-match": first.headers["etag"]}
    second = world.client.put(here, json=captioned(name="Other"), headers=put)
    lost = world.client.put(here, json=captioned(name="Third"), headers=put)
    blind = world.client.put(here, json=captioned())
    assert [first.status_code, second.status_code] == [201, 200]
    assert (lost.status_code, lost.json()["code"]) == (412, "version_moved")
    assert blind.status_code == 428
    assert world.client.get(here).json()["name"] == "Other"
    assert world.client.get(f"{here}?version=1").json()["name"] == "Caption"
    assert [item["version"] for item in world.client.get(f"{here}/versions").json()["data"]] == [
        2,
        1,
    ]


def test_a_workflow_that_cannot_run_is_refused_with_its_faults(world: World) -> None:
    broken = captioned()
    broken["plan"]["steps"][0]["inputs"]["text"] = {"input": "nothing"}
    for path in ("/v1/workflows", "/v1/workflows/validate"):
        reply = world.client.post(path, json=broken)
        assert reply.status_code == 422
        assert reply.json()["errors"][0]["pointer"] == "/plan/steps/0/inputs/text"
    odd = captioned(inputs={"photo": {"modality": "smell"}, "words": {"modality": "text"}})
    reply = world.client.post("/v1/workflows/validate", json=odd)
    assert reply.json()["errors"][0]["pointer"] == "/inputs/photo/modality"
    assert world.client.get("/v1/workflows").json()["data"] == []


def test_a_workflow_runs_with_a_file_of_the_same_form(world: World) -> None:
    here = world.client.post("/v1/workflows", json=captioned()).headers["location"]
    assert world.client.post(f"{here}/validate").json()["valid"] is True
    reply = world.client.post(
        f"{here}/runs", data={"request": '{"inputs": {}}'}, files={"photo": ("a.png", png())}
    )
    job = reply.json()
    assert (reply.status_code, job["kind"]) == (202, "workflow")
    assert job["workflow"] == here.rpartition("/")[2]
    inputs = job["plan"]["steps"][0]["inputs"]
    assert inputs["text"] == {"text": "hello"}
    assert inputs["image"]["asset"].startswith("asset_")


@pytest.mark.parametrize(
    ("inputs", "pointer"),
    [
        ({}, "/inputs/photo"),
        ({"photo": "words"}, "/inputs/photo"),
        ({"photo": {"asset": "asset_nowhere"}}, "/inputs/photo"),
        ({"photo": {"file": "nothing"}}, "/inputs/photo"),
        ({"photo": ["a", "b"]}, "/inputs/photo"),
        ({"surprise": "x"}, "/inputs/photo"),
    ],
)
def test_wrong_inputs_of_a_workflow_are_named(
    world: World, inputs: dict[str, Any], pointer: str
) -> None:
    here = world.client.post("/v1/workflows", json=captioned()).headers["location"]
    reply = world.client.post(f"{here}/runs", json={"inputs": inputs})
    assert (reply.status_code, reply.json()["errors"][0]["pointer"]) == (422, pointer)


def test_an_inline_workflow_runs_without_being_saved(world: World) -> None:
    asset = world.upload()
    job = world.submit(workflow=captioned(), inputs={"photo": {"asset": asset}, "words": "hi"})
    assert job["plan"]["steps"][0]["inputs"]["text"] == {"text": "hi"}
    assert world.client.post("/v1/jobs", json={"workflow": "wf_nowhere"}).status_code == 404


def test_a_plan_or_workflow_can_be_tried_without_running(world: World) -> None:
    asset = world.upload()
    reply = world.client.post("/v1/plans", json={"plan": caption_plan(asset)})
    assert reply.status_code == 200
    assert [step["model"] for step in reply.json()["plan"]["steps"]] != [None, None]
    assert reply.json()["estimate"] == {"cached": [], "basis": 0}  # nothing is invented
    assert world.client.get("/v1/jobs").json()["data"] == []


def test_a_free_request_is_planned_by_the_hub_and_nothing_else_runs(world: World) -> None:
    asset = world.upload()
    plan = caption_plan(asset)
    steps = [
        NewStep(id=step["id"], tool=step["tool"], lane="cpu", inputs=step["inputs"])
        for step in ({"id": "s1", "tool": "resize", "inputs": {"image": {"asset": asset}}},)
    ]
    with ThreadPoolExecutor(1) as threads:
        asked = threads.submit(world.client.post, "/v1/plans", json={"input": "Caption it"})
        while not world.client.get("/v1/jobs").json()["data"]:
            pass
        lease = world.hands.take("hub")
        data = {"type": "data", "data": plan}
        world.hands.finish(lease, outputs={"plan": data}, plan=plan, steps=steps)
        reply = asked.result(60)
    assert (reply.status_code, reply.json()["plan"]["steps"][1]["tool"]) == (200, "caption")
    assert world.client.get("/v1/jobs").json()["data"] == []
    assert world.client.get("/v1/system").json()["lanes"]["cpu"]["ready"] == 0


def test_a_dry_run_without_a_hub_gives_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.routes.plans.PATIENCE_S", 0.1)
    reply = world.client.post("/v1/plans", json={"input": "Caption it"})
    assert (reply.status_code, reply.json()["code"]) == (503, "unavailable")
    assert world.client.get("/v1/jobs").json()["data"] == []


def test_an_estimate_rests_on_what_ran_before(world: World) -> None:
    for _ in range(3):
        _, asset = world.plan_job()
        world.hands.finish_all(asset)
    estimate = world.client.post("/v1/plans", json={"plan": caption_plan(asset)}).json()["estimate"]
    assert estimate["basis"] == 6
    assert 0 < estimate["seconds"]["p50"] <= estimate["seconds"]["p90"]


def test_a_conversation_grows_with_its_jobs(world: World) -> None:
    conversation = world.client.post("/v1/conversations", json={"title": "Cats"}).json()["id"]
    first = world.submit(input="A cat", conversation=conversation)
    lease = world.hands.take("hub")
    answer = [{"type": "text", "text": "Here."}]
    world.hands.finish(lease, outputs={"plan": {"type": "data", "data": {}}})
    said = NewMessage(conversation=conversation, parts=answer, parent=first["message"])
    world.hands.finish(world.hands.take("hub"), outputs={"reply": answer}, message=said)
    second = world.submit(input="Another", conversation=conversation)
    forked = world.submit(input="Or a dog", conversation=conversation, parent=first["message"])
    items = world.client.get(f"/v1/conversations/{conversation}/items").json()["data"]
    parents = {item["id"]: item["parent"] for item in items}
    assert [item["role"] for item in items] == ["user", "assistant", "user", "user"]
    assert parents[second["message"]] == items[1]["id"]
    assert parents[forked["message"]] == first["message"]
    done = world.client.get(f"/v1/jobs/{first['id']}").json()
    assert done["answer"] == done["answer"] | {"text": "Here."}


def test_a_conversation_can_be_changed_listed_and_deleted(world: World) -> None:
    made = world.client.post("/v1/conversations").json()
    here = f"/v1/conversations/{made['id']}"
    assert world.client.post(here, json={"title": "New"}).json()["title"] == "New"
    assert [item["id"] for item in world.client.get("/v1/conversations").json()["data"]] == [
        made["id"]
    ]
    job = world.submit(input="x", conversation=made["id"])
    assert world.client.delete(here).status_code == 409
    world.client.post(f"/v1/jobs/{job['id']}/cancel")
    assert world.client.delete(here).status_code == 200
    assert world.client.get(here).status_code == 404
    reply = world.client.post("/v1/jobs", json={"input": "x", "conversation": made["id"]})
    assert reply.status_code == 404


def test_tools_and_models_are_described(world: World) -> None:
    tools = {tool["name"]: tool for tool in world.client.get("/v1/tools").json()["data"]}
    assert tools["resize"]["inputs"]["image"]["modalities"] == ["image"]
    assert tools["resize"]["params"]["properties"]["width"]["anyOf"][0]["maximum"] == 8192
    assert tools["resize"]["live"] is False
    assert world.client.get("/v1/tools/resize").json() == tools["resize"]


def test_the_system_counts_what_is_open(world: World) -> None:
    world.plan_job()
    found = world.client.get("/v1/system").json()
    assert found["jobs"] == {"queued": 1}
    assert found["lanes"]["cpu"]["ready"] == 1
    assert world.client.get("/healthz").json()["status"] == "ok"
    assert world.client.get("/readyz").json()["checks"]["database"] == "ok"


def test_a_hub_that_is_away_is_told_and_does_not_make_the_service_unready(
    settings: Settings,
) -> None:
    remote = {"hub_url": "http://127.0.0.1:9/v1", "hub_fallback": True}
    chosen = settings.model_copy(update=remote)
    with open_world(create_app(chosen), chosen) as world:
        expected = {"model": "remote-hub", "status": "ok", "fallback": "starter/hub"}
        assert world.client.get("/v1/system").json()["hub"] == expected
        with connect(str(settings.database_url)) as conn:
            enter(conn, "w", {**{name: [] for name in ROW}, "lacks": {}, "facts": {}})
            note_model(conn, "w", "remote-hub", "away")
        assert world.client.get("/v1/system").json()["hub"] == {**expected, "status": "away"}
        assert world.client.get("/v1/models/remote-hub").json()["status"] == "away"
        ready = world.client.get("/readyz")
        assert (ready.status_code, ready.json()["checks"]["hub"]) == (200, "away")


def test_without_its_tables_the_service_is_not_ready(
    settings: Settings, empty_database_url: str
) -> None:
    empty = settings.model_copy(update={"database_url": empty_database_url})
    with open_world(create_app(empty), empty) as world:
        reply = world.client.get("/readyz")
        assert reply.status_code == 503
        assert "medley migrate" in reply.json()["checks"]["database"]


def test_without_its_database_the_service_says_so(settings: Settings) -> None:
    gone = settings.model_copy(update={"database_url": "postgresql://x@127.0.0.1:9/x"})
    with open_world(create_app(gone), gone) as world:
        reply = world.client.get("/v1/jobs")
        assert (reply.status_code, reply.json()["code"]) == (503, "unavailable")
        assert reply.headers["retry-after"]


def test_every_error_is_a_problem_for_two_kinds_of_reader(world: World) -> None:
    reply = world.client.get("/v1/jobs/job_nowhere", headers={"x-request-id": "mine-1"})
    problem = reply.json()
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.headers["x-request-id"] == problem["request_id"] == "mine-1"
    assert {"type", "title", "status", "detail", "instance", "code", "errors"} <= problem.keys()
    assert problem["error"] == {
        "message": "There is no job 'job_nowhere'.",
        "type": "invalid_request_error",
        "param": None,
        "code": "not_found",
    }


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/nothing", 404),
        ("POST", "/v1/nothing", 404),
        ("GET", "/nothing.html", 404),
        ("GET", "/v1/jobs/%00", 400),
        ("GET", "/v1/jobs?after=%00", 400),
        ("GET", "/v1/jobs?limit=0", 422),
        ("GET", "/v1/jobs?status=odd", 422),
        ("GET", "/v1/jobs?limit=x", 422),
        ("GET", "/v1/jobs?after=garbage", 422),  # not an empty page, as if all were told
        ("GET", f"/v1/assets?after=job_{'0' * 32}", 422),
    ],
)
def test_what_the_framework_refuses_is_a_problem_too(
    world: World, method: str, path: str, status: int
) -> None:
    reply = world.client.request(method, path)
    assert reply.status_code == status
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.headers["x-request-id"].startswith("req_")


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("DELETE", "/v1/jobs", {"GET", "POST"}),
        ("GET", "/v1/jobs/x/cancel", {"POST"}),
        ("PATCH", "/v1/workflows/x", {"GET", "PUT", "DELETE"}),
        ("POST", "/v1/assets/x/content", {"GET", "HEAD"}),
    ],
)
def test_a_wrong_method_is_told_which_are_allowed(
    world: World, method: str, path: str, allow: set[str]
) -> None:
    reply = world.client.request(method, path)
    assert reply.status_code == 405
    assert reply.headers["content-type"] == "application/problem+json"
    assert set(reply.headers["allow"].split(", ")) == allow


def test_pages_of_other_origins_and_other_names_are_refused(world: World) -> None:
    foreign = world.client.post(
        "/v1/jobs", json={"input": "x"}, headers={"origin": "http://evil.example"}
    )
    renamed = world.client.get("/v1/jobs", headers={"host": "evil.example"})
    own = world.client.post("/v1/jobs", json={"input": "x"}, headers={"origin": "http://127.0.0.1"})
    assert (foreign.status_code, foreign.json()["code"]) == (403, "cross_origin")
    assert (renamed.status_code, renamed.json()["code"]) == (421, "unknown_host")
    assert own.status_code == 202


def test_the_page_is_served_with_a_policy(world: World) -> None:
    page = world.client.get("/")
    script = world.client.get("/main.js")
    assert (page.status_code, script.status_code) == (200, 200)
    assert "default-src 'self'" in page.headers["content-security-policy"]
    again = world.client.get("/main.js", headers={"if-none-match": script.headers["etag"]})
    assert again.status_code == 304


def test_an_own_error_hides_its_inside(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr("orchestrator.overview.live_tools", fail)
    reply = world.client.get("/v1/tools")
    assert (reply.status_code, reply.json()["code"]) == (500, "internal_error")
    assert "secret" not in reply.text


def test_unknown_tenants_see_nothing(world: World, settings: Settings) -> None:
    job, asset = world.plan_job()
    assert settings.database_url is not None
    with create_engine(settings.database_url).begin() as conn:
        for table in ("jobs", "assets"):
            conn.exec_driver_sql(f"UPDATE {table} SET tenant = 'other'")
    for path in (f"/v1/jobs/{job['id']}", f"/v1/assets/{asset}", f"/v1/jobs/{job['id']}/events"):
        assert world.client.get(path).status_code == 404
    assert world.client.post(f"/v1/jobs/{job['id']}/cancel").status_code == 404
    assert world.client.post("/v1/jobs", json={"plan": caption_plan(asset)}).status_code == 422

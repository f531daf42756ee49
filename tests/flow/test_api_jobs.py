"""Jobs over HTTP: asked for in every form, once, watched to their end, stopped, approved, run
again.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import text

from api.main import create_app
from medley.errors import BadInput
from medley.settings import Settings
from orchestrator.janitor import forget_jobs
from tests.flow.api_world import World, caption_plan, open_world, png, wav


@pytest.fixture
def world(settings: Settings) -> Iterator[World]:
    with open_world(create_app(settings), settings) as opened:
        yield opened


def test_words_become_a_job_that_waits_for_the_hub(world: World) -> None:
    reply = world.client.post("/v1/jobs", json={"input": "Draw a cat", "metadata": {"who": "me"}})
    job = reply.json()
    assert reply.status_code == 202
    assert reply.headers["location"] == job["urls"]["self"] == f"/v1/jobs/{job['id']}"
    assert reply.headers["medley-job-id"] == job["id"]
    assert job["input"][0] == job["input"][0] | {"type": "text", "text": "Draw a cat"}
    assert [step["id"] for step in job["plan"]["steps"]] == ["plan", "answer"]
    assert (job["kind"], job["status"], job["metadata"]) == ("request", "queued", {"who": "me"})


def test_a_form_brings_words_and_files_together(world: World) -> None:
    request = '{"input": [{"type": "text", "text": "Mix"}, {"type": "file", "file": "b.wav"}]}'
    files = [("x", ("a.png", png())), ("y", ("b.wav", wav()))]
    job = world.client.post("/v1/jobs", data={"request": request}, files=files).json()
    assert [part.get("modality") for part in job["input"]] == [None, "audio", "image"]


def test_a_part_of_an_answer_can_be_sent_back_as_it_came(world: World) -> None:
    first = world.submit(input=[{"type": "asset", "asset": world.upload()}])
    part = {name: value for name, value in first["input"][0].items() if value is not None}
    assert world.submit(input=[part])["input"] == first["input"]


def test_a_plain_field_and_a_file_are_enough(world: World) -> None:
    files = {"file": ("a.png", png())}
    reply = world.client.post("/v1/jobs", data={"input": "What is it?"}, files=files)
    assert reply.status_code == 202
    assert [part["type"] for part in reply.json()["input"]] == ["text", "asset"]


def test_a_plan_runs_to_its_pictures(world: World) -> None:
    job, asset = world.plan_job()
    world.hands.finish_all(asset)
    done = world.client.get(f"/v1/jobs/{job['id']}").json()
    assert (done["status"], done["progress"]["value"]) == ("succeeded", 1.0)
    assert done["outputs"] == [
        {
            "type": "image",
            "step": "s2",
            "name": "s2.image",
            "asset": asset,
            "content_type": "image/png",
            "url": f"/v1/assets/{asset}/content?recipe=true",
            "text": None,
            "data": None,
        }
    ]
    assert [step["status"] for step in done["plan"]["steps"]] == ["succeeded", "succeeded"]
    assert done["plan"]["steps"][1]["needs"] == ["s1"]


def test_an_impossible_plan_is_refused_with_a_pointer_for_each_fault(world: World) -> None:
    plan = {"steps": [{"id": "s1", "tool": "resizee", "inputs": {}}], "reply": {"show": ["s9.x"]}}
    reply = world.client.post("/v1/jobs", json={"plan": plan})
    problem = reply.json()
    assert (reply.status_code, problem["code"]) == (422, "invalid_plan")
    assert [fault["pointer"] for fault in problem["errors"]] == [
        "/plan/steps/0/tool",
        "/plan/reply/show/0",
    ]
    assert "resize" in problem["errors"][0]["suggestion"]
    assert problem["error"]["param"] == "/plan/steps/0/tool"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, ""),
        ({"input": "x", "plan": {"steps": []}}, ""),
        ({"input": "x", "inputs": {"a": "b"}}, ""),
        ({"input": [{"type": "text"}]}, "/input/0/text"),
        ({"input": [{"type": "smell"}]}, "/input/0"),
        ({"input": [{"type": "asset", "asset": "asset_nowhere"}]}, "/input/0/asset"),
        ({"input": [{"type": "file", "file": "cat"}]}, "/input/0/file"),
        ({"input": "x", "options": {"seed": -1}}, "/options/seed"),
        ({"input": "x", "options": {"approve": "maybe"}}, "/options/approve"),
        ({"input": "x", "surprise": 1}, "/surprise"),
        ({"input": "   "}, "/input"),
        ({"plan": {"steps": []}}, "/plan/steps"),
        ({"plan": {"steps": [{"id": "S 1", "tool": "resize"}]}}, "/plan/steps/0/id"),
    ],
)
def test_a_wrong_request_is_told_where(world: World, body: dict[str, Any], pointer: str) -> None:
    reply = world.client.post("/v1/jobs", json=body)
    assert reply.status_code == 422
    assert reply.json()["errors"][0]["pointer"] == pointer
    assert world.client.get("/v1/jobs").json()["data"] == []


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b'{"input": "a", "input": "b"}',
        b'{"input": NaN}',
        b'{"input": "\\u0000"}',
        b'{"input": "\\ud800"}',
        b'{"input": ' + b"[" * 40 + b"]" * 40 + b"}",
        b"[" * 100_000,
        b'{"options": {"seed": 99999999999999999999}}',
        b"\xff\xfe",
        b'{"input": 1e999}',
    ],
)
def test_json_that_cannot_be_trusted_is_malformed(world: World, body: bytes) -> None:
    headers = {"content-type": "application/json"}
    reply = world.client.post("/v1/jobs", content=body, headers=headers)
    assert (reply.status_code, reply.json()["code"]) == (400, "invalid_json")


def test_a_body_of_another_kind_is_unsupported(world: World) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
        reply = world.client.post("/v1/jobs", content=b"a=b", headers={"content-type": kind})
        assert reply.status_code == 415
    big = b'{"input": "' + b"x" * (2 << 20) + b'"}'
    headers = {"content-type": "application/json"}
    assert world.client.post("/v1/jobs", content=big, headers=headers).status_code == 413


def test_the_same_key_and_request_gives_the_first_answer_again(world: World) -> None:
    key = {"idempotency-key": "one"}
    first = world.client.post("/v1/jobs", json={"input": "a"}, headers=key)
    again = world.client.post("/v1/jobs", json={"input": "a"}, headers=key)
    other = world.client.post("/v1/jobs", json={"input": "b"}, headers=key)
    assert again.json() == first.json()
    assert again.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reuse")
    assert len(world.client.get("/v1/jobs").json()["data"]) == 1


def test_the_same_key_with_another_file_is_another_request(world: World) -> None:
    key = {"idempotency-key": "one"}

    def send(colour: str) -> int:
        files = {"file": ("a.png", png(colour))}
        return world.client.post(
            "/v1/jobs", data={"input": "x"}, files=files, headers=key
        ).status_code

    assert [send("red"), send("red"), send("blue")] == [202, 202, 422]


def test_two_requests_with_one_key_at_once_make_one_job(world: World) -> None:
    def send(_: int) -> str:
        headers = {"idempotency-key": "race"}
        reply = world.client.post("/v1/jobs", json={"input": "a"}, headers=headers)
        return str(reply.json()["id"])

    with ThreadPoolExecutor(8) as threads:
        ids = set(threads.map(send, range(16)))
    assert len(ids) == 1
    assert len(world.client.get("/v1/jobs").json()["data"]) == 1


def test_a_refused_request_does_not_use_up_its_key(world: World) -> None:
    key = {"idempotency-key": "one"}
    refused = world.client.post("/v1/jobs", json={"plan": {"steps": []}}, headers=key)
    accepted = world.client.post("/v1/jobs", json={"input": "a"}, headers=key)
    assert (refused.status_code, accepted.status_code) == (422, 202)


def test_wait_answers_with_the_finished_job(world: World) -> None:
    asset = world.upload()
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(
            world.client.post,
            "/v1/jobs",
            json={"plan": caption_plan(asset)},
            headers={"prefer": "respond-async, wait=30"},
        )
        while not world.client.get("/v1/jobs").json()["data"]:
            pass
        world.hands.finish_all(asset)
        reply = waiting.result(30)
    assert (reply.status_code, reply.json()["status"]) == (200, "succeeded")
    assert reply.headers["preference-applied"] == "wait=30"


def test_wait_gives_up_with_the_job_as_it_stands(world: World) -> None:
    reply = world.client.post("/v1/jobs", json={"input": "a"}, headers={"prefer": "wait=0"})
    assert (reply.status_code, reply.headers["preference-applied"]) == (202, "wait=0")


def test_a_job_that_did_not_change_is_not_sent_again(world: World) -> None:
    job, _ = world.plan_job()
    first = world.client.get(f"/v1/jobs/{job['id']}")
    same = {"if-none-match": first.headers["etag"]}
    assert world.client.get(f"/v1/jobs/{job['id']}", headers=same).status_code == 304
    world.hands.take()
    assert world.client.get(f"/v1/jobs/{job['id']}", headers=same).status_code == 200


def test_the_list_is_filtered_and_goes_on_after_the_last_id(world: World) -> None:
    ids = [world.submit(input=str(number))["id"] for number in range(3)]
    world.client.post(f"/v1/jobs/{ids[0]}/cancel")
    first = world.client.get("/v1/jobs?limit=2").json()
    rest = world.client.get(f"/v1/jobs?limit=2&after={first['last_id']}").json()
    queued = world.client.get("/v1/jobs?status=queued&order=asc").json()
    assert [job["id"] for job in first["data"] + rest["data"]] == ids[::-1]
    assert [job["id"] for job in queued["data"]] == ids[1:]


def test_jobs_that_ended_long_ago_are_forgotten_with_all_their_traces(world: World) -> None:
    old, fresh = (world.plan_job()[0]["id"] for _ in range(2))
    waiting, asset = world.plan_job()
    for job in (old, fresh):
        world.client.post(f"/v1/jobs/{job}/cancel")
    with world.hands.db.begin() as conn:
        conn.execute(
            text(
                "UPDATE jobs SET created_at = created_at - interval '9 days',"
                " finished_at = finished_at - interval '9 days' WHERE id <> :fresh"
            ),
            {"fresh": fresh},
        )
    assert forget_jobs(world.hands.db, keep_days=8) == 1
    with world.hands.db.connect() as conn:
        left = {
            table: set(conn.scalars(text(f"SELECT DISTINCT job FROM {table}")))
            for table in ("steps", "edges", "events")
        }
    assert all(jobs <= {fresh, waiting["id"]} for jobs in left.values())
    assert world.client.get(f"/v1/jobs/{old}").status_code == 404
    assert world.client.get(f"/v1/jobs/{fresh}").status_code == 200
    assert world.client.get(f"/v1/assets/{asset}").status_code == 200


def test_a_canceled_job_stays_canceled_and_can_be_forgotten(world: World) -> None:
    job, _ = world.plan_job()
    early = world.client.delete(f"/v1/jobs/{job['id']}")
    canceled = [world.client.post(f"/v1/jobs/{job['id']}/cancel") for _ in range(2)]
    assert (early.status_code, early.json()["code"]) == (409, "conflict")
    assert [reply.json()["status"] for reply in canceled] == ["canceled", "canceled"]
    assert world.client.delete(f"/v1/jobs/{job['id']}").status_code == 204
    assert world.client.get(f"/v1/jobs/{job['id']}").status_code == 404


def test_a_retry_keeps_what_succeeded_and_takes_new_parameters(world: World) -> None:
    job, asset = world.plan_job()
    part = {"type": "asset", "asset": asset, "modality": "image", "media_type": "image/png"}
    world.hands.finish(world.hands.take(), outputs={"image": part})
    world.hands.fail(world.hands.take(), BadInput("too long"))
    failed = world.client.get(f"/v1/jobs/{job['id']}").json()
    body = {"from": "failed", "overrides": {"s2": {"place": "top"}}}
    reply = world.client.post(f"/v1/jobs/{job['id']}/retry", json=body)
    again = reply.json()
    assert (failed["status"], failed["error"]["code"]) == ("failed", "bad_input")
    assert (reply.status_code, again["retry_of"]) == (202, job["id"])
    assert [step["status"] for step in again["plan"]["steps"]] == ["cached", "ready"]
    assert again["plan"]["steps"][1]["params"]["place"] == "top"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"from": "s9"}, "/from"),
        ({"overrides": {"s9": {}}}, "/overrides/s9"),
        ({"overrides": {"s2": {"place": "left"}}}, "/overrides/s2/place"),
    ],
)
def test_a_retry_that_names_what_is_not_there_is_refused(
    world: World, body: dict[str, Any], pointer: str
) -> None:
    job, _ = world.plan_job()
    assert world.client.post(f"/v1/jobs/{job['id']}/retry", json=body).status_code == 409
    world.client.post(f"/v1/jobs/{job['id']}/cancel")
    reply = world.client.post(f"/v1/jobs/{job['id']}/retry", json=body)
    assert (reply.status_code, reply.json()["errors"][0]["pointer"]) == (422, pointer)


def test_the_rooms_of_a_job_show_its_plan_steps_and_workflow(world: World) -> None:
    job, _ = world.plan_job()
    here = f"/v1/jobs/{job['id']}"
    diagram = world.client.get(f"{here}/plan", headers={"accept": "text/vnd.mermaid"})
    assert "s1 --> s2" in diagram.text
    assert [step["id"] for step in world.client.get(f"{here}/plan").json()["steps"]] == ["s1", "s2"]
    assert world.client.get(f"{here}/steps/s2").json()["tool"] == "caption"
    assert world.client.get(f"{here}/steps/s9").status_code == 404
    document = world.client.get(f"{here}/workflow").json()
    assert world.client.post("/v1/workflows", json=document).status_code == 201
    free = world.submit(input="later")
    assert world.client.get(f"/v1/jobs/{free['id']}/plan").status_code == 409


def test_the_seed_of_a_plan_is_part_of_its_recipe(world: World) -> None:
    plan = {"steps": [{"id": "s1", "tool": "text_to_image", "inputs": {"prompt": "a cat"}}]}
    chosen = world.submit(plan=plan, options={"seed": 7})
    drawn = world.submit(plan=plan)
    recipe = world.client.get(f"/v1/jobs/{drawn['id']}/plan").json()
    assert chosen["plan"]["steps"][0]["params"]["seed"] == 7
    assert drawn["plan"]["steps"][0]["params"]["seed"] == recipe["steps"][0]["params"]["seed"]


def test_a_full_queue_refuses_more(settings: Settings) -> None:
    full = settings.model_copy(update={"max_queued_jobs": 0})
    with open_world(create_app(full), full) as world:
        reply = world.client.post("/v1/jobs", json={"input": "a"})
        assert (reply.status_code, reply.json()["code"]) == (429, "queue_full")
        assert int(reply.headers["retry-after"]) <= 120

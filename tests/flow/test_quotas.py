"""Quotas and rates: what a key may use, and that it cannot be gone around."""

import base64
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import text

from api.main import create_app
from medley.errors import BackendError
from medley.quota import Quota
from medley.settings import Settings
from orchestrator import engine, invariants, quotas
from orchestrator.database import transaction
from orchestrator.engine import Commit, Offer
from tests.flow.api_world import Holder, World, caption_plan, give_key, open_world, png
from workers.child import enter

HELLO = {"input": "hello"}
#: What a worker says of itself.
ROW: dict[str, Any] = {"lanes": [], "tools": [], "models": [], "serves": [], "lacks": {}}


@pytest.fixture
def world(settings: Settings) -> Iterator[World]:
    with open_world(create_app(settings), settings) as opened:
        yield opened


def submit(key: Holder, **body: Any) -> Any:
    return key("POST", "/v1/jobs", json=body or HELLO)


def spend(world: World, key: Holder, **usage: float) -> dict[str, Any]:
    """A job of this key whose first step has used so much."""
    asset = key("POST", "/v1/assets", files={"file": ("a.png", png())}).json()["id"]
    job: dict[str, Any] = submit(key, plan=caption_plan(asset)).json()
    part = {"type": "asset", "asset": asset, "modality": "image", "media_type": "image/png"}
    world.hands.finish(world.hands.take(), outputs={"image": part}, usage=usage)
    return job


def test_a_key_may_have_so_many_open_jobs(world: World) -> None:
    key = give_key(world, open_jobs=2)
    sent = [submit(key) for _ in range(3)]
    refused = sent[2]

    assert [reply.status_code for reply in sent] == [202, 202, 429]
    assert refused.json()["code"] == "quota_exceeded"
    assert "2 open jobs" in refused.json()["detail"]
    assert (refused.headers["retry-after"], refused.headers["retry-after-ms"]) == ("5", "5000")
    assert submit(give_key(world)).status_code == 202
    key("POST", f"/v1/jobs/{sent[0].json()['id']}/cancel")
    assert submit(key).status_code == 202


def test_requests_at_the_same_time_do_not_pass_a_limit_together(world: World) -> None:
    key = give_key(world, open_jobs=3)
    with ThreadPoolExecutor(8) as pool:
        sent = list(pool.map(lambda _: submit(key).status_code, range(12)))

    assert sorted(sent) == [202] * 3 + [429] * 9


def test_a_repeated_request_is_answered_although_the_quota_is_used_up(world: World) -> None:
    key, headers = give_key(world, jobs_per_day=1), {"Idempotency-Key": "same"}
    first = key("POST", "/v1/jobs", json=HELLO, headers=headers)
    again = key("POST", "/v1/jobs", json=HELLO, headers=headers)

    assert (first.status_code, again.status_code) == (202, 202)
    assert again.json()["id"] == first.json()["id"]
    assert submit(key).status_code == 429


def test_every_way_to_a_job_is_counted(world: World) -> None:
    key = give_key(world, jobs_per_day=1)
    job = submit(key).json()["id"]
    key("POST", f"/v1/jobs/{job}/cancel")
    ways = {
        "/v1/jobs": HELLO,
        "/v1/plans": HELLO,
        f"/v1/jobs/{job}/retry": {},
        "/v1/models/starter/hub/load": None,
    }
    answers = {path: key("POST", path, json=body).status_code for path, body in ways.items()}

    assert set(answers.values()) == {429}, answers


def test_forgetting_a_job_gives_nothing_back(world: World) -> None:
    key = give_key(world, jobs_per_day=2, gpu_seconds_per_day=100)
    job = spend(world, key, gpu_seconds=30.0, input_tokens=5, output_tokens=6)["id"]
    key("POST", f"/v1/jobs/{job}/cancel")
    before = key("GET", "/v1/usage?group_by=model").json()

    assert key("DELETE", f"/v1/jobs/{job}").status_code == 204
    assert key("GET", "/v1/usage?group_by=model").json() == before
    assert before["key"]["used"] | {"bytes_stored": 0} == {
        "open_jobs": 0, "jobs": 1, "gpu_seconds": 30.0, "tokens": 11.0, "bytes_stored": 0,
    }  # fmt: skip
    assert (submit(key).status_code, submit(key).status_code) == (202, 429)


@pytest.mark.parametrize("ended", ["failed", "retried", "canceled", "late", "lost", "dead"])
def test_what_an_attempt_used_counts_however_it_ended(world: World, ended: str) -> None:
    key, hands = give_key(world, gpu_seconds_per_day=100), world.hands
    asset = key("POST", "/v1/assets", files={"file": ("a.png", png())}).json()["id"]
    job = key("POST", "/v1/jobs", json={"plan": caption_plan(asset)}).json()["id"]
    used, broken, times = {"gpu_seconds": 7.0, "input_tokens": 3}, BackendError("x"), 1
    lease = hands.take()
    with transaction(hands.db) as conn:
        if ended in ("canceled", "late"):
            engine.cancel_job(conn, "default", job)
        if ended in ("failed", "retried"):
            again = 0.0 if ended == "retried" else None
            engine.fail_step(conn, lease, broken, delay=again, usage=used)
        elif ended == "canceled":
            engine.release_step(conn, lease, used)
        elif ended == "late":
            engine.commit_step(conn, hands.name, lease, Commit(usage=used))
        else:  # nobody says what it used, and the worker runs this model on an accelerator
            times = 3 if ended == "dead" else 1
            enter(conn, hands.name, ROW | {"facts": {"metered": [lease.model]}})
    for taken in range(times if ended in ("lost", "dead") else 0):
        lease = hands.take() if taken else lease
        with transaction(hands.db) as conn:
            conn.execute(
                "UPDATE steps SET started_at = clock_timestamp() - interval '7 s'"
                " WHERE job = %s AND id = %s", [job, lease.step],
            )  # fmt: skip
            engine.lose_worker(conn, hands.name)

    found = key("GET", "/v1/usage?group_by=model").json()
    line = next(line for line in found["data"] if line["name"] == lease.model)
    seen = key("GET", f"/v1/jobs/{job}").json()
    for seconds in (
        found["key"]["used"]["gpu_seconds"],
        line["gpu_seconds"],
        seen["usage"]["gpu_seconds"],
    ):
        assert 7.0 * times <= seconds + 0.01 <= 67.0 * times  # a lost one: at most its lease
    if ended not in ("lost", "dead"):
        assert found["key"]["used"]["gpu_seconds"] == 7.0
        assert found["key"]["used"]["tokens"] == seen["usage"]["input_tokens"] == 3
    with transaction(hands.db) as conn:
        assert invariants.check(conn) == []
    key("POST", f"/v1/jobs/{job}/cancel")
    assert key("DELETE", f"/v1/jobs/{job}").status_code == 204
    assert key("GET", "/v1/usage?group_by=model").json()["data"] == found["data"]


def test_a_job_that_keeps_failing_ends_with_its_budget(world: World) -> None:
    key = give_key(world)
    asset = key("POST", "/v1/assets", files={"file": ("a.png", png())}).json()["id"]
    body = {"plan": caption_plan(asset), "options": {"max_gpu_seconds": 10}}
    job = key("POST", "/v1/jobs", json=body).json()["id"]
    for _ in range(2):
        with transaction(world.hands.db) as conn:
            (lease,) = engine.claim(conn, "w", Offer(lanes=["cpu"], tools=["resize@1"]))
            used = {"gpu_seconds": 6.0}
            engine.fail_step(conn, lease, BackendError("x"), delay=0.0, usage=used)

    ended = key("GET", f"/v1/jobs/{job}").json()
    assert (ended["status"], ended["error"]["code"]) == ("failed", "budget_exceeded")


@pytest.mark.parametrize(
    ("quota", "usage"),
    [
        ({"gpu_seconds_per_day": 10}, {"gpu_seconds": 12.0}),
        ({"tokens_per_day": 10}, {"input_tokens": 6.0, "output_tokens": 6.0}),
    ],
)
def test_who_is_beyond_a_days_share_is_stopped(
    world: World, quota: dict[str, float], usage: dict[str, float]
) -> None:
    key, other = give_key(world, **quota), give_key(world)
    waiting, free = submit(key).json(), submit(other).json()
    running = spend(world, key, **usage)
    stopped = quotas.stop_overrun(world.hands.db, Quota(), Quota())
    refused = submit(key)

    assert refused.json()["code"] == "quota_exceeded"
    assert float(refused.headers["retry-after"]) <= 120
    ended = key("GET", f"/v1/jobs/{waiting['id']}").json()
    assert (ended["status"], ended["error"]["code"]) == ("failed", "budget_exceeded")
    assert key("GET", f"/v1/jobs/{running['id']}").json()["status"] in ("failed", "canceling")
    assert stopped in (1, 2)  # a job's own budget may have stopped it before
    assert other("GET", f"/v1/jobs/{free['id']}").json()["status"] == "queued"


def test_a_job_is_given_what_is_left_as_its_budget(world: World) -> None:
    key = give_key(world, gpu_seconds_per_day=10)
    spend(world, key, gpu_seconds=4.0)
    given = submit(key).json()["id"]
    asked = submit(key, input="hello", options={"max_gpu_seconds": 1}).json()["id"]
    with world.hands.db.connect() as conn:
        rows = conn.execute(text("SELECT id, max_gpu_seconds, key FROM jobs"))
        found = {row.id: (row.max_gpu_seconds, row.key) for row in rows}

    assert (found[given], found[asked]) == ((6.0, key.id), (1.0, key.id))


def test_stored_bytes_are_limited(world: World) -> None:
    small, big = png(size=(8, 8)), png(size=(600, 400))
    key = give_key(world, bytes_stored=len(small) + 10)

    def upload(data: bytes) -> Any:
        return key("POST", "/v1/assets", files={"file": ("a.png", data)})

    kept, refused, again = upload(small), upload(big), upload(small)
    assert [kept.status_code, refused.status_code, again.status_code] == [201, 429, 200]
    assert stored(world) == {small}
    assert key("GET", "/v1/assets").json()["data"][0]["size"] == len(small)
    assert key("DELETE", f"/v1/assets/{kept.json()['id']}").status_code == 204
    assert upload(png("blue", (8, 8))).status_code == 201


def test_a_refused_request_leaves_no_bytes_of_its_files(world: World) -> None:
    small, big = png(size=(8, 8)), png(size=(600, 400))
    key, other = give_key(world, bytes_stored=len(small) + 10), give_key(world, tenant="other")

    def picture(data: bytes) -> str:
        return f"data:image/png;base64,{base64.b64encode(data).decode()}"

    def send(path: str, data: bytes, name: str = "file", **fields: str) -> Any:
        return key("POST", path, files={name: ("a.png", data)}, data=fields)

    two = [("file", ("a.png", small)), ("file", ("a.png", b"no picture"))]
    said = {"role": "user", "content": [{"type": "input_image", "image_url": picture(big)}]}
    asked = [
        key("POST", "/v1/assets", files=two),
        key("POST", "/v1/assets", json={"url": picture(big)}),
        send("/v1/files", big, purpose="vision"),
        send("/v1/jobs", big, input="What is this?"),
        send("/v1/jobs", small, "photo", request=json.dumps({"plan": caption_plan("asset_0")})),
        key("POST", "/v1/conversations", json={"items": [said]}),
        key("POST", "/v1/responses", json={"input": [said]}),
    ]
    assert [reply.status_code for reply in asked] == [415, 429, 429, 429, 422, 429, 429]
    assert stored(world) == set()
    assert other("POST", "/v1/assets", files={"file": ("a.png", big)}).status_code == 201
    assert send("/v1/files", big, purpose="vision").status_code == 429
    assert stored(world) == {big}  # of another tenant


def stored(world: World) -> set[bytes]:
    """Everything in the store, whoever it belongs to."""
    folder = world.settings.asset_folder
    return {path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_parts_of_uploads_count_until_they_are_a_file(world: World) -> None:
    key, other = give_key(world, bytes_stored=10), give_key(world)
    asked = {"bytes": 6, "filename": "a.txt", "mime_type": "text/plain", "purpose": "user_data"}
    first, second = (key("POST", "/v1/uploads", json=asked).json()["id"] for _ in range(2))

    def add(upload: str, by: Holder = key) -> Any:
        return by("POST", f"/v1/uploads/{upload}/parts", files={"data": ("a", b"words.")})

    part, refused = add(first), add(second)
    assert (part.status_code, refused.status_code) == (200, 429)
    assert refused.json()["error"]["code"] == "quota_exceeded"
    assert key("GET", "/v1/usage").json()["key"]["used"]["bytes_stored"] == 6
    assert key("POST", f"/v1/uploads/{first}/cancel").status_code == 200
    assert add(second).status_code == 429  # the bytes are still there
    third = other("POST", "/v1/uploads", json=asked).json()["id"]
    parts = {"part_ids": [add(third, other).json()["id"]]}
    done = other("POST", f"/v1/uploads/{third}/complete", json=parts)
    assert done.json()["status"] == "completed"
    assert other("GET", "/v1/usage").json()["key"]["used"]["bytes_stored"] == 6


def test_a_file_may_be_as_large_as_the_quota_in_parts_too(world: World) -> None:
    key = give_key(world, bytes_stored=6)
    asked = {"bytes": 6, "filename": "a.txt", "mime_type": "text/plain", "purpose": "user_data"}
    upload = key("POST", "/v1/uploads", json=asked).json()["id"]
    part = key("POST", f"/v1/uploads/{upload}/parts", files={"data": ("a", b"words.")}).json()
    done = key("POST", f"/v1/uploads/{upload}/complete", json={"part_ids": [part["id"]]})
    assert done.json()["file"]["bytes"] == 6, done.text


def test_a_tenants_keys_share_its_quota(settings: Settings) -> None:
    shared = settings.model_copy(update={"tenant_quota": Quota(jobs_per_day=2)})
    with open_world(create_app(shared), shared) as world:
        first, second = give_key(world, tenant="a"), give_key(world, tenant="a")
        other = give_key(world, tenant="b")
        sent = [submit(key).status_code for key in (first, second, first, second, other)]

    assert sent == [202, 202, 429, 429, 202]


def test_requests_are_limited_by_the_minute(world: World) -> None:
    key = give_key(world, requests_per_minute=3)
    replies = [key("GET", "/v1/jobs") for _ in range(5)]

    assert [reply.status_code for reply in replies] == [200, 200, 200, 429, 429]
    assert replies[3].json()["code"] == "rate_limited"
    assert 0 < int(replies[3].headers["retry-after-ms"]) <= 60_000
    assert give_key(world)("GET", "/v1/jobs").status_code == 200


def test_without_valkey_rates_are_not_held_and_requests_are_served(settings: Settings) -> None:
    away = settings.model_copy(update={"redis_url": "redis://127.0.0.1:9/0"})
    with open_world(create_app(away), away) as world:
        key = give_key(world, requests_per_minute=1)
        answers = [key("GET", "/v1/jobs").status_code for _ in range(3)]
        wrong = world.client.get("/v1/jobs", headers={"X-API-Key": "mk_x"})

    assert answers == [200] * 3
    assert wrong.status_code == 401


def test_usage_is_told_by_key_day_and_model(world: World) -> None:
    first, second = give_key(world, "read", "run"), give_key(world)
    spend(world, first, gpu_seconds=2.5)
    submit(second)
    own = first("GET", "/v1/usage").json()
    every = {line["name"]: line for line in second("GET", "/v1/usage").json()["data"]}
    by_model = second("GET", "/v1/usage?group_by=model").json()["data"]
    by_day = second("GET", "/v1/usage?group_by=day").json()["data"]

    assert [line["name"] for line in own["data"]] == [first.id]
    assert own["tenant"] is None
    assert set(every) == {first.id, second.id}
    assert (every[first.id]["jobs"], every[first.id]["gpu_seconds"]) == (1, 2.5)
    assert every[first.id]["bytes"] == own["key"]["used"]["bytes_stored"] > 0
    assert sum(line["gpu_seconds"] for line in by_model) == 2.5
    assert [(line["jobs"], line["gpu_seconds"]) for line in by_day] == [(2, 2.5)]
    assert second("GET", "/v1/usage?from=2026-01-02&to=2026-01-01").status_code == 400
    assert second("GET", "/v1/usage?from=yesterday").status_code == 422

"""Browsers sign in with a cookie; a token opens one job; the audit log tells of both."""

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import text

from api.main import create_app
from medley.settings import Settings
from tests.flow.api_world import World, caption_plan, give_key, open_world, png, served

OWN = {"Origin": "http://127.0.0.1"}


@pytest.fixture
def world(settings: Settings) -> Iterator[World]:
    with open_world(create_app(settings), settings) as opened:
        yield opened


def sign_in(world: World, secret: str) -> Any:
    return world.client.post("/v1/session", json={"key": secret}, headers=OWN)


def test_a_browser_signs_in_and_out(world: World) -> None:
    key = give_key(world, "read", "run")
    signed = sign_in(world, key.secret)
    flags = signed.headers["set-cookie"].lower()

    assert (signed.status_code, signed.json()["key"]) == (200, key.id)
    assert "httponly" in flags
    assert "samesite=strict" in flags
    assert key.secret not in flags
    assert world.client.get("/v1/jobs").status_code == 200
    assert world.client.post("/v1/conversations", headers=OWN).status_code == 201
    old = dict(world.client.cookies)
    assert world.client.delete("/v1/session", headers=OWN).status_code == 204
    assert world.client.get("/v1/jobs").status_code == 401
    world.client.cookies.update(old)
    assert world.client.get("/v1/jobs").status_code == 401


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 201),
        (OWN, 201),
    ],
)
def test_a_cookie_changes_things_from_our_own_page_only(
    world: World, headers: dict[str, str], status: int
) -> None:
    sign_in(world, give_key(world).secret)

    assert world.client.post("/v1/conversations", headers=headers).status_code == status


def test_a_session_ends_with_its_key_and_with_its_time(world: World) -> None:
    admin, key = give_key(world), give_key(world, "read")
    sign_in(world, key.secret)
    assert admin("DELETE", f"/v1/keys/{key.id}").status_code == 204
    assert world.client.get("/v1/jobs").status_code == 401

    sign_in(world, admin.secret)
    with world.hands.db.begin() as conn:
        conn.execute(text("UPDATE sessions SET expires_at = clock_timestamp()"))
    world.client.app.state.service.keyring.forget()  # type: ignore[attr-defined]
    assert world.client.get("/v1/jobs").status_code == 401


def test_a_browser_whose_session_has_ended_is_asked_for_a_key_each_time(world: World) -> None:
    admin = give_key(world)
    sign_in(world, admin.secret)
    with world.hands.db.begin() as conn:
        conn.execute(text("DELETE FROM sessions"))
    world.client.app.state.service.keyring.forget()  # type: ignore[attr-defined]

    assert {world.client.get("/v1/jobs").status_code for _ in range(12)} == {401}
    assert sign_in(world, admin.secret).status_code == 200


def test_a_token_opens_one_job_and_what_it_shows(world: World) -> None:
    job, picture = world.plan_job()
    other = world.submit(plan=caption_plan(picture), options={"approve": "plan"})
    foreign = world.upload(png("blue"))
    key = give_key(world, "read")
    sent = key("POST", f"/v1/jobs/{job['id']}/token")
    token = sent.json()["token"]

    def status(path: str, method: str = "GET") -> int:
        reply = world.client.request(method, path, params={"token": token})
        return int(reply.status_code)

    assert sent.status_code == 201
    here = f"/v1/jobs/{job['id']}"
    assert [status(here + room) for room in ("", "/plan", "/steps", "/steps/s1")] == [200] * 4
    assert status(f"/v1/assets/{picture}/content") == 200
    assert status(f"/v1/assets/{picture}/thumbnail") == 200
    assert status(f"/v1/assets/{foreign}/content") == 403
    assert status(f"/v1/assets/{picture}") == 403
    assert status(f"/v1/jobs/{other['id']}") == 403
    assert status("/v1/jobs") == 403
    assert status("/v1/session") == 403
    assert status(f"{here}/cancel", "POST") == 401
    assert status(here, "DELETE") == 401
    with world.hands.db.begin() as conn:
        conn.execute(text("UPDATE sessions SET expires_at = clock_timestamp()"))
    world.client.app.state.service.keyring.forget()  # type: ignore[attr-defined]
    assert status(here) == 401


def test_a_token_is_not_written_into_the_servers_log(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    import httpx2

    with served(create_app(settings)) as url, httpx2.Client(base_url=url) as client:
        logging.getLogger("uvicorn.access").setLevel(logging.INFO)
        logging.getLogger("uvicorn.access").addHandler(caplog.handler)
        client.get("/v1/jobs", params={"limit": "3", "token": "mt_very_secret"})
        logging.getLogger("uvicorn.access").removeHandler(caplog.handler)

    assert "limit=3" in caplog.text
    assert "mt_very_secret" not in caplog.text


def test_the_audit_log_tells_who_did_what(world: World) -> None:
    workflow = world.client.post(
        "/v1/workflows", json={"name": "Caption", "plan": caption_plan(world.upload())}
    ).json()["id"]
    admin = give_key(world)
    made = admin("POST", "/v1/keys", json={"name": "CI"}).json()
    admin("DELETE", f"/v1/keys/{made['id']}")
    admin("DELETE", "/v1/workflows/wf_missing")
    admin("PUT", f"/v1/workflows/{workflow}/tool", json={"name": "flow.caption"})
    admin("DELETE", f"/v1/workflows/{workflow}")
    sign_in(world, admin.secret)
    sign_in(world, "mk_wrong_one")
    told = admin("GET", "/v1/audit?order=asc&limit=100").json()["data"]

    assert [(entry["action"], entry["target"]) for entry in told] == [
        ("key.create", made["id"]),
        ("key.revoke", made["id"]),
        ("workflow.publish", workflow),
        ("workflows.delete", workflow),
        ("session.open", ""),
        ("sign_in.failed", ""),
    ]
    assert {entry["key"] for entry in told[:5]} == {admin.id}
    assert {entry["address"] for entry in told} == {"127.0.0.1"}
    assert all(entry["request_id"].startswith("req_") for entry in told)
    assert "mk_wrong_one" not in str(told[5])
    first = admin("GET", "/v1/audit?order=asc&limit=2").json()
    rest = admin("GET", f"/v1/audit?order=asc&after={first['last_id']}").json()
    assert (first["has_more"], rest["data"][0]["action"]) == (True, "workflow.publish")


def test_who_tries_keys_is_slowed_down_and_others_are_not(world: World) -> None:
    key = give_key(world)
    tries = [
        world.client.get("/v1/jobs", headers={"X-API-Key": f"mk_{number}"}) for number in range(12)
    ]
    last = tries[-1]

    assert [reply.status_code for reply in tries] == [401] * 10 + [429] * 2
    assert (last.json()["code"], sign_in(world, "mk_x").status_code) == ("rate_limited", 429)
    assert 0 < int(last.headers["retry-after"]) <= 60
    assert 0 < int(last.headers["retry-after-ms"]) <= 60_000
    assert key("GET", "/v1/jobs").status_code == 200
    assert len(key("GET", "/v1/audit").json()["data"]) == 10

"""Keys over HTTP: who comes in, what each may do, and how a key ends."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from sqlalchemy import text

from api.main import create_app
from medley.settings import Settings
from orchestrator import keys
from orchestrator.database import create_engine
from orchestrator.keys import NewKey, Scope
from tests.flow.api_world import Holder, World, give_key, open_world, served


@pytest.fixture
def world(settings: Settings) -> Iterator[World]:
    with open_world(create_app(settings), settings) as opened:
        yield opened


def test_without_a_key_this_machine_is_served(world: World) -> None:
    assert world.client.get("/v1/jobs").status_code == 200
    found = world.client.get("/v1/session").json()
    assert (found["tenant"], found["key"]) == ("default", None)


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "medley.example.org"},
        {"X-Forwarded-For": "127.0.0.1"},
        {"Forwarded": "for=127.0.0.1"},
        {"Via": "1.1 proxy"},
    ],
)
def test_a_caller_who_did_not_come_directly_is_not_this_machine(
    settings: Settings, headers: dict[str, str]
) -> None:
    elsewhere = settings.model_copy(update={"host": "0.0.0.0"})
    with open_world(create_app(elsewhere), elsewhere) as world:
        reply = world.client.get("/v1/jobs", headers=headers)
        assert world.client.get("/v1/jobs").status_code == 200

    assert (reply.status_code, reply.json()["code"]) == (401, "unauthorized")
    assert "medley keys create" in reply.json()["detail"]


def test_another_machine_is_refused_before_there_is_a_key_and_served_with_one(
    settings: Settings,
) -> None:
    elsewhere = settings.model_copy(update={"host": "0.0.0.0"})
    with open_world(create_app(elsewhere), elsewhere, address="203.0.113.9") as world:
        refused = world.client.get("/v1/jobs")
        forged = world.client.get("/v1/jobs", headers={"X-Forwarded-For": "127.0.0.1"})
        opened = [world.client.get(path) for path in ("/healthz", "/readyz", "/", "/openapi.json")]
        served = give_key(world)("GET", "/v1/jobs")

    assert (refused.status_code, forged.status_code) == (401, 401)
    assert [reply.status_code for reply in opened] == [200] * 4
    assert served.status_code == 200


@pytest.mark.parametrize("host", ["[", "[::1", "localhost.evil.example", "127.0.0.1.evil", ""])
def test_a_host_that_is_none_of_ours_is_not_this_machine(settings: Settings, host: str) -> None:
    elsewhere = settings.model_copy(update={"host": "0.0.0.0"})
    with open_world(create_app(elsewhere), elsewhere) as world:
        assert world.client.get("/v1/jobs", headers={"Host": host}).status_code == 401
        broken = {"Origin": "http://["}
        assert world.client.post("/v1/conversations", headers=broken).status_code == 403


def test_a_service_below_a_prefix_asks_for_the_same_scopes(world: World) -> None:
    reader = give_key(world, "read")
    world.client._transport.root_path = "/medley"  # type: ignore[attr-defined]

    assert reader("GET", "/medley/v1/jobs").status_code == 200
    assert reader("GET", "/medley/v1/keys").status_code == 403
    assert reader("DELETE", "/medley/v1/jobs/job_1").status_code == 403


def test_with_the_first_key_everybody_needs_one(world: World) -> None:
    give_key(world, "read", tenant="acme")
    reply = world.client.get("/v1/jobs")

    assert (reply.status_code, reply.json()["code"]) == (401, "unauthorized")
    assert reply.headers["www-authenticate"].startswith("Bearer")
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.headers["x-request-id"]
    assert world.client.get("/v1/no/such/route").status_code == 401
    assert world.client.get("/").status_code == 200


def test_both_headers_are_read(world: World) -> None:
    key = give_key(world, "read")

    assert key("GET", "/v1/jobs").status_code == 200
    by_header = world.client.get("/v1/jobs", headers={"X-API-Key": key.secret})
    assert by_header.status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Bearer mk_wrong"},
        {"Authorization": "Bearer "},
        {"Authorization": "Basic bWs6bWs="},
        {"Authorization": "Bearer " + "x" * 5000},
        {"X-API-Key": "sk-other"},
        {"Cookie": "medley_session=ms_nothing"},
        {"Cookie": "medley_session=mt_nothing"},
    ],
)
def test_a_wrong_secret_is_refused(world: World, headers: dict[str, str]) -> None:
    give_key(world)
    assert world.client.get("/v1/jobs", headers=headers).status_code == 401


def test_a_revoked_key_is_refused_where_it_was_revoked_at_once(world: World) -> None:
    admin, other = give_key(world), give_key(world, "read")
    assert other("GET", "/v1/jobs").status_code == 200

    assert admin("DELETE", f"/v1/keys/{other.id}").status_code == 204
    assert other("GET", "/v1/jobs").status_code == 401
    assert admin("GET", f"/v1/keys/{other.id}").json()["state"] == "revoked"


def test_what_is_remembered_of_a_key_grows_old(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = give_key(world)
    assert key("GET", "/v1/jobs").status_code == 200
    with world.hands.db.begin() as conn:  # as another process does it
        conn.execute(text("UPDATE keys SET revoked_at = clock_timestamp()"))
    assert key("GET", "/v1/jobs").status_code == 200
    monkeypatch.setattr("api.keyring.time.monotonic", lambda: float("inf"))

    assert key("GET", "/v1/jobs").status_code == 401


def test_a_stream_ends_with_its_key(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("api.auth.REMEMBERED_S", 0.0)
    app = create_app(settings)
    with served(app) as url, httpx2.Client(base_url=url, timeout=60) as client:
        with create_engine(settings.database_url or "").begin() as conn:
            wanted = NewKey(tenant="default", name="x", scopes=frozenset({Scope.ADMIN}))
            key, secret = keys.create(conn, wanted)
            _, other = keys.create(conn, wanted)
        known, admin = ({"X-API-Key": value} for value in (secret, other))
        with client.stream("GET", "/v1/events", headers=known) as stream:
            lines = stream.iter_lines()
            next(line for line in lines if line.startswith("data:"))
            assert client.delete(f"/v1/keys/{key.id}", headers=admin).status_code == 204
            client.post("/v1/jobs", json={"input": "secret words"}, headers=admin)
            rest = list(lines)

    assert "secret words" not in str(rest)
    assert not [line for line in rest if line.startswith("data:")]
    assert "Exception in ASGI" not in capfd.readouterr().err


def test_an_expired_key_is_refused_although_it_is_remembered(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.keyring.REMEMBERED_S", 600.0)
    key = give_key(world, expires_at=datetime.now(UTC) + timedelta(hours=1))
    assert key("GET", "/v1/jobs").status_code == 200
    ring: Any = world.client.app.state.service.keyring  # type: ignore[attr-defined]
    for known in ring._known.values():
        object.__setattr__(known.caller, "expires_at", datetime.now(UTC))

    assert key("GET", "/v1/jobs").status_code == 401


def test_each_scope_opens_its_own_doors(world: World) -> None:
    world_asset = world.upload()
    reader, runner = give_key(world, "read"), give_key(world, "run")
    manager, admin = give_key(world, "manage"), give_key(world)
    asked = {
        "read": ("GET", "/v1/jobs"),
        "run": ("POST", "/v1/conversations"),
        "manage": ("DELETE", f"/v1/assets/{world_asset}"),
        "admin": ("GET", "/v1/keys"),
    }

    def opened(key: Holder) -> list[str]:
        return [name for name, what in asked.items() if key(*what).status_code < 400]

    assert opened(reader) == ["read"]
    assert opened(runner) == ["run"]
    assert opened(manager) == ["manage"]
    assert opened(admin) == ["read", "run", "admin"]  # the asset is gone by then
    refused = reader("POST", "/v1/conversations").json()
    assert (refused["status"], refused["code"]) == (403, "forbidden")
    assert "'run'" in refused["detail"]


def test_what_all_tenants_share_is_for_operators(settings: Settings) -> None:
    closed = settings.model_copy(update={"metrics_for": "operate"})
    with open_world(create_app(closed), closed) as world:
        operator, admin = give_key(world), give_key(world, "admin")
        alone = give_key(world, "operate")
        asked = (("GET", "/metrics"), ("POST", "/v1/models/none/load"), ("GET", "/v1/keys"))
        found = [[key(*what).status_code for what in asked] for key in (operator, admin, alone)]
        wanted = {"name": "x", "scopes": ["operate"]}
        granted = [key("POST", "/v1/keys", json=wanted).status_code for key in (operator, admin)]
        given = admin("POST", f"/v1/keys/{alone.id}/rotate").status_code

    assert found == [[200, 404, 200], [403, 403, 200], [200, 404, 403]]
    assert (granted, given) == ([201, 403], 403)


def test_a_key_is_made_listed_rotated_and_revoked(world: World) -> None:
    admin = give_key(world)
    sent = admin("POST", "/v1/keys", json={"name": "CI", "scopes": ["read"]})
    made = sent.json()
    fresh = Holder(world.client, made["id"], made["secret"])

    assert (sent.status_code, sent.headers["cache-control"]) == (201, "no-store")
    assert made["secret"].startswith(made["prefix"])
    assert made["made_by"] == admin.id
    assert fresh("GET", "/v1/jobs").status_code == 200
    listed = admin("GET", "/v1/keys?order=asc").json()["data"]
    assert [key["id"] for key in listed] == [admin.id, made["id"]]
    assert not any("secret" in key for key in listed)

    rotated = admin("POST", f"/v1/keys/{made['id']}/rotate").json()
    assert fresh("GET", "/v1/jobs").status_code == 401
    assert Holder(world.client, made["id"], rotated["secret"])("GET", "/v1/jobs").status_code == 200
    assert admin("DELETE", f"/v1/keys/{made['id']}").status_code == 204
    assert admin("POST", f"/v1/keys/{made['id']}/rotate").status_code == 409


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"name": "x", "scopes": ["root"]}, 422),
        ({"name": "", "scopes": ["read"]}, 422),
        ({"name": "x", "scopes": []}, 422),
        ({"name": "x", "tenant": "other"}, 422),
        ({"name": "x", "quota": {"jobs_per_day": -1}}, 422),
        ({"name": "x", "quota": {"jobs_per_day": 6}}, 403),
        ({"name": "x", "quota": {"jobs_per_day": None}}, 403),
        ({"name": "x", "quota": {"jobs_per_day": 5}, "expires_at": None}, 403),
        ({"name": "x"}, 403),
    ],
)
def test_a_key_cannot_grant_more_than_it_has(
    world: World, body: dict[str, Any], status: int
) -> None:
    admin = give_key(
        world, "admin", expires_at=datetime.now(UTC) + timedelta(days=1), jobs_per_day=5
    )
    soon = (datetime.now(UTC) + timedelta(hours=1)).isoformat()

    assert admin("POST", "/v1/keys", json=body).status_code == status
    within = {"name": "x", "quota": {"jobs_per_day": 5}, "expires_at": soon}
    assert admin("POST", "/v1/keys", json=within).status_code == 201


def test_no_row_holds_a_secret(world: World) -> None:
    admin = give_key(world)
    signed = world.client.post("/v1/session", json={"key": admin.secret})
    cookie = signed.cookies["medley_session"]
    with world.hands.db.connect() as conn:
        for table in ("keys", "sessions", "audit", "jobs"):
            rows = str(conn.execute(text(f"SELECT t::text FROM {table} t")).all())
            assert admin.secret not in rows
            assert cookie not in rows

"""Webhooks against a real receiver: what is told, how it is signed, and what becomes of what is not
taken. Time passes by changing rows.
"""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from ipaddress import ip_network
from typing import Any

import openai
import pytest
from sqlalchemy import text
from standardwebhooks import Webhook

from api.main import create_app
from medley.embedded import EmbeddedValkey
from medley.errors import BadInput
from medley.settings import Settings
from orchestrator import batches
from orchestrator.webhooks import deliveries
from tests.flow.api_world import World, caption_plan, open_world
from tests.rude_server import Answerer, answer, dripping, endless, rude

HEAD = b"HTTP/1.1 200 OK\r\n"
ENDS = ["job.succeeded", "job.failed", "job.canceled"]


@pytest.fixture(scope="module")
def service(
    module_database_url: str, valkey: EmbeddedValkey, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    """One service for all tests of this file, which may tell this machine's own servers."""
    settings = Settings(
        home=tmp_path_factory.mktemp("home"),
        database_url=module_database_url,
        redis_url=valkey.url,
        url_networks=(ip_network("127.0.0.0/8"),),
        url_ports=(),
    )
    with open_world(create_app(settings), settings) as opened:
        yield opened


@pytest.fixture
def world(service: World) -> Iterator[World]:
    """The service without any job or endpoint."""
    yield service
    change(service, "TRUNCATE webhook_endpoints, jobs, events, step_attempts CASCADE")


def until(true: Callable[[], Any], what: str = "it") -> Any:
    """Waits for something that another thread does."""
    for _ in range(600):
        found = true()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"{what} did not happen")


def add(world: World, url: str, events: list[str] | None = None, **more: Any) -> dict[str, Any]:
    """A new endpoint, with its secret."""
    body = {"url": url, "name": "mine", "event_types": events or ENDS, **more}
    sent = world.client.post("/v1/webhook_endpoints", json=body)
    assert sent.status_code == 200, sent.text
    found: dict[str, Any] = sent.json()
    return found


def log_of(world: World, endpoint: dict[str, Any]) -> list[dict[str, Any]]:
    """The messages to an endpoint, oldest first."""
    shown = world.client.get(f"/v1/webhook_endpoints/{endpoint['id']}/deliveries?limit=100")
    assert shown.status_code == 200, shown.text
    return list(reversed(shown.json()["data"]))


def run_job(world: World, **more: Any) -> str:
    """A job from its start to its end."""
    job, asset = world.plan_job(**more)
    world.hands.finish_all(asset)
    return str(job["id"])


def change(world: World, statement: str) -> None:
    """Lets time pass, or the like."""
    with world.hands.db.begin() as conn:
        conn.execute(text(statement))


def make_due(world: World) -> None:
    """Moves every pending message to now."""
    change(
        world,
        "UPDATE webhook_deliveries SET due_at = now(), leased_until = NULL"
        " WHERE status = 'pending'",
    )
    change(world, "UPDATE webhook_endpoints SET quiet_until = NULL")


def request_of(raw: bytes) -> tuple[dict[str, str], bytes]:
    """Headers and body of a request."""
    head, _, body = raw.partition(b"\r\n\r\n")
    rows = [row.decode().partition(": ") for row in head.split(b"\r\n")[1:]]
    return {name.lower(): value for name, _, value in rows}, body


def test_the_end_of_a_job_is_told_and_signed(world: World) -> None:
    with rude(answer(b"thanks")) as receiver:
        endpoint = add(world, f"{receiver.url}/hook?a=1")
        job = run_job(world, metadata={"order": "17"})
        headers, body = request_of(until(lambda: receiver.seen)[0])
    assert Webhook(endpoint["signing_secret"]).verify(body, headers)
    openai.OpenAI(api_key="x").webhooks.verify_signature(
        body, headers, secret=endpoint["signing_secret"]
    )
    told = json.loads(body)
    assert (told["type"], told["data"]["job"]) == ("job.succeeded", job)
    assert told["data"]["metadata"] == {"order": "17"}
    assert told["data"]["detail"]["outputs"]
    assert (told["id"], headers["content-type"]) == (headers["webhook-id"], "application/json")
    (logged,) = until(lambda: [d for d in log_of(world, endpoint) if d["status"] == "delivered"])
    assert (logged["id"], logged["job"], logged["payload"]) == (told["id"], job, told)
    (attempt,) = logged["attempts"]
    assert (attempt["status"], attempt["answer"]) == (200, "thanks")


def test_only_what_was_asked_for_is_told(world: World) -> None:
    with rude(answer()) as receiver:
        steps = add(world, receiver.url, ["step.*", "plan.ready"])
        openai_form = add(world, receiver.url, ["response.completed"])
        everything = add(world, receiver.url, ["*"])
        other = add(world, receiver.url, ["job.failed"])
        change(world, f"UPDATE webhook_endpoints SET tenant = 'other' WHERE id = '{other['id']}'")
        job = run_job(world)
        failed, _ = world.plan_job()
        world.hands.fail(world.hands.take(), BadInput("no"))
        kinds = [item["event_type"] for item in log_of(world, steps)]
        (response,) = log_of(world, openai_form)
        every = {item["event_type"] for item in log_of(world, everything)}
    assert kinds.count("step.completed") == 2
    assert {kind.partition(".")[0] for kind in kinds} == {"step"}
    assert response["event_type"] == "response.completed"
    assert response["payload"]["data"] == {"id": job.replace("job_", "resp_")}
    assert {"job.queued", "job.succeeded", "job.failed", "step.started"} <= every
    assert "response.completed" not in every
    change(world, f"UPDATE webhook_endpoints SET tenant = 'default' WHERE id = '{other['id']}'")
    assert log_of(world, other) == []
    assert failed["id"] != job


def test_progress_is_told_at_most_every_five_seconds(world: World) -> None:
    with rude(answer()) as receiver:
        endpoint = add(world, receiver.url, ["step.progress"])
        world.plan_job()
        lease = world.hands.take()
        report = "SELECT medley_progress('{}', '{}', {}, '{{\"done\": 1, \"total\": 9}}')"
        again = report.format(lease.job, lease.step, lease.token)
        for _ in range(3):
            change(world, again)
        assert len(log_of(world, endpoint)) == 1
        change(world, "UPDATE webhook_deliveries SET created_at = now() - interval '6 s'")
        change(world, again)
        assert len(log_of(world, endpoint)) == 2


def test_a_long_event_is_told_without_its_details(world: World) -> None:
    with rude(answer()) as receiver:
        endpoint = add(world, receiver.url, ["step.completed"])
        world.submit(plan=caption_plan(world.upload()))
        world.hands.finish(
            world.hands.take(), outputs={"text": {"type": "text", "text": "x" * 20_000}}
        )
        (told,) = log_of(world, endpoint)
    assert (told["payload"]["data"]["detail"], told["payload"]["data"]["cut"]) == ({}, True)


def test_nothing_is_written_where_nobody_listens(world: World) -> None:
    run_job(world)
    with world.hands.db.connect() as conn:
        assert conn.execute(text("SELECT count(*) FROM webhook_deliveries")).scalar_one() == 0


def test_a_message_and_its_event_are_one_transaction(world: World) -> None:
    endpoint = add(world, "http://127.0.0.1:9/")
    with world.hands.db.connect() as conn:
        world.plan_job()
        conn.execute(
            text("INSERT INTO events (job, seq, type) SELECT id, 99, 'job.failed' FROM jobs")
        )
        conn.rollback()
    assert log_of(world, endpoint) == []


def test_a_receiver_that_is_down_is_told_later_under_the_same_id(world: World) -> None:
    status = ["503 Away"]
    with rude(lambda line, request: answer(b"busy", status[0])(line, request)) as receiver:
        endpoint = add(world, receiver.url)
        run_job(world)
        until(lambda: log_of(world, endpoint)[0]["attempts"])
        (waiting,) = log_of(world, endpoint)
        assert (waiting["status"], waiting["attempts"][0]["status"]) == ("pending", 503)
        assert waiting["next_attempt_at"] > waiting["created_at"]
        status[0] = "204 No Content"
        make_due(world)
        until(lambda: log_of(world, endpoint)[0]["status"] == "delivered")
        (done,) = log_of(world, endpoint)
    first, second = (request_of(raw) for raw in receiver.seen)
    assert first[1] == second[1]
    assert first[0]["webhook-id"] == second[0]["webhook-id"] == done["id"]
    assert [attempt["status"] for attempt in done["attempts"]] == [503, 204]
    shown = world.client.get(f"/v1/webhook_endpoints/{endpoint['id']}").json()
    assert (shown["failures"], shown["failing_since"]) == (0, None)


@pytest.mark.parametrize(
    "answerer",
    [
        answer(b"", "302 Found", ("Location: http://127.0.0.1:1/",)),
        answer(b"", "404 Not Found"),
        endless(HEAD, b"X-More: " + b"y" * 1000 + b"\r\n"),
        endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        lambda line, request: None,
        lambda line, request: line.sendall(b"HTTP/1.1 200"),
    ],
    ids=["redirect", "not found", "endless headers", "endless interim", "hung up", "half a line"],
)
def test_what_is_no_success_is_a_failure(world: World, answerer: Answerer) -> None:
    with rude(answerer) as receiver:
        endpoint = add(world, receiver.url)
        run_job(world)
        until(lambda: log_of(world, endpoint)[0]["attempts"])
        (told,) = log_of(world, endpoint)
        assert (told["status"], len(receiver.seen)) == ("pending", 1)


def test_of_a_huge_answer_the_beginning_is_kept(world: World) -> None:
    with rude(endless(HEAD + b"\r\n", b"\0y" * 1000)) as receiver:
        endpoint = add(world, receiver.url)
        run_job(world)
        until(lambda: log_of(world, endpoint)[0]["status"] == "delivered")
        (attempt,) = log_of(world, endpoint)[0]["attempts"]
    assert len(attempt["answer"]) == 512


def test_one_slow_receiver_holds_up_nobody_and_has_few_at_a_time(world: World) -> None:
    over, busy, most = threading.Event(), [0], [0]

    def dawdle(line: socket.socket, request: bytes) -> None:
        busy[0] += 1
        most[0] = max(most[0], busy[0])
        over.wait(60)
        answer()(line, request)
        busy[0] -= 1

    with rude(dawdle) as slow, rude(answer()) as quick:
        held, other = add(world, slow.url, ["*"]), add(world, quick.url, ["job.succeeded"])
        run_job(world)
        until(lambda: [d["status"] for d in log_of(world, other)] == ["delivered"])
        assert most[0] in (1, 2)
        assert len(log_of(world, held)) > 3
        over.set()
        until(lambda: {d["status"] for d in log_of(world, held)} == {"delivered"})
        assert most[0] <= 2


def test_gone_ends_the_endpoint_and_the_others_are_told(world: World) -> None:
    with rude(answer(b"", "410 Gone")) as gone, rude(answer()) as watch:
        endpoint = add(world, gone.url, ["job.succeeded"])
        watcher = add(world, watch.url, ["webhook_endpoint.disabled"])
        run_job(world)
        until(lambda: log_of(world, watcher))
        (told,) = log_of(world, watcher)
        assert told["payload"]["data"]["reason"] == "gone"
        shown = world.client.get(f"/v1/webhook_endpoints/{endpoint['id']}").json()
        assert (shown["enabled"], shown["disabled_reason"]) == (False, "gone")
        run_job(world)
        assert len(log_of(world, endpoint)) == 1
        (old,) = log_of(world, endpoint)
        path = f"/v1/webhook_endpoints/{endpoint['id']}"
        redeliver = f"{path}/deliveries/{old['id']}/redeliver"
        assert world.client.post(redeliver).status_code == 409
        enabled = world.client.post(path, json={"enabled": True}).json()
        assert (enabled["enabled"], enabled["disabled_reason"]) == (True, None)
        assert len(gone.seen) == 1


def test_who_fails_for_a_day_is_disabled_and_who_is_enabled_gets_what_waited(world: World) -> None:
    status = ["500 Oops"]
    with rude(lambda line, request: answer(b"", status[0])(line, request)) as receiver:
        endpoint = add(world, receiver.url)
        path = f"/v1/webhook_endpoints/{endpoint['id']}"
        run_job(world)
        until(lambda: world.client.get(path).json()["failures"] == 1)
        change(world, "UPDATE webhook_endpoints SET failing_since = now() - interval '25 hours'")
        make_due(world)
        until(lambda: not world.client.get(path).json()["enabled"])
        assert world.client.get(path).json()["disabled_reason"] == "failing"
        make_due(world)
        status[0] = "200 OK"
        assert log_of(world, endpoint)[0]["status"] == "pending"
        world.client.post(path, json={"enabled": True})
        until(lambda: log_of(world, endpoint)[0]["status"] == "delivered")


def test_who_keeps_failing_is_left_alone_for_a_while_and_given_up_in_the_end(world: World) -> None:
    with rude(answer(b"", "500 Oops")) as receiver:
        endpoint = add(world, receiver.url)
        run_job(world)
        for number in (1, 2, 3, 4, 5):
            until(lambda want=number: len(log_of(world, endpoint)[0]["attempts"]) == want)
            if number == 4:
                with world.hands.db.connect() as conn:
                    quiet = "SELECT quiet_until > now() FROM webhook_endpoints"
                    assert conn.execute(text(quiet)).scalar_one()
                change(world, "UPDATE webhook_deliveries SET attempt = 9")
            make_due(world)
        (told,) = log_of(world, endpoint)
        assert (told["status"], told["next_attempt_at"]) == ("failed", None)
        again = world.client.post(
            f"/v1/webhook_endpoints/{endpoint['id']}/deliveries/{told['id']}/redeliver"
        )
        assert (again.status_code, again.json()["status"]) == (202, "pending")
        make_due(world)
        until(lambda: len(log_of(world, endpoint)[0]["attempts"]) >= 6)
    ids = {request_of(raw)[0]["webhook-id"] for raw in receiver.seen}
    assert ids == {told["id"]}


def test_two_secrets_sign_while_they_overlap(world: World) -> None:
    with rude(answer()) as receiver:
        endpoint = add(world, receiver.url)
        path = f"/v1/webhook_endpoints/{endpoint['id']}"
        keep = {"keep_old_secret_active_for_24_hours": True}
        new = world.client.post(f"{path}/rotate_secret", json=keep).json()["signing_secret"]
        run_job(world)
        headers, body = request_of(until(lambda: receiver.seen)[0])
        for secret in (endpoint["signing_secret"], new):
            assert Webhook(secret).verify(body, headers)
        change(world, "UPDATE webhook_endpoints SET old_until = now()")
        run_job(world)
        headers, body = request_of(until(lambda: receiver.seen[1:])[0])
        assert len(headers["webhook-signature"].split()) == 1
        assert Webhook(new).verify(body, headers)
        last = world.client.post(f"{path}/rotate_secret").json()["signing_secret"]
        assert last not in (new, endpoint["signing_secret"])
        assert "signing_secret" not in world.client.get(path).json()
        assert world.client.get(path).json()["signing_secret_hint"].endswith(last[-4:])


def test_a_job_may_name_its_own_webhook(world: World) -> None:
    secret = "whsec_" + "QUJDREVGR0hJSktMTU5PUFFSU1RVVldY"
    with rude(answer()) as receiver:
        job = run_job(world, webhook=receiver.url, webhook_secret=secret)
        run_job(world)
        headers, body = request_of(until(lambda: receiver.seen)[0])
        assert Webhook(secret).verify(body, headers)
        assert json.loads(body)["data"]["job"] == job
        assert world.client.get("/v1/webhook_endpoints").json()["data"] == []
        (own,) = world.client.get(f"/v1/webhook_endpoints?job={job}").json()["data"]
        assert (own["job"], len(log_of(world, own))) == (job, 1)
        assert secret not in world.client.get(f"/v1/jobs/{job}").text
        events = ["job.queued", "step.*"]
        bare = run_job(world, webhook=f"{receiver.url}/bare", webhook_events=events)
        (own,) = world.client.get(f"/v1/webhook_endpoints?job={bare}").json()["data"]
        kinds = [item["event_type"] for item in log_of(world, own)]
        assert kinds[0] == "job.queued"
        found = until(lambda: [raw for raw in receiver.seen if b"/bare" in raw])
        assert b"webhook-signature" not in found[0]
        assert b"webhook-id" in found[0]
        again = world.client.post(f"/v1/jobs/{job}/retry", json={"from": "s2"}).json()["id"]
        (copied,) = world.client.get(f"/v1/webhook_endpoints?job={again}").json()["data"]
        assert copied["url"] == receiver.url
        assert world.client.delete(f"/v1/jobs/{job}").status_code == 204
        assert world.client.get(f"/v1/webhook_endpoints?job={job}").json()["data"] == []


def test_a_dry_run_tells_nothing(world: World) -> None:
    endpoint = add(world, "http://127.0.0.1:9/", ["*"])
    asset = world.upload()
    assert world.client.post("/v1/plans", json={"plan": caption_plan(asset)}).status_code == 200
    assert log_of(world, endpoint) == []


def test_what_cannot_be_an_endpoint_is_refused(world: World) -> None:
    wrong = [
        ({"url": "ftp://a.example", "event_types": ENDS}, 400, "url_refused", "/url"),
        ({"url": "http://10.0.0.1/", "event_types": ENDS}, 400, "url_refused", "/url"),
        ({"url": "https://u:p@a.example/", "event_types": ENDS}, 400, "url_refused", "/url"),
        ({"url": "https://a.example", "event_types": ["job.*", "nope"]}, 400, "invalid_request",
         "/event_types/1"),
        ({"url": "https://a.example", "event_types": []}, 400, "invalid_request", "event_types"),
        ({"url": "https://a.example"}, 400, "invalid_request", "event_types"),
    ]  # fmt: skip
    for body, status, code, place in wrong:
        sent = world.client.post("/v1/webhook_endpoints", json=body)
        assert (sent.status_code, sent.json()["code"]) == (status, code), body
        assert place in sent.json()["errors"][0]["pointer"]
        assert sent.headers["content-type"] == "application/json"
    for more, at in [
        ({"webhook": "http://169.254.169.254/"}, "/webhook"),
        ({"webhook": "https://a.example", "webhook_events": ["x"]}, "/webhook_events/0"),
        ({"webhook": "https://a.example", "webhook_secret": "whsec_short"}, "/webhook_secret"),
        ({"webhook_events": ["job.*"]}, ""),
    ]:
        sent = world.client.post("/v1/jobs", json={"input": "hello", **more})
        assert sent.status_code == 422
        assert sent.json()["errors"][0]["pointer"] == at
    assert world.client.get("/v1/jobs").json()["data"] == []


def test_there_are_not_more_endpoints_than_can_be_told(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.webhooks.endpoints.MOST", 1)
    endpoint = add(world, "https://a.example")
    body = {"url": "https://b.example", "event_types": ENDS}
    assert world.client.post("/v1/webhook_endpoints", json=body).status_code == 409
    gone = world.client.delete(f"/v1/webhook_endpoints/{endpoint['id']}").json()
    assert (gone["deleted"], gone["object"]) == (True, "webhook_endpoint.deleted")
    assert world.client.delete(f"/v1/webhook_endpoints/{endpoint['id']}").status_code == 404


def test_old_messages_are_forgotten(world: World) -> None:
    endpoint = add(world, "http://127.0.0.1:9/")
    job = run_job(world, webhook="http://127.0.0.1:9/")
    change(world, "UPDATE webhook_deliveries SET created_at = now() - interval '15 days'")
    change(world, "UPDATE webhook_endpoints SET created_at = now() - interval '15 days'")
    with world.hands.db.begin() as conn:
        assert deliveries.forget_old(conn) == 2
    assert log_of(world, endpoint) == []
    assert world.client.get(f"/v1/webhook_endpoints?job={job}").json()["data"] == []
    assert len(world.client.get("/v1/webhook_endpoints").json()["data"]) == 1


def test_an_endless_drip_ends_with_the_time(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medley.net.post.post.__kwdefaults__", {"seconds": 0.5})
    with rude(dripping(HEAD + b"X-Slow: ")) as receiver:
        endpoint = add(world, receiver.url)
        run_job(world)
        until(lambda: log_of(world, endpoint)[0]["attempts"])
        (attempt,) = log_of(world, endpoint)[0]["attempts"]
    assert (attempt["status"], "0.5 seconds" in attempt["error"]) == (None, True)


def be_film(world: World, job: dict[str, Any]) -> None:
    """As if the job had been asked for as a video."""
    change(
        world,
        "UPDATE jobs SET metadata = jsonb_build_object('openai', 'videos')"
        f" WHERE id = '{job['id']}'",
    )


def test_the_ends_of_films_are_told_in_openais_words(world: World) -> None:
    with rude(answer()) as receiver:
        films = add(world, receiver.url, ["video.completed", "video.failed"])
        jobs = add(world, receiver.url, ["*"])
        run_job(world)  # no film
        done, asset = world.plan_job()
        be_film(world, done)
        world.hands.finish_all(asset)
        stopped, _ = world.plan_job()
        be_film(world, stopped)
        world.client.post(stopped["urls"]["cancel"])
        told = [item["payload"] for item in log_of(world, films)]
        every = {item["event_type"] for item in log_of(world, jobs)}
    assert [(item["type"], item["data"]) for item in told] == [
        ("video.completed", {"id": done["id"].replace("job_", "video_")}),
        ("video.failed", {"id": stopped["id"].replace("job_", "video_")}),
    ]
    assert all(item["object"] == "event" and item["created_at"] for item in told)
    assert not [name for name in every if name.startswith("video")]


def test_the_end_of_a_batch_is_told_once(world: World) -> None:
    file = world.upload()
    with rude(answer()) as receiver:
        endpoint = add(world, receiver.url, ["batch.completed", "batch.failed"])
        every = add(world, receiver.url, ["batch.*"])
        others = add(world, receiver.url, ["batch.*"])
        change(world, f"UPDATE webhook_endpoints SET tenant = 'x' WHERE id = '{others['id']}'")
        with world.hands.db.begin() as conn:
            first, second = (
                batches.create(
                    conn,
                    "default",
                    endpoint="/v1/embeddings",
                    input_file=file,
                    metadata={},
                    keep_s=None,
                )
                for _ in range(2)
            )
            for status in ("in_progress", "finalizing", "completed"):
                batches.move(conn, first, status)
            batches.move(conn, second, "cancelled")
        (told,) = [item["payload"] for item in log_of(world, endpoint)]
        kinds = [item["event_type"] for item in log_of(world, every)]
        until(lambda: [d for d in log_of(world, endpoint) if d["status"] == "delivered"])
        sent = [request_of(seen) for seen in receiver.seen]
    assert (told["type"], told["data"]) == ("batch.completed", {"id": first})
    assert kinds == ["batch.completed", "batch.cancelled"]
    ((headers, body),) = [item for item in sent if item[0]["webhook-id"] == told["id"]]
    event = openai.OpenAI(api_key="x").webhooks.unwrap(
        body, headers, secret=endpoint["signing_secret"]
    )
    assert (event.type, event.data.id) == ("batch.completed", first)


def test_the_openai_client_manages_endpoints(world: World) -> None:
    base = "http://127.0.0.1/v1"
    hooks = openai.OpenAI(api_key="x", base_url=base, http_client=world.client).webhooks
    with rude(answer(b"", "202 Accepted")) as receiver:
        types: Any = ["response.completed", "job.failed"]
        made = hooks.create(event_types=types, name="mine", url=receiver.url)
        second = hooks.create(event_types=types, name="other", url="https://b.example")
        assert [item.id for item in hooks.list(limit=1)] == [second.id, made.id]
        assert hooks.retrieve(made.id).url == receiver.url
        assert hooks.update(second.id, name="new").name == "new"
        assert {types[0], "video.failed", "batch.expired"} <= set(hooks.event_types.list().data)
        rotated = hooks.rotate_secret(made.id, keep_old_secret_active_for_24_hours=True)
        tested = hooks.test(made.id, event_type="response.completed")
        assert (tested.status_code, tested.success) == (202, True)
        headers, body = request_of(receiver.seen[0])
        for secret in (made.signing_secret, rotated.signing_secret):
            hooks.verify_signature(body, headers, secret=secret)
        with pytest.raises(openai.InvalidWebhookSignatureError):
            hooks.verify_signature(body + b" ", headers, secret=rotated.signing_secret)
        assert hooks.unwrap(body, headers, secret=made.signing_secret).type == "response.completed"
    with pytest.raises(openai.BadRequestError, match="connection"):
        hooks.test(made.id, event_type="response.completed")
    with pytest.raises(openai.BadRequestError, match=r"eval\.run\.failed"):
        hooks.create(event_types=["eval.run.failed"], name="mine", url="https://a.example")
    assert hooks.delete(made.id).deleted
    with pytest.raises(openai.NotFoundError):
        hooks.retrieve(made.id)

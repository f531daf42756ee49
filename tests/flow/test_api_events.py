"""Event streams on a real port: nothing is lost between the snapshot and what follows, or between
two connections.
"""

import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from api.main import create_app
from medley.settings import Settings
from orchestrator.database import create_engine
from orchestrator.events import Announcer
from tests.flow.api_world import Hands, caption_plan, png, served


class Service:
    """The service on a port, a client of it, and the hands that work for it."""

    def __init__(self, url: str, settings: Settings) -> None:
        assert settings.database_url is not None
        self.client = httpx2.Client(base_url=url, timeout=60)
        self.hands = Hands(create_engine(settings.database_url, pool_size=2))
        self.announcer = Announcer(settings.redis_url)

    def plan_job(self) -> tuple[str, str]:
        """A job of two steps, and its picture."""
        asset = self.client.post("/v1/assets", files={"file": ("a.png", png())}).json()["id"]
        sent = self.client.post("/v1/jobs", json={"plan": caption_plan(asset)})
        return sent.json()["id"], asset

    def finish(self, job: str, asset: str) -> None:
        """Runs the job, and tells listeners as a worker does."""
        self.hands.finish_all(asset)
        self.announcer.stored([job])

    def events(self, path: str, **headers: str) -> Iterator[dict[str, Any]]:
        """The events of a stream as they come."""
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        with self.client.stream("GET", path, headers=headers) as reply:
            assert reply.status_code == 200
            yield from parse(reply.iter_lines())


def parse(lines: Iterator[str]) -> Iterator[dict[str, Any]]:
    """Events of the wire format, comments left out."""
    event: dict[str, Any] = {}
    for line in lines:
        if not line:
            if event:
                yield event
            event = {}
        elif not line.startswith(":"):
            name, _, value = line.partition(": ")
            event[name] = json.loads(value) if name == "data" else value


@pytest.fixture
def service(settings: Settings) -> Iterator[Service]:
    with served(create_app(settings)) as url:
        opened = Service(url, settings)
        yield opened
        opened.client.close()
        opened.hands.db.dispose()


def names(events: list[dict[str, Any]]) -> list[str]:
    """Names of the events, in order."""
    return [event["event"] for event in events if "event" in event]


def test_a_stream_begins_with_a_snapshot_and_ends_with_the_job(service: Service) -> None:
    job, asset = service.plan_job()
    stream = service.events(f"/v1/jobs/{job}/events")
    assert next(stream) == {"retry": "3000"}
    snapshot = next(stream)
    service.finish(job, asset)
    rest = list(stream)
    assert (snapshot["event"], snapshot["data"]["id"]) == ("snapshot", job)
    assert names(rest)[-1] == "job.succeeded"
    numbers = [int(event["id"]) for event in rest]
    assert numbers == list(range(int(snapshot["id"]) + 1, numbers[-1] + 1))


def test_a_stream_that_broke_off_goes_on_where_it_was(service: Service) -> None:
    job, asset = service.plan_job()
    service.finish(job, asset)
    everything = list(service.events(f"/v1/jobs/{job}/events?after=0"))[1:]
    rest = list(service.events(f"/v1/jobs/{job}/events", last_event_id="3"))[1:]
    assert [event["id"] for event in rest] == [event["id"] for event in everything[3:]]
    assert names(everything)[0] == "job.queued"
    assert "snapshot" not in names(everything)


def test_a_job_that_has_ended_tells_its_end_after_the_snapshot(service: Service) -> None:
    job, asset = service.plan_job()
    service.finish(job, asset)
    seen = list(service.events(f"/v1/jobs/{job}/events"))[1:]
    assert names(seen) == ["snapshot", "job.succeeded"]
    assert seen[0]["data"]["status"] == "succeeded"
    last = {"last-event-id": seen[-1]["id"]}
    assert service.client.get(f"/v1/jobs/{job}/events", headers=last).status_code == 204


def test_what_is_not_stored_is_passed_on_without_a_number(service: Service) -> None:
    job, asset = service.plan_job()
    stream = service.events(f"/v1/jobs/{job}/events")
    next(stream), next(stream)
    service.announcer.preview(job, "s1", b"jpeg", "image/jpeg")
    service.announcer.delta(job, "answer", "Hel")
    preview, delta = next(stream), next(stream)
    service.finish(job, asset)
    assert names(list(stream))[-1] == "job.succeeded"
    assert preview["data"]["data"] == {"image": "anBlZw==", "media_type": "image/jpeg"}
    assert (delta["event"], delta["data"]["data"]) == ("text.delta", {"text": "Hel", "at": 0})
    assert "id" not in preview


def test_who_comes_late_sees_the_last_preview(service: Service) -> None:
    job, _ = service.plan_job()
    service.hands.take()
    service.announcer.preview(job, "s1", b"one", "image/jpeg")
    service.announcer.preview(job, "s1", b"two", "image/jpeg")
    while service.client.get("/v1/system").json()["redis"] == "away":
        pass
    stream = service.events(f"/v1/jobs/{job}/events")
    assert names([next(stream), next(stream)]) == ["snapshot"]
    assert next(stream)["data"]["data"]["image"] == "dHdv"


def test_without_redis_the_stream_still_tells_everything(settings: Settings) -> None:
    alone = settings.model_copy(update={"redis_url": "redis://127.0.0.1:9/0"})
    with served(create_app(alone)) as url:
        service = Service(url, alone)
        job, asset = service.plan_job()
        stream = service.events(f"/v1/jobs/{job}/events")
        next(stream), next(stream)
        service.hands.finish_all(asset)
        assert names(list(stream))[-1] == "job.succeeded"
        assert service.client.get("/v1/system").json()["redis"] == "away"
        assert service.client.get("/readyz").status_code == 200


def test_a_submission_can_be_answered_with_its_stream(service: Service) -> None:
    asset = service.client.post("/v1/assets", files={"file": ("a.png", png())}).json()["id"]
    headers = {"accept": "text/event-stream"}
    body = {"plan": caption_plan(asset)}
    with service.client.stream("POST", "/v1/jobs", json=body, headers=headers) as reply:
        service.finish(reply.headers["medley-job-id"], asset)
        seen = names(list(parse(reply.iter_lines())))
    assert (seen[0], seen[-1]) == ("snapshot", "job.succeeded")


def test_the_stream_of_all_jobs_tells_of_each(service: Service) -> None:
    old, asset = service.plan_job()
    stream = service.events("/v1/events")
    next(stream)
    snapshot = next(stream)
    service.finish(old, asset)
    new, _ = service.plan_job()
    ended: set[str] = set()
    while not {f"job.succeeded {old}", f"job.queued {new}"} <= ended:
        event = next(stream)
        ended.add(f"{event['event']} {event['data']['job']}")
    assert [job["id"] for job in snapshot["data"]["data"]] == [old]


def test_the_stream_of_all_jobs_goes_on_where_it_broke_off_in_any_process(
    service: Service, settings: Settings
) -> None:
    job, asset = service.plan_job()
    stream = service.events("/v1/events")
    next(stream)
    snapshot = next(stream)
    stream.close()
    service.finish(job, asset)
    with served(create_app(settings)) as url:
        replica = Service(url, settings)
        again = replica.events("/v1/events", last_event_id=snapshot["id"])
        next(again)
        told = [next(again)]
        while told[-1]["event"] != "job.succeeded":
            told.append(next(again))
        again.close()
        replica.client.close()
        replica.hands.db.dispose()
    numbers = [event["data"]["seq"] for event in told]
    assert numbers == sorted(set(numbers))
    assert "snapshot" not in names(told)
    assert {"step.started", "step.completed", "job.succeeded"} <= set(names(told))
    assert all(int(event["id"]) for event in told)


def test_who_was_away_for_too_long_gets_a_snapshot(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.stream.MOST_MISSED", 0)
    service.plan_job()
    stream = service.events("/v1/events?after=0")
    assert names([next(stream), next(stream)]) == ["snapshot"]
    stream.close()


def test_many_readers_of_one_job_see_the_same(service: Service) -> None:
    job, asset = service.plan_job()
    seen: list[list[str]] = []

    def read() -> None:
        seen.append(names(list(service.events(f"/v1/jobs/{job}/events?after=0"))))

    readers = [threading.Thread(target=read) for _ in range(5)]
    for reader in readers:
        reader.start()
    service.finish(job, asset)
    for reader in readers:
        reader.join(60)
    assert len(seen) == 5
    assert all(found == seen[0] for found in seen)
    assert seen[0][-1] == "job.succeeded"


def test_who_falls_silent_in_the_middle_of_a_body_is_let_go(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.edge.SILENCE_S", 0.2)
    kinds = ("application/json", "application/octet-stream", "multipart/form-data; boundary=x")
    with served(create_app(settings)) as url:
        for path, kind in zip(("/v1/jobs", "/v1/assets", "/v1/jobs"), kinds, strict=True):
            with socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2]))) as line:
                head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {kind}\r\n"
                line.sendall(f"{head}Content-Length: 1000\r\n\r\n--x".encode())
                assert line.recv(100).startswith(b"HTTP/1.1 408")
    assert list((settings.asset_folder / "tmp").iterdir()) == []


def test_the_events_of_an_unknown_job_are_not_found(service: Service) -> None:
    reply = service.client.get("/v1/jobs/job_nowhere/events")
    assert (reply.status_code, reply.json()["code"]) == (404, "not_found")

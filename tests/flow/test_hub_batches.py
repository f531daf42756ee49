"""Requests of several jobs are decoded together, and stay apart in everything else."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Semaphore
from typing import Any

import httpx2
import pytest

from api.main import create_app
from medley.settings import Settings
from orchestrator import engine, invariants
from tests.flow.api_world import served
from tests.flow.hub_world import HubWorld, hub_world
from tests.flow.test_api_events import parse


@pytest.fixture
def world(settings: Settings, tmp_path: Path) -> Iterator[HubWorld]:
    with hub_world(settings, tmp_path) as opened:
        opened.watch("tiny")
        yield opened


def test_plans_and_answers_of_several_jobs_are_one_call_each(world: HubWorld) -> None:
    jobs = [world.ask(f"Hello number {number}") for number in range(3)]
    world.runner.drain("hub")
    assert world.calls[0] == ["plan"] * 3
    assert ["answer"] * 3 in world.calls
    for job in jobs:
        for name in ("plan", "answer"):
            step = world.step(job, name)
            assert (step["status"], step["attempt"]) == ("succeeded", 1), step["error"]
            assert step["usage"]["output_tokens"] > 0
    assert invariants.check(world.conn) == []


def test_a_canceled_job_leaves_the_batch_at_once_and_the_others_stay_whole(
    world: HubWorld,
) -> None:
    jobs = [world.ask(f"Look, {number}", asset=world.picture()) for number in range(3)]
    seen: list[str] = []

    def at(token: int) -> None:
        if token == 2:
            engine.cancel_job(world.conn, "t", jobs[1])
            time.sleep(1.5)  # its keeper looks twice a second
        elif token == 4:
            seen.append(world.step(jobs[1], "plan")["status"])
            seen.append(world.step(jobs[0], "plan")["status"])
            time.sleep(6)  # longer than a child may hold on to a stopped step

    world.at_token(at)
    world.runner.drain("hub")
    assert seen == ["canceled", "running"]
    for job in (jobs[0], jobs[2]):
        step = world.step(job, "plan")
        assert (step["status"], step["attempt"], step["crash_count"]) == ("succeeded", 1, 0)
    row = world.conn.execute("SELECT status FROM jobs WHERE id = %s", [jobs[1]]).fetchone()
    assert row == ("canceled",)
    assert invariants.check(world.conn) == []


@pytest.mark.parametrize("number", [1, 3])
def test_an_answer_is_streamed_to_who_listens_to_its_job_and_to_nobody_else(
    world: HubWorld, number: int
) -> None:
    with (
        served(create_app(world.settings)) as url,
        httpx2.Client(base_url=url, timeout=120) as client,
        ThreadPoolExecutor(number) as listeners,
    ):
        orders = [{"input": f"Hello {place}"} for place in range(number)]
        jobs = [client.post("/v1/jobs", json=order).json() for order in orders]
        listening = Semaphore(0)

        def listen(job: dict[str, Any]) -> list[dict[str, Any]]:
            with client.stream("GET", job["urls"]["events"]) as reply:
                events = []
                for event in parse(reply.iter_lines()):
                    events.append(event)
                    if event.get("event") == "snapshot":
                        listening.release()
                return events

        heard = [listeners.submit(listen, job) for job in jobs]
        for _ in jobs:
            assert listening.acquire(timeout=60)
        while not all(stream.done() for stream in heard):
            world.runner.drain("hub")
            time.sleep(0.1)
        assert ["plan"] * number in world.calls
        for job, stream in zip(jobs, heard, strict=True):
            deltas = [
                event["data"] for event in stream.result() if event.get("event") == "text.delta"
            ]
            assert {(delta["job"], delta["step"]) for delta in deltas} == {(job["id"], "answer")}
            found = client.get(job["urls"]["self"]).json()
            assert "".join(delta["data"]["text"] for delta in deltas) == found["answer"]["text"]
            used = [step["usage"]["output_tokens"] for step in found["plan"]["steps"]]
            assert found["usage"]["output_tokens"] == sum(used) > 0

"""Requests of several jobs are decoded together, and stay apart in everything else."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from medley.settings import Settings
from orchestrator import engine, invariants
from orchestrator.events import channel, client_url
from tests.flow.hub_world import HubWorld, hub_world


@pytest.fixture
def world(settings: Settings, tmp_path: Path) -> Iterator[HubWorld]:
    with hub_world(settings, tmp_path) as opened:
        yield opened


def test_plans_and_answers_of_several_jobs_are_one_call_each(world: HubWorld) -> None:
    world.watch("tiny")
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


def test_pieces_of_answers_go_to_the_job_that_they_answer(
    world: HubWorld, settings: Settings
) -> None:

    jobs = [world.ask(f"Hello number {number}") for number in range(2)]
    with redis.Redis.from_url(client_url(str(settings.redis_url))) as client:
        heard = client.pubsub(ignore_subscribe_messages=True)
        heard.subscribe(*[channel(job) for job in jobs])
        for _ in jobs:  # each is confirmed, and counts as no message
            heard.get_message(timeout=5.0)
        world.runner.drain("hub")
        pieces = dict.fromkeys(jobs, "")
        while (message := heard.get_message(timeout=1.0)) is not None:
            said = json.loads(message["data"])
            if said["type"] == "delta":
                pieces[message["channel"].decode().removeprefix(channel(""))] += said["text"]
    for job in jobs:
        (part, *_) = world.step(job, "answer")["outputs"]["reply"]
        assert part["text"].strip() == pieces[job].strip()

"""A job whose remote hub is away: what its steps say, and what another hub does for it."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from medley.settings import Settings
from orchestrator import jobs, overview
from orchestrator.database import create_engine
from tests.contract.rough_server import Rough, rough_server
from tests.flow.hub_world import TINY, hub_world

REMOTE = """
[[model]]
id = "server"
backend = "openai"
tools = ["plan", "answer", "describe"]
source = "{url}"
{more}
[model.options]
model = "rough"
retries = 1
timeout_s = 1.0
"""


@pytest.fixture(scope="module")
def rough() -> Iterator[Rough]:
    with rough_server() as server:
        yield server


def test_another_hub_answers_and_the_step_says_which(
    rough: Rough, settings: Settings, tmp_path: Path
) -> None:
    remote = REMOTE.replace("{url}", rough.url("broken")).replace("{more}", 'fallback = "tiny"')
    with hub_world(settings, tmp_path, TINY + remote) as world:
        ids = [world.ask(f"Hello, {number}", model="server") for number in range(2)]
        world.runner.drain("hub")
        engine = create_engine(str(settings.database_url), pool_size=1)
        with engine.connect() as conn:
            found = [jobs.get(conn, "t", job) for job in ids]
            states = overview.model_states(conn)["server"]
        engine.dispose()
        for job in found:
            ran = {step.id: step.model for step in job.steps}
            assert (job.status, ran["plan"], ran["answer"]) == ("succeeded", "tiny", "tiny")
            assert job.usage["output_tokens"] == sum(
                step.usage.get("output_tokens", 0) for step in job.steps
            )
        assert world.step(ids[0], "plan")["model"] == "server"  # a retry asks it again
        assert set(states.values()) == {"away"}
        assert rough.seen("broken") == 4  # two plans, twice each; then it was left alone


def test_without_another_hub_the_step_says_what_is_wrong(
    rough: Rough, settings: Settings, tmp_path: Path
) -> None:
    remote = REMOTE.replace("{url}", rough.url("locked")).replace("{more}", "")
    with hub_world(settings, tmp_path, TINY + remote) as world:
        job = world.ask("Hello", model="server")
        while world.step(job, "answer")["status"] in ("blocked", "ready", "running"):
            world.runner.drain("hub")
            time.sleep(0.2)
        error = world.step(job, "plan")["error"]
        assert (error["code"], error["retryable"]) == ("unavailable", True)
        assert "401 no such key" in error["message"]
        row = world.conn.execute("SELECT status, error FROM jobs WHERE id = %s", [job]).fetchone()
        assert row is not None
        assert row[0] == "failed"
        assert row[1]["code"] == "unavailable"

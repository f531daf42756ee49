"""Aligning over HTTP: pictures and words go in, the worker is killed on the way, and what comes of
it is a model that the next service has, and that says something about a picture.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from api.main import create_app
from medley.cli.main import app
from medley.client import Medley
from medley.guarded import Guarded
from medley.settings import Settings
from orchestrator.database import connect
from tests.contract import encoder_samples
from tests.contract.hub_fixtures import write_tiny_hub
from tests.e2e.test_api_worker import surroundings
from tests.flow.api_world import png, served

pytestmark = pytest.mark.timeout(600)

CATALOGUE = """
[[model]]
id = "tiny/encoder"
like = "starter/encoder"
source = "{home}/encoder"
space = "tiny"
rank = 9

[[model]]
id = "tiny/hub"
like = "starter/hub"
source = "{home}/hub"
space = ""
tools = ["plan", "answer"]
rank = 9
"""
COLOURS = ("red", "green", "blue", "yellow")


@dataclass
class World:
    """A service and its worker."""

    client: Medley
    settings: Settings

    def align(self, pictures: list[str], name: str, **params: Any) -> dict[str, Any]:
        """A submitted training of pictures; the service embeds them."""
        step = {
            "id": "s1",
            "tool": "align",
            "inputs": {
                "media": [{"asset": picture} for picture in pictures],
                "texts": [f"This is {colour}." for colour in COLOURS],
            },
            "params": {"hub": "tiny/hub", "name": name, "tokens": 2, "width": 16, "batch": 4,
                       "keep_every": 20, "seed": 3, **params},
        }  # fmt: skip
        options = {"models": {"embed": "tiny/encoder"}}
        return self.client.post("/v1/jobs", {"plan": {"steps": [step]}, "options": options})

    def ended(self, job: dict[str, Any]) -> dict[str, Any]:
        """The steps of a job that went well, by id."""
        for _ in self.client.events(job["id"]):
            pass
        found = self.client.job(job["id"]).data
        steps = self.client.get(f"/v1/jobs/{job['id']}/steps")["data"]
        assert found["status"] == "succeeded", (found["error"], [s["error"] for s in steps])
        return {step["id"]: step for step in steps}

    def outcomes(self, job: dict[str, Any]) -> list[str]:
        """What became of the attempts of the training, in order."""
        query = "SELECT outcome FROM step_attempts WHERE job = %s AND step = 's1' ORDER BY ended_at"
        with connect(str(self.settings.database_url)) as conn:
            return [row[0] for row in conn.execute(query, [job["id"]])]

    def kill_child_of(self, job: dict[str, Any]) -> None:
        """Kills the process that runs a step of this job."""
        query = (
            "SELECT w.facts->>'pid' FROM steps s JOIN workers w ON w.id = s.worker"
            " WHERE s.job = %s AND s.status = 'running'"
        )
        with connect(str(self.settings.database_url)) as conn:
            row = conn.execute(query, [job["id"]]).fetchone()
        assert row is not None
        os.kill(int(row[0]), signal.SIGKILL)


@contextmanager
def serving(settings: Settings) -> Iterator[World]:
    """A service with a worker for all lanes."""
    environment = {
        **surroundings(settings),
        "MEDLEY_MODEL_FOLDER": str(settings.model_folder),
        "MEDLEY_WORKER_PROCESSES": "1",
        "MEDLEY_LEASE_TTL_S": "3",
        "OMP_NUM_THREADS": "1",
    }
    log = settings.home / "worker.log"
    worker = Guarded([sys.executable, "-m", "workers"], log=log, env=environment)
    with ExitStack() as stack:
        stack.callback(worker.stop)
        url = stack.enter_context(served(create_app(settings)))
        yield World(stack.enter_context(Medley(url)), settings)


@pytest.fixture
def here(settings: Settings, tmp_path: Path) -> Settings:
    """Settings whose catalogue has a tiny encoder and a tiny hub without a connector."""
    encoder_samples.imagebind(tmp_path / "encoder")
    write_tiny_hub(tmp_path / "hub", compact=True, connector=None)
    own = tmp_path / "own"
    own.mkdir()
    (own / "tiny.toml").write_text(CATALOGUE.replace("{home}", str(tmp_path)))
    return settings.model_copy(update={"model_folder": own})


def test_a_killed_training_goes_on_and_its_model_serves_from_the_next_start_on(
    here: Settings, tmp_path: Path
) -> None:
    with serving(here) as world:
        pictures = []
        for colour in COLOURS:
            file = tmp_path / f"{colour}.png"
            file.write_bytes(png(colour))
            file.with_suffix(".txt").write_text(f"This is {colour}.")
            pictures.append(str(world.client.upload(file)["id"]))
        job = world.align(pictures, "broken", steps=250)
        checkpoint = here.trained_folder / "broken" / "checkpoint.safetensors"
        until = time.monotonic() + 300
        while not checkpoint.exists():
            assert time.monotonic() < until, world.client.job(job["id"])
            time.sleep(0.01)
        world.kill_child_of(job)
        broken = world.ended(job)
        assert world.outcomes(job) == ["lost", "succeeded"]
        whole = world.ended(world.align(pictures, "whole", steps=250))
        reports = [found["s1"]["outputs"]["report"]["data"] for found in (broken, whole)]
        np.testing.assert_allclose(reports[0]["losses"], reports[1]["losses"], atol=1e-4)
        assert reports[0]["last"] < reports[0]["first"]
        assert broken["s1"]["outputs"]["curve"]["modality"] == "image"
        assert {step["model"] for step in broken.values()} == {"tiny/encoder", "medley/align"}

        said = CliRunner().invoke(
            app,
            ["align", "--encoder", "tiny/encoder", "--hub", "tiny/hub", "--data", str(tmp_path),
             "--out", "mine", "--steps", "5", "--connector", "upm", "--width", "16", "--apart",
             "-o", str(tmp_path / "out"), "--json", "--url", world.client.url],
        )  # fmt: skip
        assert said.exit_code == 0, said.output
        assert json.loads(said.stdout)["status"] == "succeeded"
        assert list((tmp_path / "out").glob("*.png"))

    with serving(here) as world:
        listed = {row["id"]: row for row in world.client.get("/v1/models")["data"]}
        assert {"broken", "whole", "mine"} <= listed.keys()
        for name in ("broken", "mine"):
            shown = {"media": {"asset": pictures[0]}}
            step = {"id": "s1", "tool": "describe", "inputs": shown, "model": name,
                    "params": {"max_tokens": 8}}  # fmt: skip
            told = world.ended(world.client.post("/v1/jobs", {"plan": {"steps": [step]}}))
            assert told["s1"]["model"] == name
            assert told["s1"]["outputs"]["text"]["type"] == "text"

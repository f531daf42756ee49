"""Each system of the literature through a running service: a tiny checkpoint in the layout of the
hub, a job over HTTP, the engine, a real worker, and outputs of the right kind.
"""

import importlib.util
import io
import os
import sys
import wave
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest
from PIL import Image

from api.main import create_app
from medley.embedded import EmbeddedValkey
from medley.guarded import Guarded
from medley.media import video as videos
from medley.settings import Settings
from tests.flow.api_world import served
from tests.tiny.row import Row, rows

pytestmark = pytest.mark.timeout(600)
ROWS = rows()


@dataclass
class World:
    """A service with a worker for all lanes, and the samples that were uploaded to it."""

    client: httpx2.Client
    samples: dict[str, str]
    log: Path

    def run(self, body: dict[str, Any]) -> dict[str, Any]:
        """A job that has ended."""
        reply = self.client.post("/v1/jobs", json=body, headers={"prefer": "wait=120"})
        assert reply.status_code < 300, reply.text
        job: dict[str, Any] = reply.json()
        while job["status"] in ("queued", "running"):
            with self.client.stream("GET", job["urls"]["events"]) as stream:
                list(stream.iter_lines())
            job = self.client.get(job["urls"]["self"]).json()
        return job


@pytest.fixture(scope="module")
def world(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    module_database_url: str,
    valkey: EmbeddedValkey,
) -> Iterator[World]:
    home = tmp_path_factory.mktemp("rows")
    wanted = {item.callspec.params["row"].name for item in request.session.items
              if item.module is request.module and hasattr(item, "callspec")}  # fmt: skip
    (home / "models").mkdir()
    entries = [_entry(row, home) for row in ROWS if row.name in wanted and not _lacks(row)]
    if entries:
        (home / "models" / "tiny.toml").write_text("\n".join(entries))
    settings = Settings(
        home=home,
        database_url=module_database_url,
        redis_url=valkey.url,
        model_folder=home / "models",
        profile="starter",
    )
    environment = {
        **os.environ,
        "MEDLEY_HOME": str(home),
        "MEDLEY_DATABASE_URL": str(settings.database_url),
        "MEDLEY_REDIS_URL": str(settings.redis_url),
        "MEDLEY_MODEL_FOLDER": str(settings.model_folder),
        "MEDLEY_WORKER_PROCESSES": "1",
        "OMP_NUM_THREADS": "1",
    }
    log = home / "worker.log"
    worker = Guarded([sys.executable, "-m", "workers"], log=log, env=environment)
    try:
        with (
            served(create_app(settings)) as url,
            httpx2.Client(base_url=url, timeout=300) as client,
        ):
            yield World(client, _samples(client, home), log)
    finally:
        worker.stop()


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_a_job_runs_on_a_tiny_checkpoint(world: World, row: Row) -> None:
    if missing := _lacks(row):
        pytest.skip(f"needs {', '.join(missing)}, which the base installation leaves out")
    job = world.run(row.body(row.id, world.samples))
    steps = {step["id"]: step for step in world.client.get(job["urls"]["steps"]).json()["data"]}
    errors = {name: step["error"] for name, step in steps.items() if step["error"]}
    assert job["status"] == "succeeded", (errors, job["error"], world.log.read_text()[-4000:])
    assert row.id in {step["model"] for step in steps.values()}
    for place, modality in row.gives.items():
        name, _, port = place.partition(".")
        parts = steps[name]["outputs"][port]
        assert _modality(parts[0] if isinstance(parts, list) else parts) == modality, parts


def _modality(part: dict[str, Any]) -> str:
    return str(part.get("modality") or part["type"])


def _lacks(row: Row) -> list[str]:
    return [name for name in row.needs if importlib.util.find_spec(name) is None]


def _entry(row: Row, home: Path) -> str:
    """The row's lines of a catalogue file; its checkpoint is written on the way."""
    import torch

    folder = home / row.id
    folder.mkdir(parents=True)
    torch.manual_seed(0)
    row.build(folder)
    lines = [f'[[model]]\nid = "{row.id}"\nlike = "{row.like}"\nsource = "{folder}"']
    lines.append("rank = 100\nmemory_bytes = 50_000_000\nparameters = 0")
    if row.space:
        lines.append(f'space = "{row.space}"')
    if row.options:
        lines.append("[model.options]")
        lines += [f"{name} = {_toml(value)}" for name, value in row.options.items()]
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name} = {_toml(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return repr(value) if isinstance(value, int | float) else f'"{value}"'


def _samples(client: httpx2.Client, home: Path) -> dict[str, str]:
    dice = np.random.default_rng(0)
    pictures = [
        Image.fromarray(dice.integers(0, 255, (48, 64, 3), dtype=np.uint8)) for _ in range(2)
    ]
    film = home / "sample.mp4"
    videos.write(film, [pictures[place % 2] for place in range(16)], fps=8.0)
    files = {
        "image": ("a.png", _png(pictures[0])),
        "image2": ("b.png", _png(pictures[1])),
        "audio": ("a.wav", _wav(dice.normal(0, 0.1, 16_000))),
        "video": ("a.mp4", film.read_bytes()),
    }
    found = {}
    for name, file in files.items():
        reply = client.post("/v1/assets", files={"file": file})
        assert reply.status_code == 201, reply.text
        found[name] = str(reply.json()["id"])
    return found


def _png(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def _wav(samples: "np.ndarray[Any, Any]") -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setparams((1, 2, 16_000, 0, "NONE", ""))
        sound.writeframes((samples.clip(-1, 1) * 32767).astype("<i2").tobytes())
    return file.getvalue()


def test_a_model_is_loaded_and_unloaded_by_a_job(world: World) -> None:
    place = "/v1/models/starter/encoder"
    for action, after in (("unload", "live"), ("load", "loaded"), ("unload", "live")):
        job = world.client.post(f"{place}/{action}").json()
        if job["status"] == "succeeded":  # no worker held it
            continue
        with world.client.stream("GET", job["urls"]["events"]) as stream:
            list(stream.iter_lines())
        (step,) = world.client.get(job["urls"]["steps"]).json()["data"]
        assert (step["status"], step["error"]) == ("succeeded", None), world.log.read_text()[-3000:]
        held = step["outputs"]["models"]["data"]
        assert ("starter/encoder" in held) is (action == "load")
        assert world.client.get(place).json()["status"] == after
    assert world.client.post("/v1/models/medley/media/load").status_code == 422
    assert world.client.post("/v1/models/no/such/load").status_code == 404

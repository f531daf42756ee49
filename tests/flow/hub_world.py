"""A worker of the hub lane inside the test's process: real database, keeper, hooks and catalogue,
with a tiny hub of random weights.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from medley.backend import Control, Request, Result
from medley.ids import new_id
from medley.settings import Settings
from medley.toolset import toolbox
from orchestrator.database import Raw, connect
from orchestrator.engine import Kind, NewJob, NewStep, submit
from orchestrator.relay import make_app
from tests.contract.hub_fixtures import write_tiny_hub
from workers.child import make_runner
from workers.runner import Runner

TINY = """
[[model]]
id = "tiny"
backend = "transformers"
tools = ["plan", "answer", "describe"]
source = "{folder}"
rank = -1
[model.options]
max_words = 24
max_steps = 3
"""


@dataclass
class HubWorld:
    """The runner, a connection of the test's own, and what its backends were asked."""

    runner: Runner
    conn: Raw
    settings: Settings
    calls: list[list[str]] = field(default_factory=list)  # tools of each call, by batch
    tokens: int = 0  # calls of the tiny model

    def ask(self, words: str, model: str = "tiny", asset: str | None = None) -> str:
        """A job whose plan and answer are a hub's."""
        tools = toolbox()
        steps = [
            NewStep.whole_job(tools[kind.value], kind, model=model)
            for kind in (Kind.PLAN, Kind.ANSWER)
        ]
        given: list[dict[str, str]] = [{"type": "text", "text": words}]
        if asset is not None:
            given.insert(0, {"type": "asset", "asset": asset, "modality": "image"})
        return submit(self.conn, NewJob(tenant="t", steps=steps, request={"input": given}))

    def picture(self) -> str:
        """The row of a picture; nobody reads its bytes."""
        asset = new_id("asset")
        self.conn.execute(
            "INSERT INTO assets (id, tenant, sha256, size, modality, media_type)"
            " VALUES (%s, 't', %s, 1, 'image', 'image/png')",
            [asset, asset],
        )
        return asset

    def step(self, job: str, name: str) -> dict[str, Any]:
        """A step's row."""
        row = self.conn.execute(
            "SELECT to_jsonb(s) FROM steps s WHERE job = %s AND id = %s", [job, name]
        ).fetchone()
        assert row is not None
        return dict(row[0])

    def at_token(self, act: Callable[[int], None]) -> None:
        """Calls `act` with the number of each call of the tiny hub's model."""
        backend: Any = self.runner.kitchen.residency.backend("tiny")

        def before(*_: Any) -> None:
            self.tokens += 1
            act(self.tokens)

        backend._model.register_forward_pre_hook(before)

    def watch(self, model: str) -> None:
        """Notes the calls of a model's backend."""
        backend: Any = self.runner.kitchen.residency.backend(model)
        run = backend.run

        def noted(batch: Sequence[Request], control: Control) -> list[Result]:
            self.calls.append([request.tool for request in batch])
            found: list[Result] = run(batch, control)
            return found

        backend.run = noted


@contextmanager
def hub_world(
    settings: Settings, folder: Path, catalogue: str = TINY, **more: Any
) -> Iterator[HubWorld]:
    """Such a worker, alive while the block runs. `{folder}` in the catalogue are the weights."""
    write_tiny_hub(folder / "weights", compact=True)
    models = folder / "models"
    models.mkdir()
    (models / "tiny.toml").write_text(catalogue.replace("{folder}", str(folder / "weights")))
    chosen = settings.model_copy(
        update={"model_folder": models, "lanes": ("hub",), "test_tools": False, **more}
    )
    runner = make_runner(chosen, make_app(chosen))
    assert chosen.database_url is not None
    try:
        with connect(chosen.database_url) as conn:
            yield HubWorld(runner, conn, chosen)
    finally:
        runner.keeping.leave()
        runner.keeping.close()
        runner.link.drop()


def wait_until(holds: Callable[[], bool], seconds: float = 30.0) -> None:
    """Waits for something that another process does."""
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, "it did not come to be"
        time.sleep(0.05)

"""Loading and unloading: which workers have to do something."""

from collections.abc import Mapping
from datetime import UTC, datetime

import pytest

from medley.backend import ModelSpec
from medley.toolset import toolbox
from orchestrator.engine import NewJob
from orchestrator.overview import Worker
from orchestrator.upkeep import Action, NothingToLoad, TooFewWorkers, upkeep_job

MODEL = ModelSpec(id="m", backend="dual", tools=frozenset({"embed"}), memory_bytes=1)


def worker(name: str, *serves: str) -> Worker:
    """A live worker that can load these models."""
    now = datetime.now(UTC)
    return Worker(
        id=name, lanes=["encode"], tools=[], models=[], serves=list(serves), lacks={}, facts={},
        started_at=now, beat_at=now, live=True,
    )  # fmt: skip


def job(
    action: Action, states: Mapping[str, str], wanted: int = 1, model: ModelSpec = MODEL
) -> NewJob:
    """The job where a, b and c can load the model, and d cannot."""
    workers = [worker("a", "m"), worker("b", "m"), worker("c", "m"), worker("d")]
    return upkeep_job("t", action, model, toolbox(), states, workers, wanted)


def places(job: NewJob) -> list[str | None]:
    return [step.worker for step in job.steps]


def words(job: NewJob) -> str:
    return "" if job.plan is None else str(job.plan["reply"]["text"])


def test_a_model_is_unloaded_in_each_worker_that_holds_it() -> None:
    found = job("unload", {"b": "loaded", "a": "loading", "c": "failed"})
    assert (places(found), found.plan) == (["a", "b"], None)


def test_nothing_is_done_where_nobody_holds_it_and_the_job_says_so() -> None:
    found = job("unload", {})
    assert (places(found), words(found)) == ([], "No worker holds m: there is nothing to unload.")
    found = job("load", {"a": "loaded"})
    assert (places(found), words(found)) == ([], "m is held by 1 worker: nothing to load.")


def test_whichever_worker_is_free_loads_it_unless_several_are_wanted() -> None:
    assert places(job("load", {})) == [None]
    assert places(job("load", {}, 2)) == ["a", "b"]
    assert places(job("load", {"a": "loaded"}, 3)) == ["b", "c"]


def test_more_workers_than_can_load_it_are_refused() -> None:
    with pytest.raises(TooFewWorkers, match="4 workers; 3 could"):
        job("load", {"a": "loaded"}, 4)


def test_what_has_no_weights_is_not_loaded() -> None:
    with pytest.raises(NothingToLoad):
        job("load", {}, model=ModelSpec(id="m", backend="search", tools=frozenset({"embed"})))

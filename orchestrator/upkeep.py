"""Upkeep: the jobs that load and unload models."""

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

from medley.backend import ModelSpec
from medley.errors import CallerError
from medley.tools import Toolbox
from orchestrator.engine import NewJob, NewStep
from orchestrator.overview import Worker

Action = Literal["load", "unload"]
_HELD = frozenset({"loading", "loaded", "away"})  #: states of a model that takes up memory


class NothingToLoad(CallerError):
    """The model takes up no memory of a worker."""

    code: ClassVar[str] = "nothing_to_load"
    status: ClassVar[int] = 422


class TooFewWorkers(CallerError):
    """The model cannot be held by so many workers."""

    code: ClassVar[str] = "too_few_workers"
    status: ClassVar[int] = 422

    def __init__(self, model: str, wanted: int, able: int) -> None:
        super().__init__(f"{model} cannot be loaded by {wanted} workers; {able} could hold it now.")


def upkeep_job(
    tenant: str,
    action: Action,
    model: ModelSpec,
    tools: Toolbox,
    states: Mapping[str, str],
    workers: Sequence[Worker] = (),
    wanted: int = 1,
) -> NewJob:
    """A job that loads a model until `wanted` workers hold it, or unloads it in all that do.

    `states` are those of the model by worker, `workers` the live ones. Where nothing has to be done
    the job has no steps and says so. Raises `NothingToLoad` for a model without weights,
    `TooFewWorkers`.
    """
    own = [tools[name] for name in sorted(model.tools) if name in tools]
    if not own or not model.memory_bytes:
        raise NothingToLoad(f"{model.id} has no weights that could be loaded or unloaded.")
    holders = sorted(worker for worker, state in states.items() if state in _HELD)
    if action == "unload":
        places: Sequence[str | None] = holders
    else:
        lane = str(own[0].lane)
        free = [
            worker.id
            for worker in workers
            if worker.id not in holders
            and lane in worker.lanes
            and model.id in (worker.serves or ())
        ]
        places = loading_places(model.id, len(holders), free, wanted)
    tool = tools[action]
    steps = [
        NewStep(
            id=f"{action}{number}",
            tool=tool.name,
            tool_version=tool.version,
            lane=own[0].lane,
            model=model.id,
            max_attempts=tool.max_attempts,
            worker=place,
        )
        for number, place in enumerate(places, 1)
    ]
    plan = None if steps else {"steps": [], "reply": {"text": _idle_words(model.id, len(holders))}}
    return NewJob(tenant=tenant, steps=steps, kind="plan", plan=plan, request={"input": []})


def loading_places(
    model: str, holders: int, free: Sequence[str], wanted: int
) -> Sequence[str | None]:
    """The workers that have to load a model; None: whichever is free first. Raises
    `TooFewWorkers`.
    """
    missing = wanted - holders
    if wanted == 1 and missing == 1:
        return [None]  # even where no worker is there yet
    if missing > len(free):
        raise TooFewWorkers(model, wanted, holders + len(free))
    return sorted(free)[: max(0, missing)]


def _idle_words(model: str, holders: int) -> str:
    if not holders:
        return f"No worker holds {model}: there is nothing to unload."
    return f"{model} is held by {holders} worker{'s' if holders > 1 else ''}: nothing to load."

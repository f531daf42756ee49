"""Upkeep: the jobs that load and unload models."""

from typing import ClassVar, Literal

from medley.backend import ModelSpec
from medley.errors import CallerError
from medley.tools import Toolbox
from orchestrator.engine import NewJob, NewStep

Action = Literal["load", "unload"]


class NothingToLoad(CallerError):
    """The model takes up no memory of a worker."""

    code: ClassVar[str] = "nothing_to_load"
    status: ClassVar[int] = 422


def upkeep_job(
    tenant: str, action: Action, model: ModelSpec, tools: Toolbox, holders: int = 1
) -> NewJob:
    """A job that does this to a model: once for each of the workers that hold it, where it is
    unloaded. Its steps wait in the lane of the model's own tools, for a worker that can load it.

    Raises `NothingToLoad` for a model without weights.
    """
    own = [tools[name] for name in sorted(model.tools) if name in tools]
    if not own or not model.memory_bytes:
        raise NothingToLoad(f"{model.id} has no weights that could be loaded or unloaded.")
    tool = tools[action]
    steps = [
        NewStep(
            id=f"{action}{number}",
            tool=tool.name,
            tool_version=tool.version,
            lane=own[0].lane,
            model=model.id,
            max_attempts=tool.max_attempts,
        )
        for number in range(1, max(1, holders) + 1)
    ]
    return NewJob(tenant=tenant, steps=steps, kind="plan", request={"input": []})

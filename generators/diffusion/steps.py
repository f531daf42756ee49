"""Watching a pipeline's denoising steps: the one mechanism for progress and for stopping.

Half of the diffusers pipelines have no callback or go on to decode after an interrupt. Every one of
them calls `step` of a scheduler once per denoising step, so that call is wrapped for the length of
a `with` block. What the watcher raises leaves the pipeline's loop at once; the pipeline can be used
again afterwards.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any


class Steps:
    """Counts the steps of one call of a pipeline, over all of its schedulers."""

    def __init__(self, stages: int) -> None:
        self._stages = max(1, stages)
        self._counts: dict[str, int] = {}

    def count(self, name: str, planned: int) -> float:
        """Notes one step of this scheduler; gives the share of the whole call that is done, in (0,
        1].
        """
        self._counts[name] = self._counts.get(name, 0) + 1
        share = min(1.0, self._counts[name] / max(1, planned))
        return min(1.0, (len(self._counts) - 1 + share) / self._stages)


Watcher = Callable[[float, Any, Any], None]


@contextmanager
def watched(pipeline: Any, watcher: Watcher) -> Iterator[None]:
    """Calls `watcher(share, call, outcome)` after each denoising step of `pipeline`.

    `share` is how much of the call is done, in (0, 1]; `call` is a `StepCall`; `outcome` is the
    next sample. What the watcher raises ends the pipeline's call.
    """
    schedulers = denoisers(pipeline)
    steps = Steps(len(schedulers))
    with ExitStack() as undo:
        for name, scheduler in schedulers.items():
            undo.enter_context(_wrapped(name, scheduler, steps, watcher))
        yield


@contextmanager
def replaced(owner: Any, name: str, method: Callable[..., Any]) -> Iterator[None]:
    """While this lasts, `method` stands in for the method `name` of this one object.

    An attribute of the object hides the method of its class, and taking it away shows the method
    again. The original signature stays visible: pipelines ask it whether `eta` or `generator` may
    be passed.
    """
    method.__wrapped__ = getattr(owner, name)  # type: ignore[attr-defined]
    before = vars(owner).get(name)
    setattr(owner, name, method)
    try:
        yield
    finally:
        if before is None:
            delattr(owner, name)
        else:
            setattr(owner, name, before)


def denoisers(pipeline: Any) -> dict[str, Any]:
    """The schedulers whose `step` the pipeline calls, by component name."""
    return {
        name: part
        for name, part in pipeline.components.items()
        if callable(getattr(part, "step", None)) and "noising" not in name
    }


class StepCall:
    """What the network said at one step: its output, the timestep, and the sample it was shown."""

    def __init__(
        self, scheduler: Any, output: Any, timestep: Any, sample: Any, level: float | None
    ) -> None:
        self.scheduler = scheduler
        self.output = output
        self.timestep = timestep
        self.sample = sample
        self.level = level  # sigma before the step, where the scheduler has one


@contextmanager
def _wrapped(name: str, scheduler: Any, steps: Steps, watcher: Watcher) -> Iterator[None]:
    original, planned = scheduler.step, dict[str, int]()

    def step(model_output: Any, timestep: Any, sample: Any, *args: Any, **kwargs: Any) -> Any:
        result = original(model_output, timestep, sample, *args, **kwargs)
        outcome = result[0] if isinstance(result, tuple) else result.prev_sample
        call = StepCall(scheduler, model_output, timestep, sample, _level(scheduler))
        if name not in planned:
            planned[name] = _remaining(scheduler, timestep)
        watcher(steps.count(name, planned[name]), call, outcome)
        return result

    with replaced(scheduler, "step", step):
        yield


def _remaining(scheduler: Any, timestep: Any) -> int:
    """How many steps are planned from this one on: what starts from a picture leaves out the first
    ones.
    """
    times = [float(time) for time in scheduler.timesteps]
    try:
        return len(times) - times.index(float(timestep))
    except (ValueError, TypeError, RuntimeError):  # times of its own for each item, or of each call
        return len(times)


def _level(scheduler: Any) -> float | None:
    """The sigma that the step just taken started from."""
    index, sigmas = getattr(scheduler, "step_index", None), getattr(scheduler, "sigmas", None)
    if index is None or sigmas is None or not 0 < index <= len(sigmas):
        return None
    return float(sigmas[index - 1])

"""A batch of sounds, made one after the other: each from its own seed, each failing alone.

Sounds of one batch differ in length, and most models draw their noise for a whole batch at once:
made one by one, a sound is the same whatever else is asked for at the time.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt

from medley.backend import Control, ModelSpec, Request, Result
from medley.errors import BackendError, BadInput, MedleyError, OutOfMemory
from medley.media.values import Audio


class _Left(Exception):
    """This request has to stop, others go on."""


class Progress:
    """How far one request of a batch is."""

    def __init__(self, control: Control, place: int, total: int) -> None:
        self._control, self._place, self._total = control, place, total
        self._calls = 0
        self.expected = 1  # calls of the model that it will take, about

    def call(self) -> None:
        """One more call of the model begins. Raises `StepStopped`, or leaves this request."""
        self.share(self._calls / max(1, self.expected))
        self._calls += 1

    def share(self, done: float) -> None:
        """This much of the request is done, in [0, 1]. Raises as `call` does."""
        if self._control.stopped(self._place):
            raise _Left
        self._control.tick(self._place + min(0.99, done), self._total)


def one_by_one(
    batch: Sequence[Request], control: Control, make: Callable[[Request, Progress], Result]
) -> list[Result]:
    """One result per request, in order. `make` runs without gradients, with torch's generators
    seeded by its request. Raises `StepStopped`.
    """
    results = []
    for place, request in enumerate(batch):
        control.tick(place, len(batch))
        try:
            with _quiet(request.seed):
                results.append(make(request, Progress(control, place, len(batch))))
        except MedleyError as error:
            results.append(Result(error=error))
    control.tick(len(batch), len(batch))
    return results


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """torch's generators start from this seed; afterwards they are as before."""
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield


@contextmanager
def _quiet(seed: int) -> Iterator[None]:
    """Whatever a model raises, as an error of ours."""
    import torch

    try:
        with torch.inference_mode(), seeded(seed):
            yield
    except MedleyError:
        raise
    except _Left as error:
        raise BackendError("The step had to stop.") from error
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise OutOfMemory("There is no room for this; try a shorter one.") from error
    except Exception as error:
        raise BackendError(f"The model failed: {type(error).__name__}: {error}") from error


def sound(samples: npt.NDArray[np.float32], rate: int) -> Result:
    """Samples (channels, n) or (n,) as the output `audio`; peaks beyond 1 are clipped. Raises
    `BackendError` unless there are some and all are finite.
    """
    samples = np.atleast_2d(samples).astype(np.float32, copy=False)
    if not samples.size or not np.isfinite(samples).all():
        raise BackendError("The model gave no sound, or one that is not finite.")
    audio = Audio(samples=np.clip(samples, -1.0, 1.0), rate=rate)
    return Result(outputs={"audio": audio}, usage={"output_seconds": audio.seconds})


def check_ranges(model: ModelSpec, request: Request) -> None:
    """Raises `BadInput` for a parameter outside of what the model can use."""
    for name, value in request.params.items():
        low, high = model.ranges.get(f"{request.tool}.{name}", (-np.inf, np.inf))
        if isinstance(value, int | float) and not low <= value <= high:
            raise BadInput(f"{model.id} takes `{name}` from {low:g} to {high:g}, not {value:g}.")

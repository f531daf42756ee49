"""Memory pressure: what is done, in this order, when a device has no room for a batch.

1. All other models are unloaded and what the allocator keeps is given back.
2. The batch is cut in halves, down to single requests.
3. The request fails, and says so.

What fitted is not run again. Before any of this a backend does what only it can do (decode a
picture in tiles, keep parts of the model in main memory); it raises `OutOfMemory`, or gives it as
the error of a request, when that was not enough.
"""

import gc
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace

from medley.backend import Result
from medley.errors import OutOfMemory

EVICTED, HALVED = 1, 2  #: rungs, as `usage["out_of_memory"]` names them

#: Runs the requests at these places of the batch; one result for each.
Run = Callable[[Sequence[int]], list[Result]]


def relieved(
    run: Run, size: int, make_room: Callable[[], bool], tell: Callable[[int], None]
) -> list[Result]:
    """One result for each request of a batch of this size. `make_room` says whether it helped;
    `tell` hears of each rung that is tried.
    """
    results = _tried(run, range(size))
    short = _short(results)
    if short and make_room():
        tell(EVICTED)
        _put(results, short, _tried(run, short), EVICTED)
        short = _short(results)
    if len(short) > 1:
        tell(HALVED)
        _put(results, short, _halves(run, short), HALVED)
    return results


def give_back() -> None:
    """Frees what nothing refers to any more, on the accelerator, too."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()


def _halves(run: Run, places: Sequence[int]) -> list[Result]:
    middle = (len(places) + 1) // 2
    found: list[Result] = []
    for half in (places[:middle], places[middle:]):
        give_back()
        results = _tried(run, half)
        short = _short(results)
        if short and len(half) > 1:
            _put(results, short, _halves(run, [half[place] for place in short]), HALVED)
        found += results
    return found


def _tried(run: Run, places: Sequence[int]) -> list[Result]:
    try:
        return run(places)
    except OutOfMemory as error:
        return [Result(error=error)] * len(places)


def _short(results: Sequence[Result]) -> list[int]:
    return [place for place, item in enumerate(results) if isinstance(item.error, OutOfMemory)]


def _put(results: list[Result], places: Sequence[int], found: Sequence[Result], rung: int) -> None:
    for place, result in zip(places, found, strict=True):
        usage = {**result.usage, "out_of_memory": max(rung, result.usage.get("out_of_memory", 0))}
        results[place] = replace(result, usage=usage)

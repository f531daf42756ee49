"""Ahead: the next part of a batch is prepared in a thread while one is being run.

Decoding files is the processor's work, running a model the accelerator's; one after the other,
each would wait for the other.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Part = TypeVar("Part")
Ready = TypeVar("Ready")


def ahead(parts: Sequence[Part], prepare: Callable[[Part], Ready]) -> Iterator[Ready]:
    """What `prepare` makes of each part, in order; always one part further than the caller is.

    What `prepare` raises comes out when its part is due.
    """
    if len(parts) < 2:  # nothing to overlap with
        yield from map(prepare, parts)
        return
    with ThreadPoolExecutor(1, thread_name_prefix="ahead") as thread:
        waiting = [thread.submit(prepare, part) for part in parts[:1]]
        for following in [*parts[1:], None]:
            ready = waiting.pop().result()
            if following is not None:
                waiting.append(thread.submit(prepare, following))
            yield ready

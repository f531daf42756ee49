"""Crash points: named places where a process ends at once, for tests.

`MEDLEY_CRASH_AT=<point>[:n],…` kills the process on its n-th pass of a point, the first by default.
With `MEDLEY_CRASH_MARK=<file>` each point fires once for all processes that share the mark, so that
what is started again can go on.
"""

import os
import signal
from collections import Counter

_passed: Counter[str] = Counter()


def crash_point(name: str) -> None:
    """Kills this process here, if it was asked to."""
    for wanted in os.environ.get("MEDLEY_CRASH_AT", "").split(","):
        point, _, number = wanted.partition(":")
        if point == name:
            _passed[name] += 1
            if _passed[name] == int(number or 1) and _first(name):
                os.kill(os.getpid(), signal.SIGKILL)


def _first(name: str) -> bool:
    """Whether no other process has crashed here."""
    mark = os.environ.get("MEDLEY_CRASH_MARK")
    if not mark:
        return True
    try:
        os.close(os.open(f"{mark}.{name}", os.O_CREAT | os.O_EXCL | os.O_WRONLY))
    except FileExistsError:
        return False
    return True

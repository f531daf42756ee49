"""Crash points: named places where a process ends at once, for tests
(`MEDLEY_CRASH_AT=<point>[:n]`).

With `MEDLEY_CRASH_MARK=<file>` each point fires once for all processes that share the file, so that
what is started again can go on.
"""

import os
import signal
from collections import Counter

_passed: Counter[str] = Counter()


def crash_point(name: str) -> None:
    """Kills this process here, on the n-th pass (the first by default), if it was asked to."""
    wanted = os.environ.get("MEDLEY_CRASH_AT", "")
    if not wanted:
        return
    point, _, number = wanted.partition(":")
    if point != name:
        return
    _passed[name] += 1
    if _passed[name] != int(number or 1):
        return
    mark = os.environ.get("MEDLEY_CRASH_MARK")
    if mark:
        try:
            os.close(os.open(mark, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        except FileExistsError:
            return
    os.kill(os.getpid(), signal.SIGKILL)

"""The limited process behind `medley.media.probe`: examines the file on its standard input and
answers in JSON.

Started by path with `python -I`, so that neither the environment nor the working directory can add
code to it.
"""

import contextlib
import ctypes
import json
import os
import resource
import signal
import sys
from pathlib import Path

_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS, _PR_SET_DUMPABLE = 1, 38, 4
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000


def shut_in(memory: int, seconds: float) -> None:
    """Gives up what an examination does not need.

    Limits always hold; the rest where the system has it.
    """
    for limit, value in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CPU, max(1, int(seconds))),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 64),
    ):
        resource.setrlimit(limit, (value, value))
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    # the default action ends the process, whatever it is doing
    signal.setitimer(signal.ITIMER_REAL, seconds)
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if libc.unshare(_CLONE_NEWNET) != 0:
            libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET)


def main() -> None:
    """Reads the limits from the first argument; writes `{"facts": …}` or `{"refused": code, …}`."""
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # decoders that print must not spoil the answer
    settings = json.loads(sys.argv[1])
    shut_in(settings["probe_memory"], settings["probe_seconds"])
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))
    from medley.errors import CallerError, UnsupportedMedia
    from medley.media.examine import examine
    from medley.media.facts import Limits

    data: dict[str, object]
    try:
        with open(0, "rb", closefd=False) as file:
            data = {"facts": examine(file, Limits(**settings)).to_data()}
    except UnsupportedMedia as refused:
        data = {
            "refused": refused.code,
            "found": refused.message.removeprefix("Got ").partition("; accepted")[0],
        }
    except CallerError as refused:
        data = {"refused": refused.code, "message": refused.message}
    json.dump(data, answer)
    answer.flush()
    os._exit(0)  # no decoder's clean-up can change the answer any more


if __name__ == "__main__":
    main()

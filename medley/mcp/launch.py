"""Becomes the command of an attached server: it dies with the process that speaks with it.

Standard library only, started by path: `python -I -S launch.py PARENT COMMAND …`.
"""

import ctypes
import os
import resource
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Takes back the memory limit that was for the speaker alone, and becomes the command."""
    parent, command = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it died before the signal was set
            os._exit(1)
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
    try:
        os.execvp(command[0], command)
    except OSError:
        os._exit(127)


if __name__ == "__main__":
    main()

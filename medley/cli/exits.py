"""Exit codes of the command line: one meaning each. `docs/cli.md` repeats this table."""

from enum import IntEnum

from medley.status import JobStatus


class Exit(IntEnum):
    """What a finished command tells its caller."""

    OK = 0  # done; for a job: it succeeded
    FAILED = 1  # the job failed, or the command did
    USAGE = 2  # wrong options or arguments, a file that is not there
    UNAVAILABLE = 3  # no service answers, or something that it needs does not start
    REFUSED = 4  # the service refused the request (4xx); it says why
    CANCELED = 5  # the job was canceled, or expired before it ran
    WAITING = 6  # the job waits for approval of its plan
    UNSOUND = 7  # `doctor` found something that must be put right
    INTERRUPTED = 130  # Ctrl+C


EPILOG = (
    "Exit codes: 0 done · 1 failed · 2 wrong usage · 3 no service · 4 refused · "
    "5 canceled · 6 waiting for approval · 7 doctor found a fault · 130 interrupted"
)


def exit_of(status: str) -> Exit:
    """The exit code for a job in this state."""
    if status == JobStatus.SUCCEEDED:
        return Exit.OK
    if status == JobStatus.WAITING:
        return Exit.WAITING
    if status in (JobStatus.CANCELED, JobStatus.EXPIRED, JobStatus.CANCELING):
        return Exit.CANCELED
    return Exit.FAILED

"""The states of jobs and steps, each written once."""

from enum import StrEnum


class JobStatus(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"  # accepted, nothing claimed yet
    RUNNING = "running"  # at least one step was claimed
    WAITING = "waiting"  # for approval of its plan, or for input
    CANCELING = "canceling"  # asked to stop; running steps have not ended yet
    SUCCEEDED = "succeeded"  # final
    FAILED = "failed"  # final
    CANCELED = "canceled"  # final
    EXPIRED = "expired"  # final: its start deadline passed before anything ran


class StepStatus(StrEnum):
    """Where a step stands."""

    BLOCKED = "blocked"  # inputs are not there yet
    READY = "ready"  # may run; the row itself is the unsent wake-up
    RUNNING = "running"  # a worker holds a lease on it
    SUCCEEDED = "succeeded"  # final
    CACHED = "cached"  # final: the outputs of an equal step were taken
    FAILED = "failed"  # final, after the last attempt
    DEAD = "dead"  # final: its worker died too often
    CANCELED = "canceled"  # final; wins over a late success
    SKIPPED = "skipped"  # final: something it needs did not succeed


TERMINAL_JOB = frozenset(
    {JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.CANCELED, JobStatus.EXPIRED}
)
DONE_STEP = frozenset({StepStatus.SUCCEEDED, StepStatus.CACHED})
TERMINAL_STEP = DONE_STEP | {
    StepStatus.FAILED,
    StepStatus.DEAD,
    StepStatus.CANCELED,
    StepStatus.SKIPPED,
}


class Lane(StrEnum):
    """Which kind of worker a step needs; each lane is one Celery queue."""

    CPU = "cpu"
    HUB = "hub"
    ENCODE = "encode"
    GENERATE = "generate"

"""What follows, given everything known about a job. Pure.

The SQL functions of the engine do the same next to the rows; a property test holds the two
together, and
`orchestrator.invariants` uses `fold` to check that the state of every job is that of its steps.

The rules:
- a work step whose needs are all done becomes ready, unless the job waits for approval;
- what needs a step that ended without outputs is skipped;
- when everything but the answer is final: if work failed and another round is allowed, the hub
plans again;
  otherwise the answer may run, also after failures, and tells what is there and what is not;
- a job with an answer succeeds if the answer succeeded and at least one leaf of the work is done
(or there was no
  work); a job without one succeeds if all of its work is done; a job whose plan failed has failed,
unless an
  earlier round of it made something;
- a job that was asked to stop ends when nothing of it runs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from medley.status import DONE_STEP, TERMINAL_STEP, JobStatus, StepStatus

_LIVE = frozenset({StepStatus.READY, StepStatus.RUNNING})
_BROKEN = frozenset({StepStatus.FAILED, StepStatus.DEAD})


@dataclass(frozen=True, slots=True, kw_only=True)
class StepView:
    """A step, as far as decisions go."""

    kind: str = "work"  # plan | work | answer
    status: StepStatus = StepStatus.BLOCKED
    needs: frozenset[str] = frozenset()
    round: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class JobView:
    """A job, as far as decisions go."""

    steps: Mapping[str, StepView] = field(default_factory=dict)
    stop: str | None = None  # why it was asked to stop: canceled | expired | anything else
    held: bool = False  # waits for approval, or for input
    round: int = 1
    max_rounds: int = 1

    def with_step(self, name: str, status: StepStatus) -> "JobView":
        """The same job with one step in another state."""
        return replace(self, steps={**self.steps, name: replace(self.steps[name], status=status)})


@dataclass(frozen=True, slots=True)
class Become:
    """A step changes its state."""

    step: str
    status: StepStatus


@dataclass(frozen=True, slots=True)
class PlanAgain:
    """The hub sees what failed and plans another round."""

    round: int


@dataclass(frozen=True, slots=True)
class Finish:
    """The job is over."""

    status: JobStatus


Decision = Become | PlanAgain | Finish


def advance(job: JobView) -> list[Decision]:
    """What should happen next. An empty list: wait for the steps that are ready or running."""
    if job.stop is not None:
        waiting = (StepStatus.BLOCKED, StepStatus.READY)
        canceled = [
            Become(name, StepStatus.CANCELED)
            for name, step in job.steps.items()
            if step.status in waiting
        ]
        return [*canceled] or _end(job)
    changes: list[Decision] = [*_moves(job)]
    return changes or _end(job)


def settle(job: JobView) -> tuple[JobView, Finish | PlanAgain | None]:
    """Applies decisions until nothing follows but to wait, to plan again or to finish."""
    while True:
        decisions = advance(job)
        for decision in decisions:
            if isinstance(decision, Become):
                job = job.with_step(decision.step, decision.status)
            else:
                return job, decision
        if not decisions:
            return job, None


def fold(job: JobView) -> JobStatus:
    """How a job whose steps are all final ended."""
    if job.stop is not None:
        return JobStatus(job.stop) if job.stop in ("canceled", "expired") else JobStatus.FAILED
    done = {name for name, step in job.steps.items() if step.status in DONE_STEP}
    work = {name for name, step in job.steps.items() if step.kind == "work"}
    plans = {name for name, step in job.steps.items() if step.kind == "plan"}
    if plans - done and not work & done:
        return JobStatus.FAILED
    answers = {name for name, step in job.steps.items() if step.kind == "answer"}
    if not answers:
        return JobStatus.SUCCEEDED if work <= done else JobStatus.FAILED
    read = {need for step in job.steps.values() for need in step.needs}
    useful = not work or bool((work & done) - read)
    return JobStatus.SUCCEEDED if answers <= done and useful else JobStatus.FAILED


def _moves(job: JobView) -> list[Become]:
    """Blocked steps that can run now, or never."""
    moves = []
    for name, step in job.steps.items():
        if step.status is not StepStatus.BLOCKED or step.kind == "answer":
            continue
        states = [job.steps[need].status for need in step.needs]
        if any(state in TERMINAL_STEP - DONE_STEP for state in states):
            moves.append(Become(name, StepStatus.SKIPPED))
        elif all(state in DONE_STEP for state in states) and not job.held:
            moves.append(Become(name, StepStatus.READY))
    return moves


def _end(job: JobView) -> list[Decision]:
    """What follows when there are no moves left."""
    others = [step for step in job.steps.values() if step.kind != "answer"]
    if job.held or any(step.status not in TERMINAL_STEP for step in others):
        return []
    answers = {name: step for name, step in job.steps.items() if step.kind == "answer"}
    if any(step.status in _LIVE for step in answers.values()):
        return []
    for name, step in answers.items():
        if step.status is StepStatus.BLOCKED:
            failed = any(
                other.kind == "work" and other.round == job.round and other.status in _BROKEN
                for other in others
            )
            if failed and job.round < job.max_rounds:
                return [PlanAgain(job.round + 1)]
            return [Become(name, StepStatus.READY)]
    return [Finish(fold(job))]

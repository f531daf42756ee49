"""What follows a change of a job's steps, decided purely."""

from medley.status import JobStatus, StepStatus
from orchestrator.advance import Become, Finish, JobView, PlanAgain, StepView, advance, settle

S = StepStatus


def job(**states: tuple[StepStatus, str] | StepStatus) -> JobView:
    """Steps by name: a status, or a status and the names that it needs."""
    steps = {}
    for name, given in states.items():
        status, needs = given if isinstance(given, tuple) else (given, "")
        kind = name if name in ("plan", "answer") else "work"
        steps[name] = StepView(kind=kind, status=status, needs=frozenset(needs.split()))
    return JobView(steps=steps)


def test_a_step_becomes_ready_when_all_that_it_needs_is_done() -> None:
    view = job(a=S.SUCCEEDED, b=S.CACHED, c=(S.BLOCKED, "a b"))
    assert advance(view) == [Become("c", S.READY)]


def test_a_step_waits_while_something_that_it_needs_runs() -> None:
    assert advance(job(a=S.SUCCEEDED, b=S.RUNNING, c=(S.BLOCKED, "a b"))) == []


def test_what_needs_a_failed_step_is_skipped_to_the_end_of_the_chain() -> None:
    view, end = settle(job(a=S.FAILED, b=(S.BLOCKED, "a"), c=(S.BLOCKED, "b")))
    assert [view.steps[name].status for name in "bc"] == [S.SKIPPED, S.SKIPPED]
    assert end == Finish(JobStatus.FAILED)


def test_the_answer_runs_also_after_a_failure() -> None:
    assert advance(job(a=S.FAILED, b=S.SUCCEEDED, answer=S.BLOCKED)) == [Become("answer", S.READY)]


def test_a_job_with_an_answer_and_a_useful_leaf_succeeds() -> None:
    assert advance(job(a=S.FAILED, b=S.SUCCEEDED, answer=S.SUCCEEDED)) == [
        Finish(JobStatus.SUCCEEDED)
    ]


def test_a_job_whose_leaves_all_failed_has_failed_though_it_answered() -> None:
    view = job(a=S.SUCCEEDED, b=(S.FAILED, "a"), answer=S.SUCCEEDED)
    assert advance(view) == [Finish(JobStatus.FAILED)]


def test_a_job_without_an_answer_needs_all_of_its_work() -> None:
    assert advance(job(a=S.SUCCEEDED, b=S.DEAD)) == [Finish(JobStatus.FAILED)]
    assert advance(job(a=S.SUCCEEDED, b=S.CACHED)) == [Finish(JobStatus.SUCCEEDED)]


def test_a_job_whose_plan_failed_still_answers_and_has_failed() -> None:
    assert advance(job(plan=S.FAILED, answer=S.BLOCKED)) == [Become("answer", S.READY)]
    assert advance(job(plan=S.FAILED, answer=S.SUCCEEDED)) == [Finish(JobStatus.FAILED)]


def test_a_held_job_starts_nothing() -> None:
    view = JobView(steps={"a": StepView()}, held=True)
    assert advance(view) == []


def test_a_canceled_job_ends_when_its_last_running_step_has_ended() -> None:
    running = JobView(
        steps={"a": StepView(status=S.RUNNING), "b": StepView(status=S.READY)}, stop="canceled"
    )
    assert advance(running) == [Become("b", S.CANCELED)]
    ended = running.with_step("a", S.CANCELED).with_step("b", S.CANCELED)
    assert advance(ended) == [Finish(JobStatus.CANCELED)]


def test_the_hub_plans_again_after_a_failure_while_rounds_are_left() -> None:
    steps = {
        "plan": StepView(kind="plan", status=S.SUCCEEDED),
        "a": StepView(status=S.FAILED),
        "answer": StepView(kind="answer"),
    }
    assert advance(JobView(steps=steps, max_rounds=2)) == [PlanAgain(2)]
    assert advance(JobView(steps=steps, max_rounds=1)) == [Become("answer", S.READY)]

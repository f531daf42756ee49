"""What the terminal knows of a job, from its events alone."""

from typing import Any

import pytest

from medley.cli.draw import plan_tree
from medley.cli.exits import Exit, exit_of
from medley.client import Event
from medley.client.view import JobView

_STEPS: list[dict[str, Any]] = [
    {"id": "s1", "tool": "describe", "inputs": {"media": {"asset": "asset_1"}}, "status": "ready"},
    {"id": "s2", "tool": "text_to_image", "inputs": {"prompt": {"from": "s1.text"}}},
]


def _event(kind: str, step: str | None = None, **data: Any) -> Event:
    return Event(kind, None, {"type": kind, "step": step, "data": data})


def _view() -> JobView:
    view = JobView("job_1")
    view.apply(Event("snapshot", 1, {"status": "running", "plan": {"steps": _STEPS}}))
    return view


def test_a_snapshot_gives_the_steps_and_what_they_need() -> None:
    assert _view().steps["s2"].needs == ("s1",)


def test_a_step_goes_through_its_states() -> None:
    view = _view()
    states = []
    for kind in ("step.started", "step.retrying", "step.started", "step.completed"):
        view.apply(_event(kind, "s1"))
        states.append(view.steps["s1"].status)

    assert states == ["running", "ready", "running", "succeeded"]


def test_progress_is_kept_when_the_job_is_read_again() -> None:
    view = _view()
    view.apply(_event("step.progress", "s2", done=3, total=30))
    view.read({"status": "running", "plan": {"steps": _STEPS}})

    assert (view.steps["s2"].done, view.steps["s2"].total) == (3, 30)


@pytest.mark.parametrize("kind", ["plan.ready", "plan.revised", "job.waiting"])
def test_a_new_plan_asks_for_the_job(kind: str) -> None:
    assert _view().apply(_event(kind))


def test_an_event_of_an_unknown_step_asks_for_the_job() -> None:
    assert _view().apply(_event("step.started", "s9"))


def test_the_end_of_a_job_is_told_by_its_event() -> None:
    view = _view()
    view.apply(_event("job.failed"))

    assert view.status == "failed"
    assert _event("job.failed").ends_job
    assert not _event("job.queued").ends_job


def test_a_plan_with_a_cycle_is_still_drawn() -> None:
    view = JobView("job_1")
    loop = [{"id": "a", "tool": "x", "needs": ["b"]}, {"id": "b", "tool": "x", "needs": ["a"]}]
    view.read({"status": "failed", "plan": {"steps": loop}})

    assert plan_tree(view)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        ("succeeded", Exit.OK),
        ("failed", Exit.FAILED),
        ("canceled", Exit.CANCELED),
        ("expired", Exit.CANCELED),
        ("waiting", Exit.WAITING),
    ],
)
def test_each_end_of_a_job_has_its_exit_code(status: str, code: Exit) -> None:
    assert exit_of(status) is code

"""The callers' side of the engine: submit, cancel, revise, approve, retry.

Nothing is sent to a broker here: a ready row is its own wake-up. Nudge the relay after the commit.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from medley.errors import CallerError, Conflict, InvalidPlan, NotFound
from medley.ids import new_id
from medley.status import TERMINAL_JOB, JobStatus, StepStatus
from orchestrator.database import Raw
from orchestrator.engine.values import Kind, NewJob, NewStep, check_graph

_DONE = (StepStatus.SUCCEEDED, StepStatus.CACHED)


def submit(conn: Raw, job: NewJob) -> str:
    """Writes a job with its first steps. Raises `InvalidPlan` for a graph that cannot run."""
    check_graph(job.steps)
    if len(job.steps) > job.max_steps + 2:
        raise InvalidPlan(f"{len(job.steps)} steps are more than {job.max_steps}.")
    steps = [step.to_data() for step in job.steps]
    conn.execute("SELECT medley_submit(%s, %s)", [Jsonb(job.to_data()), Jsonb(steps)])
    return job.id


def cancel_job(conn: Raw, tenant: str, job: str, reason: str = "canceled") -> JobStatus:
    """Asks a job to stop; asking again, or asking a finished job, changes nothing."""
    row = conn.execute("SELECT medley_cancel(%s, %s, %s)", [tenant, job, reason]).fetchone()
    if row is None or row[0] is None:
        raise NotFound("job", job)
    return JobStatus(row[0])


class RevisionMoved(CallerError):
    """The plan is not the one that the caller has seen."""

    code, status = "revision_moved", 412


def revise(
    conn: Raw,
    tenant: str,
    job: str,
    plan: Mapping[str, Any],
    steps: Sequence[NewStep],
    *,
    expected: int | None = None,
) -> None:
    """Gives a job that waits at its plan another one, whose steps are `steps`; it goes on waiting.

    `expected` is the revision that it replaces; None: any.
    Raises `NotFound`, `Conflict` (does not wait), `RevisionMoved`, `InvalidPlan`.
    """
    check_graph(steps)
    data = Jsonb([step.to_data() for step in steps])
    answer = conn.execute(
        "SELECT medley_revise(%s, %s, %s, %s, %s)", [tenant, job, expected, Jsonb(dict(plan)), data]
    ).fetchone()
    _expect("revised", answer, job)


def approve(conn: Raw, tenant: str, job: str, *, expected: int | None = None) -> None:
    """Lets a job that waits at its plan run exactly that plan, of revision `expected` if it is
    given. Raises `NotFound`, `Conflict` (does not wait), `RevisionMoved`.
    """
    answer = conn.execute("SELECT medley_approve(%s, %s, %s)", [tenant, job, expected]).fetchone()
    _expect("approved", answer, job)


def give_input(conn: Raw, tenant: str, job: str, turns: Sequence[Mapping[str, Any]]) -> None:
    """Answers the question of a job that waits for input with what was said, the question and the
    reply; the hub plans again. Raises `NotFound`, `Conflict` (does not wait for input).
    """
    answer = conn.execute(
        "SELECT medley_input(%s, %s, %s)", [tenant, job, Jsonb([dict(turn) for turn in turns])]
    ).fetchone()
    _expect("answered", answer, job)


def _expect(wanted: str, answer: Sequence[Any] | None, job: str) -> None:
    found = answer[0] if answer is not None else None
    if found is None:
        raise NotFound("job", job)
    if found == "moved":
        raise RevisionMoved("The plan has been revised since; look at it again.")
    if found != wanted:
        what = "input" if wanted == "answered" else "approval"
        raise Conflict(f"The job is {found}; only a job that waits for {what} can be {wanted}.")


def retry_job(
    conn: Raw,
    tenant: str,
    job: str,
    *,
    start: str = "failed",
    overrides: Mapping[str, Mapping[str, Any]] | None = None,
    key: str | None = None,
    max_gpu_seconds: float | None = None,
) -> str:
    """A new job with the finished steps of an ended one; what failed, or `start` and all after it,
    runs again.

    `overrides` changes parameters of steps; a changed step and all after it run again too. `key`
    asks for it, with this budget.
    Raises `NotFound` for an unknown job or step and `Conflict` for a job that has not ended.
    """
    cursor = conn.cursor(row_factory=dict_row)
    old = cursor.execute(
        "SELECT * FROM jobs WHERE id = %s AND tenant = %s", [job, tenant]
    ).fetchone()
    if old is None:
        raise NotFound("job", job)
    if old["status"] not in TERMINAL_JOB:
        raise Conflict(f"The job is {old['status']}; only an ended job can be retried.")
    rows = cursor.execute(
        "SELECT * FROM steps WHERE job = %s ORDER BY round, position, id", [job]
    ).fetchall()
    edges = cursor.execute("SELECT src, dst FROM edges WHERE job = %s", [job]).fetchall()
    changed = dict(overrides or {})
    for name in (*changed, *(() if start == "failed" else (start,))):
        if name not in {row["id"] for row in rows}:
            raise NotFound("step", name)
    again = _to_run_again(rows, edges, start, set(changed))
    copy = _copy(old, rows, edges, again, changed)
    return submit(conn, replace(copy, key=key, max_gpu_seconds=max_gpu_seconds))


def _to_run_again(
    rows: Sequence[Mapping[str, Any]],
    edges: Sequence[Mapping[str, Any]],
    start: str,
    changed: set[str],
) -> set[str]:
    """Ids of the steps that are not kept."""
    again = {row["id"] for row in rows if row["status"] not in _DONE or row["kind"] == Kind.ANSWER}
    again |= changed
    if start != "failed":
        again.add(start)
    if any(row["kind"] == Kind.PLAN and row["id"] in again for row in rows):
        return {row["id"] for row in rows}  # a new plan makes all work new
    while more := {edge["dst"] for edge in edges if edge["src"] in again} - again:
        again |= more
    return again


def _copy(
    old: Mapping[str, Any],
    rows: Sequence[Mapping[str, Any]],
    edges: Sequence[Mapping[str, Any]],
    again: set[str],
    changed: Mapping[str, Mapping[str, Any]],
) -> NewJob:
    replan = any(row["kind"] == Kind.PLAN and row["id"] in again for row in rows)
    gone = {row["id"] for row in rows if (row["map"] or {}).get("of") in again}
    steps = []
    for row in rows:
        if row["id"] in gone:
            continue  # the step that added it runs again, and adds it again
        if replan and (row["kind"] == Kind.WORK or row["round"] > 1):
            continue
        step = NewStep(
            id=row["id"],
            kind=row["kind"],
            tool=row["tool"],
            tool_version=row["tool_version"],
            model=row["model"],
            lane=row["lane"],
            inputs=row["inputs"],
            params={**row["params"], **changed.get(row["id"], {})},
            seed=row["seed"],
            max_attempts=row["max_attempts"],
            round=1,
            after=[
                edge["src"]
                for edge in edges
                if edge["dst"] == row["id"] and edge["src"] not in gone
            ],
            item_of=(row["map"] or {}).get("of"),
        )
        if row["id"] not in again:
            step = replace(
                step,
                kept=row["outputs"],
                kept_from=row["kept_from"] or old["id"],
                cache_key=row["cache_key"],
            )
        elif "seed" in step.params:
            params = dict(step.params)
            step = replace(step, seed=int(params.pop("seed")), params=params)
        steps.append(step)
    names = (
        "tenant", "kind", "priority", "conversation", "message", "request", "workflow",
        "workflow_version", "options", "metadata", "max_steps", "max_rounds",
    )  # fmt: skip
    return NewJob(
        id=new_id("job"),
        steps=steps,
        plan=None if replan or old["plan"] is None else _changed_plan(old["plan"], changed),
        approve=old["approve"] if replan else "auto",
        retry_of=old["id"],
        **{name: old[name] for name in names},
    )


def _changed_plan(
    plan: Mapping[str, Any], changed: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """The plan with the parameters that its steps will run with."""
    steps = [
        {**step, "params": {**step.get("params", {}), **changed[step["id"]]}}
        if step["id"] in changed
        else step
        for step in plan["steps"]
    ]
    return {**plan, "steps": steps}

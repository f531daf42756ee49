"""What a caller may say to a job that waits: another plan, yes to its plan, the answer to what it
asked.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection

from medley.errors import Conflict
from medley.parts import Part, TextPart
from medley.plan import Plan
from medley.status import JobStatus
from orchestrator import conversations, engine, jobs
from orchestrator.checking import Rules, checked
from orchestrator.database import raw
from orchestrator.intake import new_steps, recipe
from orchestrator.order import InvalidRequest, require_assets


def revise(
    conn: Connection, tenant: str, job_id: str, plan: Plan, expected: int | None, rules: Rules
) -> None:
    """Gives a waiting job this plan, once it has passed the gate; it goes on waiting.

    Raises `NotFound`, `Conflict` (not waiting), `RevisionMoved`, `InvalidPlan`.
    """
    job = jobs.get(conn, tenant, job_id)
    if job.status is not JobStatus.WAITING:
        raise Conflict(f"The job is {job.status}; only a waiting job can be given another plan.")
    taken = {step.id for step in job.steps if step.kind != "work"}
    lowered = checked(conn, tenant, plan, rules, job.options, prefix="/plan", taken=taken)
    lowered = recipe(lowered, rules, job.options)
    steps = new_steps(lowered, rules)
    engine.revise(raw(conn), tenant, job_id, lowered.to_json(), steps, expected=expected)


def approve(
    conn: Connection,
    tenant: str,
    job_id: str,
    plan: Plan | None,
    expected: int | None,
    rules: Rules,
) -> None:
    """Lets a waiting job run exactly the plan it has, or this one if it passes the gate.

    Raises `NotFound`, `Conflict` (not waiting), `RevisionMoved`, `InvalidPlan`.
    """
    if plan is not None:
        revise(conn, tenant, job_id, plan, expected, rules)
        expected = None
    engine.approve(raw(conn), tenant, job_id, expected=expected)


def give_input(conn: Connection, tenant: str, job_id: str, parts: Sequence[Part]) -> None:
    """Answers the question of a job that waits for input; the hub plans with it.

    Raises `NotFound`, `Conflict` (does not wait for input), `InvalidRequest`.
    """
    if not parts:
        fault = {"pointer": "/input", "reason": "There are neither words nor files."}
        raise InvalidRequest(f"/input: {fault['reason']}", errors=[fault])
    require_assets(conn, tenant, parts)
    job = jobs.get(conn, tenant, job_id)
    if job.question is None:
        raise Conflict(f"The job is {job.status}; it has asked nothing.")
    question = [TextPart(text=job.question)]
    asked = said = None
    if job.conversation is not None:
        asked = conversations.last_of_job(conn, tenant, job.conversation, job_id)
        said = conversations.add_message(
            conn, tenant, job.conversation, "user", parts, parent=asked, job=job_id
        ).id
    turns = [_turn("assistant", question, asked), _turn("user", parts, said)]
    engine.give_input(raw(conn), tenant, job_id, turns)


def _turn(role: str, parts: Sequence[Part], message: str | None) -> dict[str, Any]:
    data = [part.model_dump(mode="json") for part in parts]
    return {"role": role, "parts": data, "message": message}

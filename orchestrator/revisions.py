"""Revisions: every plan that a job had, as its events tell it, and how one is edited."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from medley.errors import NotFound
from orchestrator import jobs
from orchestrator.tables import events

_TOLD = ("plan.ready", "plan.revised")


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """A plan that a job had; revision 1 is the first."""

    number: int
    plan: Mapping[str, Any]
    at: datetime


def revisions(conn: Connection, tenant: str, job_id: str) -> list[Revision]:
    """All plans of a job, oldest first; empty before it has one. Raises `NotFound`."""
    view = jobs.get(conn, tenant, job_id)
    told = conn.execute(
        select(events.c.data, events.c.at)
        .where(events.c.job == job_id, events.c.type.in_(_TOLD))
        .order_by(events.c.seq)
    ).all()
    if not told and view.plan is not None:  # given with the job, and never changed
        return [Revision(number=1, plan=view.plan, at=view.created_at)]
    return [
        Revision(number=number, plan=row.data["plan"], at=row.at)
        for number, row in enumerate(told, start=1)
    ]


def revision(conn: Connection, tenant: str, job_id: str, number: int) -> Revision:
    """One of them. Raises `NotFound`."""
    for found in revisions(conn, tenant, job_id):
        if found.number == number:
            return found
    raise NotFound("revision", str(number))


def merged(document: Any, change: Any) -> Any:
    """The document with a JSON merge patch applied (RFC 7396): objects are merged, null removes,
    everything else, lists too, is replaced.
    """
    if not isinstance(change, Mapping):
        return change
    result = dict(document) if isinstance(document, Mapping) else {}
    for name, value in change.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result

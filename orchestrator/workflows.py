"""Workflows: saved plans with typed inputs.

Each version is immutable; a new one needs the number of the last.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from medley.errors import CallerError, Conflict, NotFound
from medley.ids import new_id
from medley.plan import Workflow
from orchestrator.database import Raw
from orchestrator.tables import workflow_versions, workflows


class VersionMoved(CallerError):
    """Somebody else made a new version in the meantime."""

    code: ClassVar[str] = "version_moved"
    status: ClassVar[int] = 412


class ToolTaken(Conflict):
    """Another workflow is published under this name."""

    code: ClassVar[str] = "tool_taken"


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """One version of a workflow."""

    id: str
    tool: str | None  # what it is published as
    version: int
    newest: int
    document: Workflow
    created_at: datetime
    updated_at: datetime  # of this version


def create(conn: Connection, tenant: str, document: Workflow) -> Saved:
    """Saves a first version."""
    workflow_id = new_id("wf")
    conn.execute(
        insert(workflows).values(id=workflow_id, tenant=tenant, name=document.name, version=1)
    )
    _add(conn, workflow_id, 1, document)
    return get(conn, tenant, workflow_id)


def add_version(
    conn: Connection, tenant: str, workflow_id: str, document: Workflow, expected: int | None
) -> Saved:
    """Saves a new version after version `expected` (None: after whichever is the last).

    Raises `NotFound`, `VersionMoved`.
    """
    row = workflows.c
    change = (
        update(workflows)
        .where(row.tenant == tenant, row.id == workflow_id)
        .values(version=row.version + 1, name=document.name, updated_at=func.clock_timestamp())
        .returning(row.version)
    )
    if expected is not None:
        change = change.where(row.version == expected)
    version = conn.execute(change).scalar_one_or_none()
    if version is None:
        newest = get(conn, tenant, workflow_id).newest
        raise VersionMoved(f"Version {newest} is the newest one, not {expected}.")
    _add(conn, workflow_id, version, document)
    return get(conn, tenant, workflow_id)


def get(conn: Connection, tenant: str, workflow_id: str, version: int | None = None) -> Saved:
    """One version, by default the newest. Raises `NotFound`."""
    wanted = workflows.c.version if version is None else version
    row = conn.execute(
        _joined().where(
            workflows.c.tenant == tenant,
            workflows.c.id == workflow_id,
            workflow_versions.c.version == wanted,
        )
    ).first()
    if row is None:
        raise NotFound("workflow", workflow_id if version is None else f"{workflow_id}@{version}")
    return _saved(row)


def find(conn: Connection, tenant: str, reference: str) -> Saved:
    """By `wf_…` (newest) or `wf_…@2`. Raises `NotFound`."""
    workflow_id, at, version = reference.partition("@")
    if not at:
        return get(conn, tenant, workflow_id)
    if not (version.isascii() and version.isdigit() and len(version) < 10):
        raise NotFound("workflow", reference)
    return get(conn, tenant, workflow_id, int(version))


def list_workflows(
    conn: Connection, tenant: str, *, limit: int, after: str | None = None, newest: bool = True
) -> list[Saved]:
    """The newest version of at most `limit` workflows beyond `after`, by age."""
    query = _joined().where(
        workflows.c.tenant == tenant, workflow_versions.c.version == workflows.c.version
    )
    if after is not None:
        query = query.where(workflows.c.id < after if newest else workflows.c.id > after)
    order = workflows.c.id.desc() if newest else workflows.c.id.asc()
    return [_saved(row) for row in conn.execute(query.order_by(order).limit(limit))]


def last_change(conn: Connection, tenant: str) -> tuple[int, datetime | None]:
    """How many workflows there are and when one was changed last: not the same after any change."""
    query = select(func.count(), func.max(workflows.c.updated_at))
    row = conn.execute(query.where(workflows.c.tenant == tenant)).one()
    return row[0], row[1]


def list_versions(conn: Connection, tenant: str, workflow_id: str) -> list[Saved]:
    """All versions, newest first. Raises `NotFound`."""
    rows = conn.execute(
        _joined()
        .where(workflows.c.tenant == tenant, workflows.c.id == workflow_id)
        .order_by(workflow_versions.c.version.desc())
    ).all()
    if not rows:
        raise NotFound("workflow", workflow_id)
    return [_saved(row) for row in rows]


def remove(conn: Connection, tenant: str, workflow_id: str) -> None:
    """Deletes all versions; jobs keep the plans they ran. Raises `NotFound`."""
    gone = conn.execute(
        delete(workflows)
        .where(workflows.c.tenant == tenant, workflows.c.id == workflow_id)
        .returning(workflows.c.id)
    )
    if gone.first() is None:
        raise NotFound("workflow", workflow_id)


def publish(conn: Connection, tenant: str, workflow_id: str, tool: str | None) -> Saved:
    """Makes the newest version a tool of this name from now on; None: it is no tool any more.

    Raises `NotFound`, `ToolTaken`.
    """
    row = workflows.c
    mine = (row.tenant == tenant, row.id == workflow_id)
    others = select(row.id).where(row.tenant == tenant, row.tool == tool, row.id != workflow_id)
    if tool is not None and conn.execute(others).first() is not None:
        raise ToolTaken(f"Another workflow is {tool!r} already.")
    conn.execute(update(workflows).where(*mine).values(tool=tool))
    return get(conn, tenant, workflow_id)


def load_flows(conn: Raw, tenant: str) -> dict[str, Workflow]:
    """The published workflows in their newest versions, by tool."""
    rows = conn.execute(
        "SELECT w.tool, v.document FROM workflows w JOIN workflow_versions v"
        " ON v.workflow = w.id AND v.version = w.version"
        " WHERE w.tenant = %s AND w.tool IS NOT NULL ORDER BY w.tool",
        [tenant],
    )
    return {tool: Workflow.model_validate(document) for tool, document in rows}


def _add(conn: Connection, workflow_id: str, version: int, document: Workflow) -> None:
    data: Mapping[str, Any] = document.model_dump(mode="json", by_alias=True, exclude_none=True)
    conn.execute(
        insert(workflow_versions).values(workflow=workflow_id, version=version, document=data)
    )


def _joined() -> Any:
    return select(
        workflows.c.id,
        workflows.c.tool,
        workflows.c.version.label("newest"),
        workflows.c.created_at,
        workflow_versions.c.version,
        workflow_versions.c.document,
        workflow_versions.c.created_at.label("updated_at"),
    ).join(workflow_versions, workflow_versions.c.workflow == workflows.c.id)


def _saved(row: Row[Any]) -> Saved:
    return Saved(
        id=row.id,
        tool=row.tool,
        version=row.version,
        newest=row.newest,
        document=Workflow.model_validate(row.document),
        created_at=row.created_at,
        updated_at=row.updated_at,
    )

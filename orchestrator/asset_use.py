"""Where an asset is named: in jobs, steps, messages, workflows and open batches; the step cache
lets it go.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Table,
    Text,
    cast,
    delete,
    exists,
    literal,
    or_,
    select,
    union_all,
)

from medley.errors import Conflict
from orchestrator import asset_rows
from orchestrator.tables import (
    batches,
    jobs,
    messages,
    step_cache,
    steps,
    workflow_versions,
    workflows,
)


class AssetInUse(Conflict):
    """Something still refers to this asset."""

    code: ClassVar[str] = "asset_in_use"


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """What names an asset: a job, a conversation, a workflow or an open batch, by its id."""

    kind: str
    id: str


def uses(conn: Connection, tenant: str, asset_id: str, limit: int = 100) -> list[Use]:
    """What names the asset, at most `limit` of them. Raises `NotFound`."""
    asset_rows.get(conn, tenant, asset_id)
    found = union_all(*_places(tenant, asset_id)).subquery()
    newest = select(found).distinct().order_by(found.c.kind, found.c.id.desc()).limit(limit)
    return [Use(kind=row.kind, id=row.id) for row in conn.execute(newest)]


def let_go(conn: Connection, tenant: str, asset_id: str) -> None:
    """Frees an asset of the step cache.

    Raises `NotFound`, or `AssetInUse` when something names it.
    """
    asset_rows.get(conn, tenant, asset_id)
    named = or_(*(exists(place) for place in _places(tenant, asset_id)))
    if conn.execute(select(named)).scalar_one():
        raise AssetInUse("A job, a message, a workflow or an open batch names this asset.")
    conn.execute(
        delete(step_cache).where(
            step_cache.c.tenant == tenant, cast(step_cache.c.outputs, Text).like(_quoted(asset_id))
        )
    )


def is_of_job(conn: Connection, tenant: str, job_id: str, asset_id: str) -> bool:
    """Whether the job was given this asset, or made it."""
    named = _quoted(asset_id)
    of_job = exists().where(
        jobs.c.tenant == tenant,
        jobs.c.id == job_id,
        or_(*(cast(found, Text).like(named) for found in (jobs.c.request, jobs.c.outputs))),
    )
    of_step = exists().where(
        steps.c.tenant == tenant,
        steps.c.job == job_id,
        or_(*(cast(found, Text).like(named) for found in (steps.c.inputs, steps.c.outputs))),
    )
    return bool(conn.execute(select(or_(of_job, of_step))).scalar_one())


def _places(tenant: str, asset_id: str) -> list[Select[str, str]]:
    named = _quoted(asset_id)

    def place(
        kind: str, name: ColumnElement[str], owner: Table, *columns: ColumnElement[Any]
    ) -> Select[str, str]:
        holds = or_(*(cast(column, Text).like(named) for column in columns))
        return select(literal(kind).label("kind"), name.label("id")).where(
            owner.c.tenant == tenant, holds
        )

    document = workflow_versions.c.document
    return [
        place("job", jobs.c.id, jobs, jobs.c.request, jobs.c.plan, jobs.c.outputs),
        place("job", steps.c.job, steps, steps.c.inputs, steps.c.outputs),
        place("conversation", messages.c.conversation, messages, messages.c.parts),
        place("workflow", workflows.c.id, workflows, document).where(
            workflow_versions.c.workflow == workflows.c.id
        ),
        select(literal("batch").label("kind"), batches.c.id.label("id")).where(
            batches.c.tenant == tenant,
            batches.c.ended_at.is_(None),
            batches.c.input_file == asset_id,
        ),
    ]


def _quoted(asset_id: str) -> str:
    return f'%"{asset_id}"%'

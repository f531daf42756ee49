"""Where an asset is named: in jobs, steps, messages and workflows; the step cache lets it go."""

from typing import ClassVar

from sqlalchemy import Connection, Text, cast, delete, exists, or_, select

from medley.errors import Conflict
from orchestrator import asset_rows
from orchestrator.tables import (
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


def let_go(conn: Connection, tenant: str, asset_id: str) -> None:
    """Frees an asset of the step cache.

    Raises `NotFound`, or `AssetInUse` when something names it.
    """
    asset_rows.get(conn, tenant, asset_id)
    named = f'%"{asset_id}"%'
    places = [
        (jobs, (jobs.c.request, jobs.c.plan, jobs.c.outputs)),
        (steps, (steps.c.inputs, steps.c.outputs)),
        (messages, (messages.c.parts,)),
    ]
    uses = [
        exists().where(
            table.c.tenant == tenant, or_(*(cast(column, Text).like(named) for column in columns))
        )
        for table, columns in places
    ]
    uses.append(
        exists().where(
            workflows.c.tenant == tenant,
            workflow_versions.c.workflow == workflows.c.id,
            cast(workflow_versions.c.document, Text).like(named),
        )
    )
    if conn.execute(select(or_(*uses))).scalar_one():
        raise AssetInUse("A job, a message or a workflow names this asset.")
    conn.execute(
        delete(step_cache).where(
            step_cache.c.tenant == tenant, cast(step_cache.c.outputs, Text).like(named)
        )
    )


def is_of_job(conn: Connection, tenant: str, job_id: str, asset_id: str) -> bool:
    """Whether the job was given this asset, or made it."""
    named = f'%"{asset_id}"%'
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

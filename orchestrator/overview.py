"""Overview: workers, lanes and open jobs, as operators see them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import ColumnElement, Connection, func, literal_column, select

from medley.status import StepStatus
from orchestrator.migrations import config
from orchestrator.tables import jobs, models, steps, workers

FRESH: ColumnElement[timedelta] = literal_column(
    "interval '60 seconds'"
)  #: a worker that was silent for longer is not live


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """A worker process."""

    id: str
    lanes: list[str]
    tools: list[str]
    models: list[str]  # in memory
    serves: list[str] | None  # that it can load; None: it does not say
    lacks: Mapping[str, str]  # that it should serve and cannot load -> why
    facts: Mapping[str, Any]
    started_at: datetime
    beat_at: datetime
    live: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """Open jobs of a tenant by status; by lane how many steps of all are ready and running."""

    jobs: Mapping[str, int]
    ready: Mapping[str, int]
    running: Mapping[str, int]


def list_workers(conn: Connection) -> list[Worker]:
    """All known workers, the one heard last first."""
    live = (workers.c.beat_at > func.clock_timestamp() - FRESH).label("live")
    rows = conn.execute(select(workers, live).order_by(workers.c.beat_at.desc()).limit(200))
    return [
        Worker(
            id=row.id,
            lanes=_names(row.lanes),
            tools=_names(row.tools),
            models=_names(row.models),
            serves=None if row.serves is None else _names(row.serves),
            lacks=row.lacks,
            facts=row.facts,
            started_at=row.started_at,
            beat_at=row.beat_at,
            live=row.live,
        )
        for row in rows
    ]


def live_tools(conn: Connection) -> set[str]:
    """Names of the tools that live workers serve."""
    return {
        name.partition("@")[0] for found in list_workers(conn) if found.live for name in found.tools
    }


def model_states(conn: Connection) -> dict[str, dict[str, str]]:
    """By model: the state in each live worker."""
    live = select(workers.c.id).where(workers.c.beat_at > func.clock_timestamp() - FRESH)
    states: dict[str, dict[str, str]] = {}
    for row in conn.execute(select(models).where(models.c.worker.in_(live))):
        states.setdefault(row.id, {})[row.worker] = row.state
    return states


def overview(conn: Connection, tenant: str | None) -> Overview:
    """Counts what is open now. Jobs are those of one tenant; of all, where None is given."""
    counted = select(jobs.c.status, func.count().label("number")).where(
        jobs.c.finished_at.is_(None)
    )
    if tenant is not None:
        counted = counted.where(jobs.c.tenant == tenant)
    open_jobs = conn.execute(counted.group_by(jobs.c.status))
    return Overview(
        jobs={row.status: row.number for row in open_jobs},
        ready=_by_lane(conn, StepStatus.READY),
        running=_by_lane(conn, StepStatus.RUNNING),
    )


def schema_is_current(conn: Connection) -> bool:
    """Whether the tables are those that this code was written for."""
    return MigrationContext.configure(conn).get_current_revision() == _newest_revision()


@lru_cache(maxsize=1)
def _newest_revision() -> str | None:
    return ScriptDirectory.from_config(config()).get_current_head()


def _by_lane(conn: Connection, status: StepStatus) -> dict[str, int]:
    # The status stands in the text, so that the partial index of that status serves.
    rows = conn.execute(
        select(steps.c.lane, func.count().label("number"))
        .where(steps.c.status == literal_column(f"'{status.value}'"))
        .group_by(steps.c.lane)
    )
    return {row.lane: row.number for row in rows}


def _names(value: Any) -> list[str]:
    return sorted(str(item) for item in value or [])

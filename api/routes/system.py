"""The state of the installation, and whether it lives and is ready."""

import platform
from importlib.metadata import version

from fastapi import APIRouter, Response
from sqlalchemy.exc import SQLAlchemyError

from api.schemas.rooms import Health, LaneOut, SystemOut, WorkerOut
from api.state import Here, Service, Tenant
from medley.status import Lane
from orchestrator import overview

router = APIRouter(tags=["system"])
_SHOWN = ("fastapi", "celery", "sqlalchemy", "psycopg", "redis")


@router.get("/v1/system")
def get_system(here: Here, tenant: Tenant) -> SystemOut:
    """Workers, lanes, open jobs and versions."""
    del tenant
    with here.db.connect() as conn:
        workers = overview.list_workers(conn)
        found = overview.overview(conn)
    lanes = {
        lane: LaneOut(
            ready=found.ready.get(lane, 0),
            running=found.running.get(lane, 0),
            workers=sum(worker.live and lane in worker.lanes for worker in workers),
        )
        for lane in sorted({*(item.value for item in Lane), *found.ready, *found.running})
    }
    return SystemOut(
        version=version("medley-orchestrator"),
        versions={"python": platform.python_version(), **{name: version(name) for name in _SHOWN}},
        profile=here.settings.profile,
        redis="connected" if here.feed.alive else "away",
        jobs=dict(found.jobs),
        lanes=lanes,
        workers=[WorkerOut.model_validate(item, from_attributes=True) for item in workers],
    )


@router.get("/healthz")
def get_health() -> Health:
    """Whether this process answers."""
    return Health(status="ok")


@router.get(
    "/readyz", response_model=Health, responses={503: {"model": Health, "description": "Not ready"}}
)
def get_readiness(here: Here, reply: Response) -> Health:
    """Whether requests can be served: the database answers and its tables are current.

    Without Redis jobs are still accepted and run, only later; that is shown, and not unready.
    """
    checks = {"database": _database(here), "redis": "ok" if here.feed.alive else "away"}
    ready = checks["database"] == "ok"
    reply.status_code = 200 if ready else 503
    return Health(status="ok" if ready else "unready", checks=checks)


def _database(here: Service) -> str:
    try:
        with here.db.connect() as conn:
            current = overview.schema_is_current(conn)
    except SQLAlchemyError:
        return "does not answer"
    return "ok" if current else "its tables are not current: run `medley migrate`"

"""The state of the installation, and whether it lives and is ready."""

import platform
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from fastapi import APIRouter, Response
from sqlalchemy.exc import SQLAlchemyError

from api.problems import ApiError
from api.schemas.common import documented
from api.schemas.rooms import Health, HubOut, LaneOut, SystemOut, WorkerOut
from api.state import Here, Service, Tenant
from medley.status import Lane
from orchestrator import overview
from orchestrator.routing import Policy, choose

router = APIRouter(tags=["system"])
METRICS = "text/plain; version=1.0.0; charset=utf-8"
_TEXT: dict[str, Any] = {"schema": {"type": "string"}}
_SHOWN = ("fastapi", "celery", "sqlalchemy", "psycopg", "redis")


@router.get("/v1/system")
def get_system(here: Here, tenant: Tenant) -> SystemOut:
    """Workers, lanes, open jobs of the caller's tenant, and versions."""
    with here.db.connect() as conn:
        workers = overview.list_workers(conn)
        found = overview.overview(conn, tenant)
        hub = _hub(here, overview.model_states(conn))
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
        hub=hub,
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

    Without Redis or a hub jobs are still accepted, and run later; that is shown, and not unready.
    """
    redis = "ok" if here.feed.alive else "away"
    try:
        with here.db.connect() as conn:
            current = overview.schema_is_current(conn)
            hub = _hub(here, overview.model_states(conn)) if current else None
    except SQLAlchemyError:
        current, database, hub = False, "does not answer", None
    else:
        database = "ok" if current else "its tables are not current: run `medley migrate`"
    checks = {"database": database, "redis": redis} | ({"hub": hub.status} if hub else {})
    reply.status_code = 200 if current else 503
    return Health(status="ok" if current else "unready", checks=checks)


@router.get(
    "/metrics",
    response_class=Response,
    responses={
        200: {"description": "Prometheus' text form", "content": {METRICS: _TEXT}},
        **documented(404),
    },
)
def get_metrics(here: Here) -> Response:
    """Metrics for Prometheus. Jobs and steps are those of the whole installation, whichever replica
    is asked; requests are those of this one.
    """
    if here.metrics is None:
        raise ApiError(404, "no_metrics", "Metrics are turned off here (MEDLEY_METRICS).")
    return Response(here.metrics.text(), media_type=METRICS)


def _hub(here: Service, states: Mapping[str, Mapping[str, str]]) -> HubOut | None:
    spec = choose("plan", here.rules.models, Policy())
    if spec is None:
        return None
    away = "away" in states.get(spec.id, {}).values()
    return HubOut(model=spec.id, status="away" if away else "ok", fallback=spec.fallback or None)

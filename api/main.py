"""The HTTP service: `create_app` puts the rooms together. No globals; everything shared lives from
start to stop.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute

from api import openapi, problems, static_page, tracing
from api.agents import server as agents
from api.auth import Auth
from api.edge import Edge
from api.metrics import Metrics
from api.openai import chat, media_routers, responses
from api.openai.reading import MAX_INLINE
from api.routes import (
    assets,
    conversations,
    discovery,
    events,
    job_rooms,
    jobs,
    keys,
    models,
    plans,
    provenance,
    sessions,
    system,
    tools,
    usage,
    webhooks,
    workflows,
)
from api.state import rules_of, running
from api.strict_json import MAX_BYTES
from medley.settings import Settings
from orchestrator.installation import Current

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
#: Rooms that take files, and rooms whose bodies are small JSON.
_FILE_ROOMS = (
    assets.router,
    jobs.router,
    plans.router,
    workflows.router,
    provenance.router,
)
_ROOMS = (
    job_rooms.router,
    events.router,
    tools.router,
    models.router,
    system.router,
    webhooks.router,
    discovery.router,
    keys.router,
    sessions.router,
    usage.router,
)
#: Rooms whose JSON may hold media.
_INLINE_ROOMS = (chat.router, conversations.router, responses.router)
_FORM_OVERHEAD = 4 << 20
_OPENAI = media_routers()


def create_app(settings: Settings | None = None) -> FastAPI:
    """The application. Raises `Unavailable` at its start when no database or Redis is named."""
    found = settings or Settings()
    rules = Current(found, rules_of)
    metrics = Metrics() if found.metrics else None

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with running(app, found, rules, metrics), agents.serving(app):
            yield

    app = FastAPI(
        title="Medley",
        version=version("medley-orchestrator"),
        lifespan=lifespan,
        docs_url=None,  # `static_page` serves it with its own copy of Swagger UI
        redoc_url=None,
        generate_unique_id_function=lambda route: route.name,
        telemetry=tracing.TELEMETRY,
    )
    for router in _FILE_ROOMS:
        app.include_router(router, max_body_size=found.max_upload_bytes + _FORM_OVERHEAD)
    for router in _ROOMS:
        app.include_router(router, max_body_size=MAX_BYTES)
    for router in _INLINE_ROOMS:
        app.include_router(router, max_body_size=MAX_INLINE)
    for router, most in _OPENAI:
        app.include_router(router, max_body_size=most or found.max_upload_bytes + _FORM_OVERHEAD)
    problems.install(
        app, _allowed([*_FILE_ROOMS, *_ROOMS, *_INLINE_ROOMS, *(item for item, _ in _OPENAI)])
    )
    static_page.install(app)
    agents.install(app)
    openapi.install(app)
    app.add_middleware(Auth, open_files=static_page.addresses())
    # The last one is the outermost.
    app.add_middleware(Edge, hosts=_hosts(found), metrics=metrics)
    return app


def _hosts(settings: Settings) -> frozenset[str]:
    """On the loopback interface only its own names are served; elsewhere a proxy decides."""
    return _LOOPBACK | set(settings.allowed_hosts) if settings.host in _LOOPBACK else frozenset()


def _allowed(routers: Sequence[APIRouter]) -> dict[str, list[str]]:
    found: dict[str, set[str]] = {}
    for router in routers:
        for route in router.routes:
            if isinstance(route, APIRoute):
                found.setdefault(route.path_format, set()).update(route.methods or ())
    return {path: sorted(methods) for path, methods in found.items()}

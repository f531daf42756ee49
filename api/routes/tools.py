"""Tools and models: what can be done here, and by what."""

from collections.abc import Mapping

from fastapi import APIRouter

from api.schemas.common import Page, documented, page
from api.schemas.rooms import ModelOut, ToolOut
from api.state import Here, Service, Tenant
from medley.backend import ModelSpec
from medley.errors import NotFound
from medley.tools import Tool
from orchestrator import overview
from orchestrator.routing import Policy, candidates

router = APIRouter(prefix="/v1", tags=["tools and models"])


@router.get("/tools", response_model_exclude_none=True)
def list_tools(here: Here, tenant: Tenant) -> Page[ToolOut]:
    """Every declared tool with its ports, its parameters and whether a worker serves it now."""
    del tenant
    with here.db.connect() as conn:
        live = overview.live_tools(conn)
    found = [_tool(here, tool, live) for tool in here.rules.tools.values()]
    return page(found, len(found))


@router.get("/tools/{name}", response_model_exclude_none=True, responses=documented(404))
def get_tool(name: str, here: Here, tenant: Tenant) -> ToolOut:
    """One tool."""
    del tenant
    tool = here.rules.tools.get(name)
    if tool is None:
        raise NotFound("tool", name)
    with here.db.connect() as conn:
        return _tool(here, tool, overview.live_tools(conn))


@router.get("/models")
def list_models(here: Here, tenant: Tenant) -> Page[ModelOut]:
    """The models of the catalogue, and where they are loaded."""
    del tenant
    with here.db.connect() as conn:
        states = overview.model_states(conn)
    found = [_model(spec, states.get(spec.id, {})) for spec in here.rules.models.values()]
    return page(found, len(found))


@router.get("/models/{model:path}", responses=documented(404))
def get_model(model: str, here: Here, tenant: Tenant) -> ModelOut:
    """One model; its id may contain slashes."""
    del tenant
    spec = here.rules.models.get(model)
    if spec is None:
        raise NotFound("model", model)
    with here.db.connect() as conn:
        return _model(spec, overview.model_states(conn).get(model, {}))


def _tool(here: Service, tool: Tool, live: set[str]) -> ToolOut:
    served_by = candidates(tool.name, here.rules.models.values(), Policy())
    return ToolOut(
        id=tool.name,
        live=tool.name in live,
        models=[spec.id for spec in served_by],
        **tool.schema(),
    )


def _model(spec: ModelSpec, states: Mapping[str, str]) -> ModelOut:
    shown = next(
        (state for state in ("away", "loaded", "loading", "failed") if state in states.values()),
        "available",
    )
    return ModelOut(
        id=spec.id,
        tools=sorted(spec.tools),
        licence=spec.licence,
        commercial=spec.commercial,
        memory_bytes=spec.memory_bytes,
        source=spec.source if "://" not in spec.source else "remote",
        revision=spec.revision,
        space=spec.space,
        about=spec.about,
        status=shown,  # type: ignore[arg-type]
        workers=sorted(worker for worker, state in states.items() if state == "loaded"),
    )

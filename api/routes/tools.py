"""Tools: what can be done here."""

from fastapi import APIRouter

from api.schemas.common import Page, documented, page
from api.schemas.rooms import ToolOut
from api.state import Here, Service, Tenant
from medley.errors import NotFound
from medley.tools import Tool, Toolbox
from orchestrator import overview, workflows
from orchestrator.database import raw
from orchestrator.routing import Policy, candidates
from orchestrator.subplans import with_flows

router = APIRouter(prefix="/v1", tags=["tools and models"])


@router.get("/tools", response_model_exclude_none=True)
def list_tools(here: Here, tenant: Tenant) -> Page[ToolOut]:
    """Every declared tool with its ports, its parameters and whether a worker serves it now."""
    tools, running = _tools(here, tenant)
    found = [_tool(here, tool, running) for tool in tools.values()]
    return page(found, len(found))


@router.get("/tools/{name}", response_model_exclude_none=True, responses=documented(404))
def get_tool(name: str, here: Here, tenant: Tenant) -> ToolOut:
    """One tool."""
    tools, running = _tools(here, tenant)
    if name not in tools:
        raise NotFound("tool", name)
    return _tool(here, tools[name], running)


def _tools(here: Service, tenant: str) -> tuple[Toolbox, Toolbox]:
    """The tools that the tenant has, and those of them that are served now."""
    with here.db.connect() as conn:
        live = overview.live_tools(conn)
        flows = workflows.load_flows(raw(conn), tenant)
    declared = here.rules.tools
    return with_flows(declared, flows), with_flows(declared.only(live), flows)


def _tool(here: Service, tool: Tool, live: Toolbox) -> ToolOut:
    anything = Policy(tools_from=here.rules.servers)
    served_by = candidates(tool.name, here.rules.models.values(), anything)
    return ToolOut(
        id=tool.name,
        live=tool.name in live,
        models=[spec.id for spec in served_by],
        **tool.schema(),
    )

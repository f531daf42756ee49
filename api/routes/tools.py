"""Tools: what can be done here."""

from fastapi import APIRouter

from api.schemas.common import Page, documented, page
from api.schemas.rooms import ToolOut
from api.state import Here, Service, Tenant
from medley.errors import NotFound
from medley.tools import Tool
from orchestrator import overview, workflows
from orchestrator.database import raw
from orchestrator.routing import Policy, candidates
from orchestrator.subplans import with_flows

router = APIRouter(prefix="/v1", tags=["tools and models"])


@router.get("/tools", response_model_exclude_none=True)
def list_tools(here: Here, tenant: Tenant) -> Page[ToolOut]:
    """Every declared tool with its ports, its parameters and whether a worker serves it now."""
    with here.db.connect() as conn:
        live = overview.live_tools(conn)
        flows = workflows.load_flows(raw(conn), tenant)
    tools = with_flows(here.rules.tools, flows)
    running = with_flows(here.rules.tools.only(live), flows)
    found = [_tool(here, tool, set(running)) for tool in tools.values()]
    return page(found, len(found))


@router.get("/tools/{name}", response_model_exclude_none=True, responses=documented(404))
def get_tool(name: str, here: Here, tenant: Tenant) -> ToolOut:
    """One tool."""
    for tool in list_tools(here, tenant).data:
        if tool.id == name:
            return tool
    raise NotFound("tool", name)


def _tool(here: Service, tool: Tool, live: set[str]) -> ToolOut:
    anything = Policy(tools_from=here.rules.servers)
    served_by = candidates(tool.name, here.rules.models.values(), anything)
    return ToolOut(
        id=tool.name,
        live=tool.name in live,
        models=[spec.id for spec in served_by],
        **tool.schema(),
    )

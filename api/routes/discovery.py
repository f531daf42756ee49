"""How machines find out what is here: `/llms.txt`, made from the routes and the declared tools."""

from collections.abc import Iterator
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse

from api.agents.server import INSTRUCTIONS, PATH
from api.agents.toolbox import TOOLS
from api.routes.tools import list_tools
from api.schemas.rooms import ToolOut
from api.state import Here, Tenant

router = APIRouter(tags=["system"])


@router.get(
    "/llms.txt",
    response_class=PlainTextResponse,
    responses={200: {"description": "Markdown", "content": {"text/plain": {}}}},
)
def get_llms_text(request: Request, here: Here, tenant: Tenant) -> PlainTextResponse:
    """What Medley is and how to call it, for language models."""
    tools = list_tools(here, tenant).data
    lines = _lines(str(request.base_url).rstrip("/"), request.app.openapi(), tools)
    return PlainTextResponse("\n".join(lines) + "\n")


def _lines(base: str, document: dict[str, Any], tools: list[ToolOut]) -> Iterator[str]:
    yield f"# {document['info']['title']}"
    yield ""
    yield f"> {INSTRUCTIONS}"
    yield ""
    yield "## Model Context Protocol"
    yield ""
    yield f"- [{base}{PATH}]({base}{PATH}): streamable HTTP; tasks are jobs. Its tools:"
    for tool in TOOLS.values():
        yield f"  - `{tool.name}`: {tool.about}"
    yield ""
    yield "## HTTP"
    yield ""
    yield f"- [OpenAPI]({base}/openapi.json): every route with its schemas"
    yield f"- [Documentation of the routes]({base}/docs): the same for reading"
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            about = (operation.get("description") or operation.get("summary") or "").partition("\n")
            yield f"- `{method.upper()} {path}`: {about[0]}"
    yield ""
    yield "## What plans may use"
    yield ""
    for found in tools:
        if found.planned and found.server is None:  # what is attached is for those with a key
            takes, gives = _ports(found.inputs), _ports(found.outputs)
            note = "" if found.live else " (no worker serves it now)"
            yield f"- `{found.name}` ({takes} → {gives}): {found.about}{note}"


def _ports(ports: dict[str, Any]) -> str:
    kinds = dict.fromkeys(kind for port in ports.values() for kind in port.modalities)
    return ", ".join(kinds) or "nothing"

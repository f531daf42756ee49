"""The MCP server at `/mcp`: streamable HTTP without sessions, so that any replica can answer.

Hosts and origins are judged by `api.edge`, before anything comes here; the SDK's own check is off,
because it knows nothing of a proxy's names.
"""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from mcp import MCPError
from mcp.server.lowlevel import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp_types import (
    INVALID_PARAMS,
    CallToolRequestParams,
    CallToolResult,
    ListToolsResult,
    PaginatedRequestParams,
    TextContent,
)
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from api.agents import library, runs, tasks
from api.agents.caller import LEFT, Caller, handler
from api.agents.listening import Listening
from api.agents.results import result_of
from api.agents.toolbox import TOOLS, AgentTool, ordered
from api.problems import ApiError
from medley.errors import MedleyError, Unavailable
from medley.nearest import nearest_name

logger = logging.getLogger("medley.api")
PATH = "/mcp"
MAX_MESSAGE = 24 << 20  #: bytes of one message, files inside it included
INSTRUCTIONS = (
    "Medley plans and runs requests over words, pictures, sounds and video. Ask for the whole in "
    "one call of `generate` and name media by their asset ids. Everything made stays an asset "
    "(`asset://…`), which later calls can use. A job that takes long goes on by itself: "
    "`job_status` tells how far it is."
)


def install(app: FastAPI) -> None:
    """Adds the room. It speaks JSON-RPC, and describes itself there rather than in OpenAPI."""
    app.add_route(PATH, _Room(), include_in_schema=False)  # type: ignore[arg-type]


@asynccontextmanager
async def serving(app: FastAPI) -> AsyncIterator[None]:
    """Opens the room for the time of the block."""
    manager = StreamableHTTPSessionManager(
        _server(), stateless=True, max_request_body_size=MAX_MESSAGE
    )
    async with manager.run():
        app.state.agents = manager
        yield


class _Room:
    """Hands requests to the server, and notes when their client goes away."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request. Without sessions there is no stream to GET, and nothing to DELETE."""
        if scope["method"] != "POST":
            await Response(status_code=405, headers={"Allow": "POST"})(scope, receive, send)
            return

        async def watched() -> Message:
            message = await receive()
            if message["type"] == "http.disconnect":
                scope[LEFT] = True
            return message

        await scope["app"].state.agents.handle_request(scope, watched, send)


def _server() -> Server[Any]:
    server: Server[Any] = Server(
        "medley",
        version=version("medley-orchestrator"),
        title="Medley",
        instructions=INSTRUCTIONS,
        on_list_tools=handler(_list_tools),
        on_call_tool=handler(_call_tool),
        on_list_resources=handler(library.list_resources),
        on_list_resource_templates=handler(library.list_templates),
        on_read_resource=handler(library.read_resource),
        on_list_prompts=handler(library.list_prompts),
        on_get_prompt=handler(library.get_prompt),
        on_subscriptions_listen=handler(Listening().listen),
    )
    server.extensions[tasks.EXTENSION] = {}
    server.add_request_handler("tasks/get", tasks.TaskParams, handler(tasks.get))
    server.add_request_handler("tasks/update", tasks.UpdateParams, handler(tasks.update))
    server.add_request_handler("tasks/cancel", tasks.TaskParams, handler(tasks.cancel))
    return server


async def _list_tools(caller: Caller, params: PaginatedRequestParams | None) -> ListToolsResult:
    del caller, params
    tools = [tool.declaration() for tool in TOOLS.values()]
    return ListToolsResult(tools=tools, ttl_ms=3_600_000, cache_scope="public")


async def _call_tool(caller: Caller, params: CallToolRequestParams) -> Any:
    tool = TOOLS.get(params.name)
    if tool is None:
        known = nearest_name(params.name, TOOLS)
        raise MCPError(INVALID_PARAMS, f"There is no tool {params.name[:80]!r}. {known}")
    try:
        return await _work(caller, tool, params)
    except MedleyError as error:
        if error.status >= 500 and not isinstance(error, Unavailable):
            logger.error("tool failed tool=%s", tool.name, exc_info=error)
        faults = [f"\n  {fault.get('pointer')}: {fault.get('reason')}" for fault in error.errors]
        return _refused(f"{error.message}{''.join(faults)}")
    except ApiError as error:
        return _refused(str(error.detail))
    except RequestValidationError as error:
        return _refused("; ".join(str(item["msg"]) for item in error.errors()))


async def _work(caller: Caller, tool: AgentTool, params: CallToolRequestParams) -> Any:
    asked = tool.read(params.arguments)
    if tool.order is None:
        assert tool.work is not None
        return await tool.work(caller, asked)
    order = await ordered(caller, tool, asked, tasks.asks(caller))
    if tasks.wanted(caller):
        job = await runs.submit(caller, order)
        return tasks.created(caller, await run_in_threadpool(runs.load, caller, job))
    view = await runs.run(caller, order)
    return await run_in_threadpool(result_of, caller, view)


def _refused(message: str) -> CallToolResult:
    """A result that the agent's model can read and put right."""
    return CallToolResult(content=[TextContent(text=message)], is_error=True)

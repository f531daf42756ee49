"""Talks with one MCP server, once: lists its tools, or calls one that is still what it was.

A process of its own, started by path with `python -I`: a server can exhaust or break this process,
not a worker. It has little memory, no settings and no secrets, and dies with its starter.

    in   JSON on standard input: parent, server {url, token | command, folder}, seconds, most (bytes
         of an answer), and for a call: called, digest, arguments
    out  lines of JSON on standard output: {"began": true} before the call, {"progress": [n, of]},
         and last {"done": …} or {"refused": code, "message": …}
"""

import ctypes
import hashlib
import json
import os
import resource
import signal
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

_PR_SET_PDEATHSIG = 1
_MEMORY = 2 << 30  # bytes of address space
_MAX_PAGES, _MAX_LISTED = 32, 512
_DEFINING = ("name", "description", "inputSchema", "outputSchema")


class _Refused(Exception):
    """Why there is no answer, by code."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


class _Talk:
    """One conversation."""

    def __init__(self, job: dict[str, Any], out: int) -> None:
        self.job, self.out = job, out
        self.denied = 0  # the status with which the server turned us away

    def say(self, **data: Any) -> None:
        """Writes a line of the answer."""
        line = json.dumps(data).encode() + b"\n"
        if len(line) > self.job["most"]:
            raise _Refused("too_large", f"The answer has more than {self.job['most']} bytes.")
        while line:
            line = line[os.write(self.out, line) :]

    async def run(self) -> None:
        """The whole conversation. The answer is given before the server is dismissed."""
        import anyio
        from mcp.client.client import Client

        with anyio.fail_after(self.job["seconds"]):
            async with AsyncExitStack() as left, Client(await self._transport(left)) as client:
                tools = await _listing(client)
                if "called" not in self.job:
                    self.say(done=[{"digest": digest(tool), "tool": tool} for tool in tools])
                    return
                same = [tool for tool in tools if tool.get("name") == self.job["called"]]
                if len(same) != 1 or digest(same[0]) != self.job["digest"]:
                    raise _Refused("changed", "")
                self.say(began=True)
                result = await client.call_tool(
                    self.job["called"], self.job["arguments"], progress_callback=self._progress
                )
                self.say(
                    done=result.model_dump(
                        mode="json",
                        by_alias=True,
                        include={"content", "structured_content", "is_error"},
                    )
                )

    async def _progress(self, progress: float, total: float | None, message: str | None) -> None:
        self.say(progress=[float(progress), float(total or 0)])

    async def _answered(self, response: Any) -> None:
        if response.status_code in (401, 403):
            self.denied = response.status_code

    async def _transport(self, left: AsyncExitStack) -> Any:
        server = self.job["server"]
        if server.get("url"):
            import httpx2
            from mcp.client.streamable_http import streamable_http_client

            token = server.get("token")
            client = httpx2.AsyncClient(
                headers={"Authorization": f"Bearer {token}"} if token else None,
                timeout=self.job["seconds"],
                event_hooks={"response": [self._answered]},
            )
            await left.enter_async_context(client)
            return streamable_http_client(
                server["url"], http_client=client, max_sse_event_size=self.job["most"]
            )
        from mcp.client.stdio import StdioServerParameters, stdio_client

        launch = str(Path(__file__).with_name("launch.py"))
        silence = left.enter_context(open(os.devnull, "w"))  # noqa: SIM115 - closed with the stack
        return stdio_client(
            StdioServerParameters(
                command=sys.executable,
                args=["-I", "-S", launch, str(os.getpid()), *server["command"]],
                cwd=server["folder"] or "/",
            ),
            errlog=silence,
        )


def digest(tool: dict[str, Any]) -> str:
    """SHA-256 of what a server says about a tool."""
    said = {key: tool.get(key) for key in _DEFINING}
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


async def _listing(client: Any) -> list[dict[str, Any]]:
    """All tools, page by page; a list that does not end is refused."""
    tools: list[dict[str, Any]] = []
    cursor: str | None = None
    for _ in range(_MAX_PAGES):
        page = await client.list_tools(cursor=cursor, cache_mode="refresh")
        tools += [tool.model_dump(mode="json", by_alias=True) for tool in page.tools]
        if len(tools) > _MAX_LISTED:
            raise _Refused("too_large", f"The server lists more than {_MAX_LISTED} tools.")
        cursor = page.next_cursor
        if cursor is None:
            return tools
    raise _Refused("too_large", f"The server's list has more than {_MAX_PAGES} pages.")


def _refusal(error: BaseException) -> _Refused:
    """What is told about an exception."""
    import httpx2
    from mcp.shared.exceptions import MCPError
    from mcp_types import CONNECTION_CLOSED

    causes = list(_leaves(error))
    for cause in causes:
        if isinstance(cause, _Refused):
            return cause
    if any(isinstance(cause, MemoryError) for cause in causes):
        return _Refused("too_large", "The server's answer needs too much memory.")
    first = causes[0]
    if isinstance(first, TimeoutError):
        return _Refused("unavailable", "The server did not answer in time.")
    away = isinstance(first, OSError | httpx2.HTTPError)
    if isinstance(first, MCPError):
        away = first.error.code == CONNECTION_CLOSED
    return _Refused("unavailable" if away else "failed", f"{type(first).__name__}: {first}"[:500])


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inside in error.exceptions:
            yield from _leaves(inside)
    else:
        yield error


def _shut_in(parent: int) -> None:
    """Dies with its starter; has a limited memory, which the server's command does not share."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    if hard == resource.RLIM_INFINITY or hard > _MEMORY:
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, hard))


def main() -> None:
    """Reads the question, holds the conversation, writes the answer."""
    job = json.load(sys.stdin.buffer)
    out = os.dup(1)
    os.dup2(2, 1)  # what a library prints must not stand in the answer
    _shut_in(job["parent"])
    talk = _Talk(job, out)
    try:
        import anyio

        anyio.run(talk.run)
    except BaseException as error:  # noqa: BLE001 - whatever a server brings about is an answer
        found = _refusal(error)
        if talk.denied:
            found = _Refused("failed", f"The server wants another token, or one ({talk.denied}).")
        talk.say(refused=found.code, message=found.message)


if __name__ == "__main__":
    main()

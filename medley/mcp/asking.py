"""Asking an attached server: the worker's side of `medley.mcp.talk`.

Blocks, and looks up several times a second, so that a stop is heard. However it ends, the process
is gone afterwards.
"""

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from medley.errors import BackendError, MedleyError, TooLarge, ToolChanged, ToolFailed, Unavailable
from medley.mcp.declaration import CALL_S, one_line
from medley.mcp.listing import Offered
from medley.mcp.snapshot import Server

LIST_S = 30.0  #: seconds that attaching may take
MOST_LISTED = 8 << 20  #: bytes of a list
MOST_GIVEN = 48 << 20  #: bytes of a result, pictures and sounds in base64
_LOOK_S = 0.1
_GOODBYE_S = 1.0  # for a server that is asked to end
_TALK = Path(__file__).with_name("talk.py")
#: All that the process and a server's command learn of their surroundings; never a setting.
_KNOWN = (
    "HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "LOGNAME", "PATH", "SHELL", "TERM", "TMPDIR",
    "USER",
    "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy",
    "SSL_CERT_FILE", "SSL_CERT_DIR",
)  # fmt: skip

#: Told how far a call is: done, and of how much (0: not known). May raise, which ends the call.
Tick = Callable[[float, float], None]


def _deaf(done: float, total: float) -> None:
    """For who does not wait for anything else meanwhile."""


def list_tools(server: Server, *, tick: Tick = _deaf, seconds: float = LIST_S) -> list[Any]:
    """What the server says about its tools: `digest` and `tool` for each.

    Raises `Unavailable`, `TooLarge`, `ToolFailed`.
    """
    found = _Conversation(server, {}, seconds, MOST_LISTED).hold(tick)
    return found if isinstance(found, list) else []


def call_tool(
    server: Server,
    offered: Offered,
    arguments: Mapping[str, Any],
    *,
    tick: Tick = _deaf,
    seconds: float = CALL_S,
    most: int = MOST_GIVEN,
) -> Mapping[str, Any]:
    """What a tool gave: `content`, `structuredContent`, `isError`.

    Raises `Unavailable` before the call, `ToolChanged`, `TooLarge`, and after the call began
    `BackendError` if it may be repeated, else `ToolFailed`.
    """
    question = {"called": offered.called, "digest": offered.digest, "arguments": dict(arguments)}
    talk = _Conversation(server, question, seconds, most)
    try:
        found = talk.hold(tick)
    except Unavailable as error:
        if not talk.began:
            raise
        if offered.declaration.again:
            raise BackendError(error.message) from None
        raise ToolFailed(f"{error.message} Whether it did its work is not known.") from None
    except ToolChanged:
        name, server_name = offered.declaration.name, offered.declaration.server
        raise ToolChanged(
            f"{name} is not what it was when {server_name!r} was attached; look at it and attach "
            "the server again."
        ) from None
    if not isinstance(found, dict):
        raise ToolFailed("The server gave no result.")
    return found


class _Conversation:
    """One process that talks with a server, from its start to its end."""

    def __init__(
        self, server: Server, question: Mapping[str, Any], seconds: float, most: int
    ) -> None:
        self.began = False
        self._most = most
        self._until = time.monotonic() + seconds
        self._job = {
            **question,
            "server": server.model_dump(mode="json"),
            "seconds": seconds,
            "most": most,
            "parent": os.getpid(),
        }
        self._progress = (0.0, 0.0)

    def hold(self, tick: Tick) -> Any:
        """The answer. Raises what `tick` raises, `Unavailable`, `TooLarge`, `ToolChanged`,
        `ToolFailed`.
        """
        with tempfile.TemporaryFile() as question:
            question.write(json.dumps(self._job).encode())
            question.seek(0)
            try:
                process = subprocess.Popen(
                    [sys.executable, "-I", str(_TALK)],
                    stdin=question,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    env={name: os.environ[name] for name in _KNOWN if name in os.environ},
                    cwd="/",
                    start_new_session=True,
                )
            except OSError as error:
                raise Unavailable(f"Nothing can talk with the server: {error}") from error
        assert process.stdout is not None
        polite = False
        try:
            with process.stdout as answer:
                found = self._listen(answer.fileno(), tick)
            polite = True
        finally:
            _end(process, _GOODBYE_S if polite else 0.0)
        return found

    def _listen(self, pipe: int, tick: Tick) -> Any:
        rest, total = bytearray(), 0
        while True:
            tick(*self._progress)
            if time.monotonic() > self._until:
                raise Unavailable("The server did not answer in time.")
            ready, _, _ = select.select([pipe], [], [], _LOOK_S)
            if not ready:
                continue
            piece = os.read(pipe, 1 << 16)
            total += len(piece)
            # Progress is small talk; a server that never stops it is stopped here, too.
            if total > self._most + (1 << 20):
                raise TooLarge(f"The server's answer has more than {self._most} bytes.")
            if not piece:
                raise Unavailable("The process that talks with the server has ended.")
            rest += piece
            if b"\n" not in piece:
                continue
            *lines, rest = rest.split(b"\n")
            for line in lines:
                said = json.loads(line)
                if "done" in said:
                    return said["done"]
                self._hear(said)

    def _hear(self, said: Mapping[str, Any]) -> None:
        if "refused" in said:
            raise _refusal(str(said["refused"]), one_line(str(said.get("message", "")), 500))
        self.began = self.began or "began" in said
        if "progress" in said:
            done, total = said["progress"]
            self._progress = (min(max(done, 0.0), 1e9), min(max(total, 0.0), 1e9))


def _refusal(code: str, message: str) -> MedleyError:
    match code:
        case "changed":
            return ToolChanged(message)
        case "too_large":
            return TooLarge(message)
        case "unavailable":
            return Unavailable(f"The server is not to be had: {message}")
    return ToolFailed(f"The server failed: {message}")


def _end(process: subprocess.Popen[bytes], grace_s: float) -> None:
    """Lets the process end for so long, then kills it; the server's command dies with it."""
    with suppress(subprocess.TimeoutExpired):
        if grace_s:
            process.wait(grace_s)
            return
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()

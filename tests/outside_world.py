"""Builders for tests of tools from outside: real servers as processes, attached for real."""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from generators.outside import OutsideTools
from medley.backend import ModelSpec, Request
from medley.mcp.asking import list_tools
from medley.mcp.listing import read_listing
from medley.mcp.snapshot import Server, Snapshot, save

PROGRAM = Path(__file__).with_name("mcp_server.py")


def on_pipes(folder: Path, program: Path = PROGRAM) -> Server:
    """The server as a command."""
    return Server(command=(sys.executable, str(program)), folder=str(folder))


@contextmanager
def on_a_port(folder: Path, token: str | None = None) -> Iterator[Server]:
    """The server behind an address, while it is needed; with a token only for those who send it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, str(PROGRAM), str(port), *([token] if token else ())],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until = time.monotonic() + 60
        while time.monotonic() < until:
            with socket.socket() as door:
                if door.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield Server(url=f"http://127.0.0.1:{port}/mcp", token=token)
    finally:
        process.kill()
        process.wait()


def attach(home: Path, server: Server, name: str = "paint") -> Path:
    """The snapshot's file, as `medley mcp attach` writes it."""
    listing = read_listing(name, list_tools(server))
    return save(home, Snapshot.of(name, server, listing.tools))


def loaded(path: Path, **options: Any) -> OutsideTools:
    """The backend of an attached server."""
    backend = OutsideTools()
    backend.load(
        ModelSpec(
            id="mcp/paint", backend="mcp", tools=frozenset(), source=str(path), options=options
        ),
        "cpu",
    )
    return backend


def ask(tool: str, text: str | None = None, **params: Any) -> Request:
    """A request to one of its tools."""
    inputs = {} if text is None else {"text": text}
    return Request(tool=f"paint.{tool}", inputs=inputs, params=params)


def write_script(folder: Path, says: list[Any], then: str) -> Path:
    """A server that says these JSON messages, whatever it is asked, and then runs `then`."""
    script = folder / "hostile.py"
    lines = "\n".join(f"print({json.dumps(json.dumps(item))}, flush=True)" for item in says)
    script.write_text(f"import sys, time, os, signal\n{lines}\n{then}\n")
    return script

"""Snapshots: what an attached server offered when it was attached, one file each in `mcp/` of the
home.

The API, the workers and the command line read the same files; a server without a file is not there.
A file is judged at each reading as if a stranger had written it.
"""

import hashlib
import json
import logging
import os
import re
import stat
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, model_validator

from medley.errors import CallerError, NotFound
from medley.mcp.declaration import RESERVED, SERVER, Shape
from medley.mcp.listing import MAX_TOOLS, Offered
from medley.tools import Tool

log = logging.getLogger(__name__)

MAX_BYTES = 4 << 20  #: of a snapshot
MAX_SERVERS = 64
Word = Annotated[str, Field(min_length=1, max_length=4096)]


class BrokenSnapshot(CallerError):
    """A file of an attached server cannot be used; attaching the server again replaces it."""

    code: ClassVar[str] = "broken_snapshot"
    status: ClassVar[int] = 500


def _keeps_secrets(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "https" or parts.hostname in ("127.0.0.1", "::1", "localhost")


class Server(Shape):
    """Where a server is: an address (streamable HTTP), or a command that speaks on its pipes."""

    url: str | None = Field(default=None, max_length=2048, pattern=r"^https?://[^\s@]+$")
    command: tuple[Word, ...] = Field(default=(), max_length=64)
    folder: str = Field(default="", max_length=4096)  # in which the command runs
    token: str | None = Field(default=None, pattern=r"^[!-~]{1,8192}$")  # sent as a bearer token

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.url is None) == (not self.command):
            raise ValueError("a server has an address or a command")
        if self.token is not None and not _keeps_secrets(self.url or ""):
            raise ValueError("a token is sent to https:// addresses and to this machine only")
        return self

    def __str__(self) -> str:
        return self.url or " ".join(self.command)


class Snapshot(Shape):
    """A server and its tools, as they were when it was attached."""

    format: Literal[1] = 1
    name: str = Field(pattern=SERVER)
    server: Server
    attached_at: datetime
    tools: tuple[Offered, ...] = Field(min_length=1, max_length=MAX_TOOLS)
    hash: str = ""

    @model_validator(mode="after")
    def _own_names(self) -> Self:
        names = [item.declaration.name for item in self.tools]
        if self.name in RESERVED or any(
            item.declaration.server != self.name for item in self.tools
        ):
            raise ValueError("a tool is called as if it were not of this server")
        if len(set(names)) != len(names):
            raise ValueError("a tool is there twice")
        return self

    @classmethod
    def of(cls, name: str, server: Server, tools: list[Offered]) -> "Snapshot":
        """A snapshot of now. Raises `ValidationError`."""
        made = cls(name=name, server=server, tools=tuple(tools), attached_at=datetime.now(UTC))
        return made.model_copy(update={"hash": made.digest()})

    def digest(self) -> str:
        """SHA-256 of everything but the hash itself."""
        data = self.model_dump(mode="json", exclude={"hash"})
        return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()

    def offered(self, tool: str) -> Offered | None:
        """The tool that Medley calls so."""
        return next((item for item in self.tools if item.declaration.name == tool), None)


def folder_of(home: Path) -> Path:
    """Where snapshots are kept."""
    return home / "mcp"


def path_of(home: Path, name: str) -> Path:
    """The file of a server. Raises `NotFound` for what cannot be a name."""
    if not re.fullmatch(SERVER, name):
        raise NotFound("attached server", name)
    return folder_of(home) / f"{name}.json"


def save(home: Path, snapshot: Snapshot) -> Path:
    """Writes the file, whole or not at all. It may hold secrets: only its owner reads it."""
    path = path_of(home, snapshot.name)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=path.parent, suffix=".new", delete=False) as file:
        file.write(snapshot.model_dump_json(indent=1, exclude_defaults=True))
    os.replace(file.name, path)
    return path


def load(path: Path) -> Snapshot:
    """The snapshot in a file. Raises `NotFound`, `BrokenSnapshot`."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        raise NotFound("attached server", path.stem) from None
    except OSError as error:
        raise BrokenSnapshot(f"{path} cannot be read: {error.strerror}") from None
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise BrokenSnapshot(f"{path} is no plain file.")
        data = file.read(MAX_BYTES + 1)
    try:
        if len(data) > MAX_BYTES:
            raise ValueError("it is too large")
        found = Snapshot.model_validate_json(data)
        if found.name != path.stem or found.hash != found.digest():
            raise ValueError("it is not what was written")
    except ValidationError as error:
        raise BrokenSnapshot(f"{path}: {error.errors()[0]['msg']}; attach it again.") from None
    except ValueError as error:
        raise BrokenSnapshot(f"{path}: {error}; attach it again.") from None
    return found


def remove(home: Path, name: str) -> None:
    """Forgets a server. Raises `NotFound`."""
    try:
        path_of(home, name).unlink()
    except FileNotFoundError:
        raise NotFound("attached server", name) from None


def files(home: Path) -> list[Path]:
    """The files of attached servers, by name; `MAX_SERVERS` at most."""
    found = sorted(folder_of(home).glob("*.json"))
    return [path for path in found if re.fullmatch(SERVER, path.stem)][:MAX_SERVERS]


def attached(home: Path) -> Iterator[tuple[Path, Snapshot]]:
    """Every server that can be used. One broken file takes away its own tools only."""
    for path in files(home):
        try:
            yield path, load(path)
        except (BrokenSnapshot, NotFound) as error:
            log.warning("mcp.snapshot refused error=%s", error.message)


def attached_tools(home: Path) -> list[Tool]:
    """The tools of all attached servers."""
    return [item.declaration.tool() for _, found in attached(home) for item in found.tools]

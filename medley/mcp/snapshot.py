"""Snapshots: what an attached server offered when it was attached, one file each in `mcp/` of the
home.

The API, the workers and the command line read the same files; a server without a file is not there.
Files come and go while they run: `marks` tells when to read again.
A file is judged at each reading as if a stranger had written it.
"""

import hashlib
import json
import logging
import os
import re
import stat
import tempfile
from collections.abc import Collection, Iterable, Iterator
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
WITHDRAWN = "withdrawn"  #: the folder of what servers have had and have no more
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
    """Attaches a server, in the place of what had its name. The file may hold secrets: only its
    owner reads it.
    """
    path = path_of(home, snapshot.name)
    _withdraw(home, snapshot.name, {item.declaration.name for item in snapshot.tools})
    return _write(path, snapshot)


def _withdraw(home: Path, name: str, kept: Collection[str]) -> None:
    """Writes down which tools the server of this name has had and has no more; no secrets."""
    path = folder_of(home) / WITHDRAWN / f"{name}.json"
    before = {
        item.declaration.name: item
        for found in (path, path_of(home, name))
        for item in _tools_in(found)
        if item.declaration.name not in kept
    }
    if not before:
        path.unlink(missing_ok=True)
        return
    gone = list(before.values())[-MAX_TOOLS:]
    _write(path, Snapshot.of(name, Server(command=(WITHDRAWN,)), gone))


def _tools_in(path: Path) -> tuple[Offered, ...]:
    try:
        return load(path).tools
    except (BrokenSnapshot, NotFound):
        return ()


def _write(path: Path, snapshot: Snapshot) -> Path:
    """The file is there whole or not at all."""
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
    """Detaches a server. What it gave is remembered as withdrawn. Raises `NotFound`."""
    path = path_of(home, name)
    if not path.is_file() and not path.is_symlink():
        raise NotFound("attached server", name)
    _withdraw(home, name, ())
    path.unlink(missing_ok=True)


def files(home: Path) -> list[Path]:
    """The files of attached servers, by name; `MAX_SERVERS` at most."""
    return _files(folder_of(home))


def marks(home: Path) -> frozenset[tuple[str, int, int]]:
    """What is not the same any more after a server was attached or detached: the files of
    attached servers by name, inode and time.
    """
    try:
        with os.scandir(folder_of(home)) as entries:
            return frozenset(
                (entry.name, entry.inode(), entry.stat(follow_symlinks=False).st_mtime_ns)
                for entry in entries
                if entry.name.endswith(".json")
            )
    except FileNotFoundError:  # none yet, or one that went away just now
        return frozenset()


def attached(home: Path) -> Iterator[tuple[Path, Snapshot]]:
    """Every server that can be used. One broken file takes away its own tools only."""
    return _sound(files(home))


def withdrawn(home: Path) -> Iterator[tuple[Path, Snapshot]]:
    """Tools that servers have had and have no more: those of detached ones, and those that were
    missing when a server was attached again.
    """
    return _sound(_files(folder_of(home) / WITHDRAWN))


def _files(folder: Path) -> list[Path]:
    found = sorted(folder.glob("*.json"))
    return [path for path in found if re.fullmatch(SERVER, path.stem)][:MAX_SERVERS]


def _sound(paths: Iterable[Path]) -> Iterator[tuple[Path, Snapshot]]:
    for path in paths:
        try:
            yield path, load(path)
        except (BrokenSnapshot, NotFound) as error:
            log.warning("mcp.snapshot refused error=%s", error.message)


def attached_tools(home: Path) -> list[Tool]:
    """The tools of all attached servers."""
    return [item.declaration.tool() for _, found in attached(home) for item in found.tools]

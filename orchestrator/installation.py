"""The installation: its tools and its models, as they are now.

Servers are attached and detached while processes run. What was read is therefore handed out only
as long as the files that say so are the same, and is read anew after that.
"""

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from medley.backend import ModelSpec
from medley.errors import MedleyError
from medley.mcp.snapshot import marks, withdrawn
from medley.settings import Settings
from medley.tools import Toolbox
from medley.toolset import installed
from orchestrator.catalogue import load_catalogue

log = logging.getLogger(__name__)

Read = TypeVar("Read")


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """Declared tools, and the models of the catalogue by id."""

    tools: Toolbox
    models: Mapping[str, ModelSpec]


class Current(Generic[Read]):
    """What `read` makes of the settings and the attached servers, never older than these. Any
    thread may ask; asking costs a look at one folder.
    """

    def __init__(self, settings: Settings, read: Callable[[Settings], Read]) -> None:
        self._settings, self._read = settings, read
        self._lock = threading.Lock()
        self._marks = marks(settings.home)
        self._found = read(settings)

    def now(self) -> Read:
        """The same object as before, unless something has changed."""
        with self._lock:
            found = marks(self._settings.home)
            if found != self._marks:
                self._marks = found
                try:
                    self._found = self._read(self._settings)
                except MedleyError as error:  # a catalogue that broke meanwhile
                    log.error("installation not read anew error=%s", error.message)
            return self._found


def read_installed(settings: Settings) -> Installed:
    """What plans are made of. Raises `CallerError` for a catalogue that cannot be read."""
    return Installed(tools=installed(settings), models=load_catalogue(settings))


def read_served(settings: Settings) -> Installed:
    """What a worker serves: also the tools that servers have had and have no more. No plan may use
    them; steps that still wait for them are claimed, and end with that reason.
    """
    found = read_installed(settings)
    tools, models = dict(found.tools), dict(found.models)
    for path, snapshot in withdrawn(settings.home):
        gone = [item.declaration.tool() for item in snapshot.tools]
        gone = [tool for tool in gone if tool.name not in found.tools]
        spec = models.get(f"mcp/{snapshot.name}") or ModelSpec(
            id=f"mcp/{snapshot.name}",
            backend="detached",
            tools=frozenset(),
            source=str(path),
            about="An MCP server that was detached.",
            outside=snapshot.name,
        )
        models[spec.id] = replace(spec, tools=spec.tools | {tool.name for tool in gone})
        tools |= {tool.name: replace(tool, planned=False) for tool in gone}
    return Installed(tools=Toolbox(tools.values()), models=models)

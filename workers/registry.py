"""Every backend that a worker can make: those that the blocks list in their registries.

A class is imported when a model of it is first needed, so that a worker pays only for what it runs.
"""

from collections.abc import Mapping
from importlib import import_module
from typing import cast

from encoders.registry import ENCODERS
from generators.registry import GENERATORS
from hub.registry import HUBS
from medley.backend import Backend
from medley.errors import Unavailable

BACKENDS: Mapping[str, str] = {**ENCODERS, **HUBS, **GENERATORS}

#: Served by hooks of the database alone; nothing is loaded for them.
WITHOUT_BACKEND = frozenset({"search"})


def make_backend(name: str) -> Backend:
    """A new, unloaded backend. Raises `Unavailable` for a name that is not in the list."""
    if name not in BACKENDS:
        raise Unavailable(f"There is no backend {name!r} in this installation.")
    module, _, attribute = BACKENDS[name].partition(":")
    try:
        return cast(Backend, getattr(import_module(module), attribute)())
    except ImportError as error:
        raise Unavailable(f"The backend {name!r} cannot be imported: {error}") from error

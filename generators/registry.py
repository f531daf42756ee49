"""The generators that Medley knows: what a model's `backend` says, and the class behind it.

Adding a generator is one file, one line here and the contract suite passing. A class is imported
when it is asked for, so that reading this list costs no torch.
"""

from collections.abc import Mapping
from importlib import import_module
from typing import cast

from medley.backend import Backend

GENERATORS: Mapping[str, str] = {
    "diffusers": "generators.diffusion.backend:DiffusionImages",
}


def generator(name: str) -> Backend:
    """A new, unloaded generator. Raises KeyError for a name that is not in the list."""
    module, _, attribute = GENERATORS[name].partition(":")
    return cast(Backend, getattr(import_module(module), attribute)())

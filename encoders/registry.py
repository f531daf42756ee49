"""The encoders that Medley knows: what a model's `backend` says, and the class behind it.

Adding an encoder is one file beside `dual.py`, one line here and the contract suite passing. A
class is imported when it is asked for, so that reading this list costs no torch.
"""

from collections.abc import Mapping
from importlib import import_module
from typing import cast

from medley.backend import Backend

ENCODERS: Mapping[str, str] = {
    "imagebind": "encoders.imagebind.backend:ImageBindBackend",
    "dual": "encoders.dual:DualEncoderBackend",
}


def encoder(name: str) -> Backend:
    """A new, unloaded encoder. Raises KeyError for a name that is not in the list."""
    module, _, attribute = ENCODERS[name].partition(":")
    return cast(Backend, getattr(import_module(module), attribute)())

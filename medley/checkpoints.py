"""Checkpoints: what of a model's files is loaded, and how what goes wrong is told.

Weights are safetensors. Pickles, and code that comes with a repository, are never run, and loading
never downloads.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from medley.backend import ModelSpec
from medley.errors import MedleyError, OutOfMemory, Unavailable, UnsafeWeights
from medley.weights import find, here, is_hub_id

__all__ = [
    "config_of",
    "dtype_for",
    "find",
    "folder_of",
    "here",
    "is_hub_id",
    "loading",
    "place",
]

_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")


def folder_of(model: ModelSpec) -> Path:
    """The folder with the model's files. Raises `Unavailable` where they are missing, or are of a
    kind that is not loaded.
    """
    if not model.source:
        raise Unavailable(f"The model {model.id} names no weights.")
    folder = find(model)
    if folder is None:
        how = f" `medley models pull {model.id}` fetches them." if is_hub_id(model.source) else ""
        raise Unavailable(f"The weights of {model.id} are not at {model.source}.{how}")
    _refuse_pickles(model, folder)
    return folder


@contextmanager
def loading(model: ModelSpec, device: str) -> Iterator[None]:
    """What goes wrong while weights are read, as an error of ours: `Unavailable`, `OutOfMemory`."""
    import torch

    try:
        yield
    except MedleyError:
        raise
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise OutOfMemory(f"No room for {model.id} on {device}.") from error
    except ImportError as error:
        raise Unavailable(f"{model.id} needs a library that is not installed: {error}") from error
    except Exception as error:
        # Classes of many authors read files of many more: whatever they raise, it is not loaded.
        if "trust_remote_code" in str(error):
            raise UnsafeWeights(
                f"{model.id} comes with code of its own, which is never run here."
            ) from error
        raise Unavailable(f"The weights of {model.id} cannot be read: {error}") from error


def place(device: str) -> str:
    """`auto` is the accelerator when there is one."""
    if device != "auto":
        return device
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def dtype_for(model: ModelSpec, device: str, accelerated: str = "bfloat16") -> Any:
    """What the option `dtype` names; else float32 on a CPU, where half precision is slow or not
    precise, and `accelerated` elsewhere.
    """
    import torch

    named = str(model.options.get("dtype", "float32" if device == "cpu" else accelerated))
    found = getattr(torch, named, None)
    if not isinstance(found, torch.dtype):
        raise Unavailable(f"{model.id}: there is no dtype {named!r}.")
    return found


def config_of(folder: Path, name: str = "config.json") -> dict[str, Any]:
    """A JSON file of a checkpoint. Raises `Unavailable` where it cannot be read."""
    try:
        found = json.loads((folder / name).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Unavailable(f"{folder.name} has no readable {name}: {error}") from error
    if not isinstance(found, dict):
        raise Unavailable(f"{name} of {folder.name} is not an object.")
    return found


def _refuse_pickles(model: ModelSpec, folder: Path) -> None:
    if next(folder.rglob("*.safetensors"), None) is not None:
        return
    pickled = next((path for kind in _PICKLES for path in folder.rglob(kind)), None)
    if pickled is not None:
        raise UnsafeWeights(
            f"{model.id} has its weights as a pickle ({pickled.name}), which can run code when it "
            "is read. Only safetensors are loaded."
        )

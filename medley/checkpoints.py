"""Checkpoints: where the files of a model are on this machine, and whether they may be loaded.

A source is a folder, or the id of a repository of a model hub. The latter is looked for in the
shared cache (`HF_HOME`) only: loading never downloads, `medley models pull` does. Weights are
safetensors. Pickles, and code that comes with a repository, are never run.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from medley.backend import ModelSpec
from medley.errors import MedleyError, OutOfMemory, Unavailable

#: What is fetched of a repository: weights as safetensors, configurations, tokenizers.
WANTED = ("*.safetensors", "*.json", "*.txt", "*.model", "*.jinja", "*.tiktoken")
#: What is not, though it matches: copies in another precision or for another runtime.
UNWANTED = ("*.fp16.safetensors", "*.non_ema.safetensors", "*onnx/*", "*openvino/*", "*coreml/*")
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")


def is_hub_id(source: str) -> bool:
    """Whether a source names a repository (`owner/name`) and not a folder or an address."""
    owner, slash, name = source.partition("/")
    return (
        bool(owner and slash and name)
        and not source.startswith((".", "~"))
        and ("://" not in source and "/" not in name)
    )


def patterns(model: ModelSpec) -> tuple[str, ...]:
    """Which files of its repository a model is made of."""
    return model.files or WANTED


def repositories(model: ModelSpec) -> dict[str, tuple[str, tuple[str, ...]]]:
    """The repositories of a model hub that it is loaded from: their revision ("": the newest) and
    the patterns of their files.
    """
    own = {model.source: (model.revision, patterns(model))} if _on_hub(model.source) else {}
    return {**own, **{name: ("", WANTED) for name in model.also if _on_hub(name)}}


def find(model: ModelSpec) -> Path | None:
    """The folder with the model's files; None where they are not on this machine."""
    if not model.source or "://" in model.source:
        return None
    if not _on_hub(model.source):
        folder = Path(model.source)
        return folder if folder.exists() else None
    return in_cache(model.source, model.revision, patterns(model))


def in_cache(repository: str, revision: str, wanted: Sequence[str]) -> Path | None:
    """The folder of a repository in the shared cache; None where one of these files is missing,
    as after an interrupted download.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        folder = snapshot_download(
            repository,
            revision=revision or None,
            allow_patterns=list(wanted),
            ignore_patterns=list(UNWANTED),
            local_files_only=True,
        )
    except (LocalEntryNotFoundError, HFValidationError):
        return None
    return Path(folder)


def here(model: ModelSpec) -> bool:
    """Whether the files of a model are on this machine: it needs none, or they are all there."""
    if not model.source or "://" in model.source:
        return True
    further = repositories(model)
    further.pop(model.source, None)
    return find(model) is not None and all(in_cache(name, *how) for name, how in further.items())


def _on_hub(source: str) -> bool:
    return is_hub_id(source) and not Path(source).is_dir()


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
            raise Unavailable(
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
        raise Unavailable(
            f"{model.id} has its weights as a pickle ({pickled.name}), which can run code when it "
            "is read. Only safetensors are loaded."
        )

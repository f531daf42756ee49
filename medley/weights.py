"""Weights: where the files of a model are on this machine.

A source is a folder, or the id of a repository of a model hub. The latter is looked for in the
shared cache (`HF_HOME`) only; `medley models pull` fetches it.
"""

from collections.abc import Sequence
from pathlib import Path

from medley.backend import ModelSpec

#: What is fetched of a repository: weights as safetensors, configurations, tokenizers.
WANTED = ("*.safetensors", "*.json", "*.txt", "*.model", "*.jinja", "*.tiktoken")
#: What is not, though it matches: copies in another precision or for another runtime.
UNWANTED = ("*.fp16.safetensors", "*.non_ema.safetensors", "*onnx/*", "*openvino/*", "*coreml/*")


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

"""Reading a checkpoint whole: no tower and no head may be left at random."""

from pathlib import Path
from typing import Any

from medley.backend import ModelSpec
from medley.errors import Unavailable


def read_whole(kind: Any, model: ModelSpec, folder: Path, dtype: Any, **more: Any) -> Any:
    """The model in a folder as the given class of transformers, with weights of `dtype`; `more` are
    further arguments of its `from_pretrained`.

    Raises `Unavailable` where the files lack parameters of that class: transformers would make
    them up.
    """
    found, told = kind.from_pretrained(
        folder, dtype=dtype, use_safetensors=True, output_loading_info=True, **more
    )
    lacking = sorted({name for name, _ in found.named_parameters()} & set(told["missing_keys"]))
    if lacking:
        raise Unavailable(
            f"{model.id} has no weights for {len(lacking)} parameters of "
            f"{type(found).__name__}, such as {lacking[0]}."
        )
    return found.eval()

"""The voices of Qwen2.5-Omni, as safetensors.

They are published as `spk_dict.pt`, a pickle, and no backend loads one. This makes
`voices.safetensors` of it, once; it is read with `weights_only=True`, so it cannot run code:

    python -m generators.speech.omni_voices spk_dict.pt voices.safetensors
"""

import argparse
from pathlib import Path
from typing import Any

from medley.errors import Unavailable

FILE = "voices.safetensors"  #: where a folder of weights has them
_FIELDS = ("bos_token", "cond", "ref_mel")


def read_voices(path: Path) -> dict[str, dict[str, Any]]:
    """Voices by name, each as the model wants it: `bos_token` (int), `cond` (1, d), `ref_mel`
    (1, frames, bands). Raises `Unavailable` where the file is missing or holds something else.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not path.is_file():
        raise Unavailable(
            f"There are no voices at {path}: `python -m generators.speech.omni_voices spk_dict.pt "
            f"{FILE}` makes them of the file that is published with the weights, and the option "
            "`voices` says where they are."
        )
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise Unavailable(f"The voices at {path} cannot be read: {error}") from error
    voices: dict[str, dict[str, Any]] = {}
    for key, tensor in sorted(tensors.items()):
        name, _, field = key.rpartition(".")
        voices.setdefault(name, {})[field] = int(tensor) if field == "bos_token" else tensor
    if not voices or any(tuple(sorted(voice)) != _FIELDS for voice in voices.values()):
        raise Unavailable(f"{path} holds no voices of Qwen2.5-Omni.")
    return voices


def convert(published: Path, out: Path) -> None:
    """Writes the voices of a published file as safetensors."""
    import torch
    from safetensors.torch import save_file

    found = torch.load(published, map_location="cpu", weights_only=True)
    save_file(
        {
            f"{name}.{field}": torch.as_tensor(voice[field]).contiguous()
            for name, voice in found.items()
            for field in _FIELDS
        },
        out,
    )


def main() -> None:
    """Read the arguments and convert."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("published", type=Path)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    convert(args.published, args.out)


if __name__ == "__main__":
    main()

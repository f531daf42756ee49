"""The published checkpoint to a folder that `from_pretrained` reads.

    python -m encoders.imagebind.convert imagebind_huge.pth OUT [--tokenizer FOLDER_OR_ID]

The official weights are CC BY-NC-SA 4.0, for research only: Medley neither ships nor fetches them,
and whoever converts them accepts that licence. The file is read with `weights_only=True`, so it
cannot run code.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from encoders.imagebind.configuration import MODALITIES, ImageBindConfig
from encoders.imagebind.modeling import ImageBindModel
from encoders.imagebind.processing import ImageBindProcessor

PUBLISHED_HEADS = {"vision": 16, "text": 16, "audio": 12, "depth": 8, "thermal": 12, "imu": 8}
PUBLISHED_TOKENIZER = "openai/clip-vit-large-patch14"


def sizes_of(
    state: Mapping[str, Tensor], heads: Mapping[str, int] = PUBLISHED_HEADS
) -> ImageBindConfig:
    """Read the towers and their sizes from the shapes of a state dict; only the heads cannot be
    seen there.
    """
    towers: dict[str, Any] = {}
    for modality in MODALITIES:
        blocks = re.compile(rf"modality_trunks\.{modality}\.blocks\.(\d+)\.norm_1\.weight")
        found = [int(m.group(1)) for key in state if (m := blocks.fullmatch(key))]
        if not found:
            continue
        width = state[f"modality_trunks.{modality}.blocks.0.norm_1.weight"].shape[0]
        towers[f"{modality}_config"] = {
            "hidden_size": width,
            "num_hidden_layers": max(found) + 1,
            "num_attention_heads": heads[modality],
        }
    if not towers:
        raise ValueError("this state dict holds no ImageBind tower")
    last = next(
        v
        for k, v in state.items()
        if re.fullmatch(r"modality_heads\.\w+\.(proj\.1|2|3)\.weight", k)
    )
    return ImageBindConfig(projection_dim=last.shape[0], **towers)


def convert_state(state: Mapping[str, Tensor], config: ImageBindConfig) -> ImageBindModel:
    """A model that holds exactly these weights. Raises RuntimeError when any key differs."""
    model = ImageBindModel(config)
    model.load_state_dict(dict(state), strict=True)
    model.train(False)
    return model


def convert(checkpoint: Path, out: Path, tokenizer: str = PUBLISHED_TOKENIZER) -> None:
    """Write config, half-precision weights and processor of a published `.pth` to a folder."""
    from transformers import AutoTokenizer

    state = torch.load(checkpoint, map_location="cpu", weights_only=True, mmap=True)
    model = convert_state(state, sizes_of(state))
    model.half().save_pretrained(out)  # type: ignore[no-untyped-call]
    ImageBindProcessor(tokenizer=AutoTokenizer.from_pretrained(tokenizer)).save_pretrained(out)


def main() -> None:
    """Read the arguments and convert."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--tokenizer", default=PUBLISHED_TOKENIZER)
    args = parser.parse_args()
    convert(args.checkpoint, args.out, args.tokenizer)


if __name__ == "__main__":
    main()

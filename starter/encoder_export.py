"""Takes what the training runs hold and writes the starter encoder: fp16 weights, config,
processor, tokenizer.
"""

import json
from typing import Any

import torch

from encoders.imagebind.modeling import ImageBindModel
from encoders.imagebind.processing import ImageBindProcessor
from starter.concepts import load_concepts
from starter.encoder_parts import RUNS, WEIGHTS, starter_config, starter_processor
from starter.encoder_text import train_tokenizer


def frozen_space() -> tuple[ImageBindModel, ImageBindProcessor] | None:
    """The encoder as it was exported: its towers of pictures and words never move again. None
    before that.
    """
    if not (WEIGHTS / "model.safetensors").exists():
        return None
    model = ImageBindModel.from_pretrained(WEIGHTS, dtype=torch.float32)
    return model.eval(), ImageBindProcessor.from_pretrained(WEIGHTS)


def tower(state: dict[str, Any], modality: str) -> dict[str, Any]:
    """The weights of one tower, averaged where an average was kept."""
    return {k: v for k, v in {**state["model"], **state["average"]}.items() if f".{modality}." in k}


def export(space: bool = False) -> None:
    """Write the encoder. The towers of pictures and words are taken from their run only when
    nothing was exported yet, or when `space` says so; that of sounds whenever its run has bound it
    to this space.
    """
    tokenizer = train_tokenizer(load_concepts())
    model, processor = ImageBindModel(starter_config(len(tokenizer))), starter_processor(tokenizer)
    report: dict[str, Any] = {}
    frozen = frozen_space()
    if frozen is None or space:
        state = torch.load(RUNS / "bind.pt", weights_only=True)
        model.load_state_dict(tower(state, "vision") | tower(state, "text"), strict=False)
        report["bind"] = state["scores"]
    else:
        model, processor = frozen
        report = json.loads((WEIGHTS / "scores.json").read_text(encoding="utf-8"))
    if (RUNS / "hear.pt").exists():
        state = torch.load(RUNS / "hear.pt", weights_only=True)
        model.load_state_dict(tower(state, "audio"), strict=False)
        report["hear"] = state["scores"]
    model.half().save_pretrained(WEIGHTS)
    processor.save_pretrained(WEIGHTS)
    (WEIGHTS / "scores.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")

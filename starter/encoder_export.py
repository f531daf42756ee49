"""Takes what the training runs hold and writes the starter encoder: fp16 weights, config,
processor, tokenizer.
"""

import json
import shutil
from typing import Any

import torch

from encoders.imagebind.modeling import ImageBindModel
from encoders.imagebind.processing import ImageBindProcessor
from starter.encoder_parts import (
    RUNS,
    WEIGHTS,
    starter_config,
    starter_processor,
    starter_tokenizer,
)

SPACE = RUNS / "space"


def frozen_space() -> tuple[ImageBindModel, ImageBindProcessor] | None:
    """The encoder as it was first exported, with which the space was fixed. None while a run has
    not exported it yet; without any run, the encoder of the repository.
    """
    if not SPACE.exists() and (RUNS / "bind.pt").exists():
        return None
    folder = SPACE if SPACE.exists() else WEIGHTS
    model = ImageBindModel.from_pretrained(folder, dtype=torch.float32)
    model.train(False)
    return model, ImageBindProcessor.from_pretrained(folder)


def tower(state: dict[str, Any], modality: str) -> dict[str, Any]:
    """The weights of one tower, averaged where an average was kept."""
    return {k: v for k, v in {**state["model"], **state["average"]}.items() if f".{modality}." in k}


def export() -> None:
    """Write the encoder. The towers of pictures and words are taken from their run only while
    nothing is exported: later models are trained on what they say. That of sounds is left out
    until its run has bound it to the space, and replaced whenever it got better.
    """
    frozen = frozen_space()
    if frozen is None:
        processor = starter_processor(starter_tokenizer())
        state = torch.load(RUNS / "bind.pt", weights_only=True)
        space = tower(state, "vision") | tower(state, "text")
        report = {"bind": state["scores"]}
    else:
        model, processor = frozen
        space = model.state_dict()
        report = json.loads((WEIGHTS / "scores.json").read_text(encoding="utf-8"))
        if (RUNS / "see.pt").exists():
            state = torch.load(RUNS / "see.pt", weights_only=True)
            space |= tower(state, "vision")
            report["see"] = state["scores"]
    config = starter_config(len(processor.tokenizer))
    if (RUNS / "hear.pt").exists():
        state = torch.load(RUNS / "hear.pt", weights_only=True)
        space |= tower(state, "audio")
        report["hear"] = state["scores"]
    else:
        config.audio_config = None
    whole = ImageBindModel(config)
    whole.load_state_dict(space)
    whole.half().save_pretrained(WEIGHTS)  # type: ignore[no-untyped-call]
    processor.save_pretrained(WEIGHTS)
    (WEIGHTS / "scores.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    if frozen is None:
        shutil.copytree(WEIGHTS, SPACE)

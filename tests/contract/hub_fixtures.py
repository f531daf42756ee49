"""A tiny LLaMA with random weights and a byte-level tokenizer, and a control that records. Built
here, no download.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from hub.local import LocalHub
from hub.multimodal import MultimodalHub
from medley.backend import ModelSpec, Request
from medley.errors import StepStopped
from medley.media.values import Embedding
from tests.tiny.multimodal import llava

SPACE, WIDTH = "testing", 12
TOOLS = [
    "describe",
    "embed",
    "embed_combine",
    "search",
    "text_to_image",
    "embedding_to_image",
    "speak",
    "resize",
    "collage",
    "caption",
    "extract_frames",
    "slideshow",
    "mux",
    "trim_audio",
]


@dataclass
class Recorder:
    """A control that counts ticks, keeps deltas, and stops at a chosen tick: everything, or only
    the places of `leaving`.
    """

    scratch: Path
    stop_at: int | None = None
    leaving: frozenset[int] = frozenset()
    ticks: int = 0
    deltas: list[str] = field(default_factory=list)
    places: list[int] = field(default_factory=list)  # whose the deltas are

    def tick(self, done: float, total: float, *, message: str = "", preview: Any = None) -> None:
        """Counts, and stops when told to."""
        self.ticks += 1
        if self.stop_at is not None and self.ticks >= self.stop_at and not self.leaving:
            raise StepStopped

    def delta(self, text: str, place: int = 0) -> None:
        """Keeps the text."""
        self.deltas.append(text)
        self.places.append(place)

    def stopped(self, place: int) -> bool:
        """Whether this place was told to leave."""
        return place in self.leaving and self.stop_at is not None and self.ticks >= self.stop_at

    def text(self, place: int) -> str:
        """What was streamed for a place."""
        return "".join(
            text for text, whose in zip(self.deltas, self.places, strict=True) if whose == place
        )


def write_tiny_hub(folder: Path, *, compact: bool, connector: str | None = "mlp") -> ModelSpec:
    """Random weights in the layout of `from_pretrained`, with a connector beside them."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    from hub.compact import CONTROL
    from hub.connectors import Connector, ConnectorConfig

    control = list(CONTROL) if compact else ["<eos>"]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=control,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(
        ['{"steps":[{"id":"s1","tool":"describe","inputs":{}}]}'], trainer
    )
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token=control[0], pad_token=control[1 if compact else 0]
    )
    wrapped.save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(wrapped),
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=16384,
        eos_token_id=wrapped.eos_token_id,
        pad_token_id=wrapped.pad_token_id,
        bos_token_id=None,
        initializer_range=0.6,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    if connector:
        Connector(
            ConnectorConfig(
                kind=connector, source=WIDTH, hidden=32, tokens=3, width=16, space=SPACE
            )
        ).save_pretrained(folder / "connector")
    options = {"max_words": 24, "max_steps": 3}
    return ModelSpec(
        id="tiny", backend="transformers", tools=LocalHub.tools, source=str(folder), options=options
    )


def loaded_hub(folder: Path, *, compact: bool) -> LocalHub:
    """Such a hub, in memory."""
    hub = LocalHub()
    hub.load(write_tiny_hub(folder, compact=compact), "cpu")
    return hub


def loaded_multimodal_hub(folder: Path) -> MultimodalHub:
    """A tiny LLaVA, in memory."""
    import torch

    torch.manual_seed(0)
    llava(folder)
    hub = MultimodalHub()
    options = {"max_words": 24, "max_steps": 3}
    spec = ModelSpec(
        id="tiny-eyes",
        backend="multimodal",
        tools=MultimodalHub.tools,
        source=str(folder),
        options=options,
    )
    hub.load(spec, "cpu")
    return hub


def plan_request(words: str = "draw a red cat", seed: int = 0, **more: Any) -> Request:
    """A request to plan over a picture, a sound and a video."""
    assets = [
        {"id": "a1", "modality": "image"},
        {"id": "a2", "modality": "audio", "about": "dog.wav"},
        {"id": "a3", "modality": "video"},
    ]
    task = {"request": words, "assets": assets, "tools": TOOLS, "max_steps": 3, **more}
    return Request(tool="plan", inputs={"task": task}, params={}, seed=seed)


def facts() -> dict[str, Any]:
    """One thing said, one thing drawn, one thing failed."""
    return {
        "request": "What is in the picture? Draw it.",
        "assets": [
            {"id": "a1", "modality": "image"},
            {"id": "a2", "modality": "image", "step": "s2"},
        ],
        "steps": [
            {
                "id": "s1",
                "tool": "describe",
                "status": "succeeded",
                "about": {"media": "a1"},
                "text": 'I see "a cat".\n',
            },
            {
                "id": "s2",
                "tool": "embedding_to_image",
                "status": "succeeded",
                "about": {"embedding": "a1"},
                "assets": ["a2"],
            },
            {"id": "s3", "tool": "speak", "status": "failed", "error": "no voice"},
        ],
        "show": ["a2"],
    }


def embedding(seed: int = 0) -> Embedding:
    """A unit vector of the connector's space."""
    vector = np.random.default_rng(seed).normal(size=WIDTH).astype(np.float32)
    return Embedding(vector=vector / np.linalg.norm(vector), space=SPACE)

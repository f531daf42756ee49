"""What the stages of the encoder's training share: its sizes, losses, moving average, schedule and
scores.
"""

import json
import logging
import math
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from encoders.imagebind.configuration import ImageBindConfig
from encoders.imagebind.modeling import ImageBindModel
from encoders.imagebind.processing import ImageBindProcessor
from starter.concepts import Concept, load_concepts
from starter.encoder_text import CONTEXT, train_tokenizer

log = logging.getLogger("starter.encoder")
HERE = Path(__file__).parent
RUNS = HERE / "runs" / "encoder"
WEIGHTS = HERE / "weights" / "encoder"
SIDE = 64
MEL_BINS, MEL_FRAMES = 64, 200
LEVEL = 0.06


def starter_config(vocabulary: int) -> ImageBindConfig:
    """Three small towers around a space of 256 dimensions; early convolutions replace large
    patches.
    """
    common = {"hidden_size": 192, "num_hidden_layers": 3, "num_attention_heads": 6}
    return ImageBindConfig(
        projection_dim=256,
        vision_config={
            **common,
            "image_size": SIDE,
            "frames": 1,
            "stem_channels": [32, 64, 128, 192],
            "stem_blocks": 1,
            "patch_size": 1,
            "drop_path": 0.05,
        },
        text_config={
            "hidden_size": 128,
            "num_hidden_layers": 3,
            "num_attention_heads": 4,
            "vocab_size": vocabulary,
            "context_length": CONTEXT,
        },
        audio_config={
            **common,
            "num_hidden_layers": 4,
            "mel_bins": MEL_BINS,
            "target_length": MEL_FRAMES,
            "stem_channels": [16, 32, 64, 128],
            "stem_blocks": [0, 0, 1, 1],
            "patch_size": [4, 1],
            "stride": [4, 1],
            "drop_path": 0.05,
        },
    )


def starter_tokenizer() -> Any:
    """The tokenizer of this run: trained once, then read again, so that no id ever changes."""
    from transformers import AutoTokenizer

    folder = RUNS / "tokenizer"
    if not folder.exists():
        train_tokenizer(load_concepts()).save_pretrained(folder)
    return AutoTokenizer.from_pretrained(folder)


def starter_processor(tokenizer: Any) -> ImageBindProcessor:
    """The published preprocessing at the starter's sizes; sounds are trimmed and brought to one
    level.
    """
    return ImageBindProcessor(
        tokenizer=tokenizer,
        image_size=SIDE,
        video_clips=8,
        video_frames=1,
        video_crops=1,
        mel_bins=MEL_BINS,
        target_length=MEL_FRAMES,
        audio_mean=-6.9,
        audio_std=3.7,
        trim_db=40.0,
        level=LEVEL,
        context_length=CONTEXT,
    )


class Average:
    """An exponential moving average of a model's trained weights."""

    def __init__(self, model: nn.Module, decay: float = 0.998) -> None:
        self.decay, self.steps = decay, 0
        self.weights = {
            k: v.detach().clone() for k, v in model.named_parameters() if v.requires_grad
        }

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Move towards the model, faster in the first steps."""
        self.steps += 1
        step = 1 - min(self.decay, self.steps / (self.steps + 10))
        for name, weight in model.named_parameters():
            if name in self.weights:
                self.weights[name].lerp_(weight.detach(), step)


class Schedule:
    """A learning rate that warms up, then falls along a cosine over a budget of seconds, not of
    steps.
    """

    def __init__(
        self, optimizer: torch.optim.Optimizer, seconds: float, peak: float, spent: float = 0.0
    ) -> None:
        self.optimizer, self.seconds, self.peak = optimizer, seconds, peak
        self.start, self.steps = time.monotonic() - spent, 0

    @property
    def spent(self) -> float:
        """Seconds so far."""
        return time.monotonic() - self.start

    @property
    def part(self) -> float:
        """The spent part of the budget, 0 to 1."""
        return min(self.spent / self.seconds, 1.0)

    def step(self) -> bool:
        """Set the rate of the next step; False when the budget is spent."""
        self.steps += 1
        rate = self.peak * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * self.part)))
        for group in self.optimizer.param_groups:
            group["lr"] = rate * min(1.0, self.steps / 80)
        return self.part < 1.0


def optimizer_for(
    parameters: Iterable[nn.Parameter], weight_decay: float = 0.05
) -> torch.optim.AdamW:
    """AdamW that decays matrices and leaves norms, biases and scales alone."""
    kept = [p for p in parameters if p.requires_grad]
    matrices = [p for p in kept if p.ndim > 1]
    rest = [p for p in kept if p.ndim <= 1]
    groups = [
        {"params": matrices, "weight_decay": weight_decay},
        {"params": rest, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.98), fused=True)


def concept_loss(items: Tensor, labels: Tensor, concepts: Tensor, scale: Tensor | float) -> Tensor:
    """InfoNCE between items (B, D) and one embedding for each concept (C, D), in both directions.

    Every item of a concept that the batch holds is a positive of that concept's row (Khosla et
    al., 2020).
    """
    logits = scale * items @ concepts.T
    forward = F.cross_entropy(logits, labels, label_smoothing=0.05)
    there, rows = labels.unique(return_inverse=True)
    positive = F.one_hot(rows, len(there)).T.float()
    chances = logits.T[there].log_softmax(dim=1)
    backward = -((chances * positive).sum(1) / positive.sum(1)).mean()
    return 0.5 * (forward + backward)


def peers_loss(items: Tensor, labels: Tensor, scale: float = 10.0) -> Tensor:
    """Items of one concept attract each other, whoever drew or said them (Khosla et al., 2020)."""
    own = torch.eye(len(items), dtype=torch.bool)
    chances = (scale * items @ items.T).masked_fill(own, -1e4).log_softmax(dim=1)
    positive = ((labels[:, None] == labels[None]) & ~own).float()
    return -((chances * positive).sum(1) / positive.sum(1).clamp_min(1)).mean()


@torch.no_grad()
def embed(model: ImageBindModel, modality: str, values: Tensor, size: int = 256) -> Tensor:
    """Unit vectors (N, D) of a lot of inputs."""
    model.train(False)
    with torch.autocast("cpu", torch.bfloat16):
        parts = [
            model.encode(modality, part, finish="unit").embedding.float()
            for part in values.split(size)
        ]
    return F.normalize(torch.cat(parts), dim=-1)


@torch.no_grad()
def name_embeddings(
    model: ImageBindModel,
    processor: ImageBindProcessor,
    concepts: Sequence[Concept],
    chinese: bool = False,
) -> Tensor:
    """The embedding (C, D) of each concept's main name."""
    return embed(model, "text", processor.text([c.zh if chinese else c.name for c in concepts]))


def score(items: Tensor, labels: Tensor, concepts: Tensor, top: int = 1) -> float:
    """How often the right concept is among the `top` nearest."""
    nearest = (items @ concepts.T).topk(top).indices
    return float((nearest == labels[:, None]).any(1).float().mean())


class Run:
    """One stage's model, throwaway parameters, optimizer and average; resumes."""

    def __init__(
        self, name: str, model: ImageBindModel, extra: nn.Parameter, minutes: float, peak: float
    ) -> None:
        self.path = RUNS / f"{name}.pt"
        self.name, self.model, self.extra = name, model, extra
        self.trained = [p for p in model.parameters() if p.requires_grad]
        self.optimizer, self.average = optimizer_for([*self.trained, extra]), Average(model)
        self.schedule = Schedule(self.optimizer, minutes * 60, peak)
        self.reported = 0.0
        self.losses: list[float] = []
        if self.path.exists():
            self._resume()

    def _resume(self) -> None:
        state = torch.load(self.path, weights_only=True)
        self.model.load_state_dict(state["model"], strict=False)  # the towers of this stage
        self.optimizer.load_state_dict(state["optimizer"])
        self.extra.data.copy_(state["extra"])
        self.average.weights, self.average.steps = state["average"], state["average_steps"]
        self.schedule.steps = state["steps"]
        self.schedule.start -= state["spent"]
        self.reported = state["spent"]

    def learn(self, loss: Tensor) -> None:
        """One step down the gradient."""
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.trained, 1.0)
        self.optimizer.step()
        self.average.update(self.model)
        self.losses.append(loss.item())
        if self.schedule.steps % 50 == 0:
            mean = sum(self.losses) / len(self.losses)
            log.info(
                "%s step=%d spent=%.0f loss=%.3f",
                self.name,
                self.schedule.steps,
                self.schedule.spent,
                mean,
            )
            self.losses = []

    @property
    def due(self) -> bool:
        """Whether it is time to score and keep."""
        return self.schedule.spent - self.reported > 150

    def averaged(self) -> ImageBindModel:
        """A copy of the model with the averaged weights."""
        copy = ImageBindModel(self.model.config)
        # Norms of batches keep their own averages: those of the model.
        copy.load_state_dict({**self.model.state_dict(), **self.average.weights})
        copy.train(False)
        return copy

    def keep(self, scores: dict[str, float]) -> None:
        """Log the scores and write the checkpoint beside the last one, then rename it."""
        log.info("%s step=%d scores=%s", self.name, self.schedule.steps, json.dumps(scores))
        self.reported = self.schedule.spent
        self.path.parent.mkdir(parents=True, exist_ok=True)
        state = {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "extra": self.extra.data,
            "average": self.average.weights,
            "average_steps": self.average.steps,
            "steps": self.schedule.steps,
            "spent": self.schedule.spent,
            "scores": scores,
        }
        torch.save(state, self.path.with_suffix(".part"))
        self.path.with_suffix(".part").replace(self.path)

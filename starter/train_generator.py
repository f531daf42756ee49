"""Trains the starter generator: words and shared-space embeddings to 64x64 pictures.

Three stages, each resumable:

1. the words' encoder learns to tell the concepts apart (`starter.generator_text`);
2. the pixel transformer learns to draw from words, words left out now and then for guidance;
3. embeddings learn to mean what the words mean: the slots of the shared space are fitted to the
   conditions that words of the same concept give. It takes seconds, so a new edition of the encoder
   needs no new drawing lessons. It needs `python -m starter.generator_embeddings` first.

    python -m starter.train_generator --steps 3700
    python -m starter.train_generator --export
"""

import argparse
import copy
import logging
import math
import random
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as functional
from diffusers import FlowMatchEulerDiscreteScheduler
from PIL import Image
from torch import Tensor
from transformers import BertModel, PreTrainedTokenizerFast

from generators.diffusion.pipeline import PixelFlowPipeline
from generators.diffusion.transformer import PixelTransformer
from starter.concepts import HERE, load_concepts
from starter.generator_data import Bank, Drawings, load_bank, render
from starter.generator_text import (
    ask,
    build_text_encoder,
    build_tokenizer,
    encode,
    train_text_encoder,
)

log = logging.getLogger(__name__)

RUN = HERE / "runs" / "generator"
EMBEDDINGS = RUN / "embeddings.npz"
WEIGHTS = HERE / "weights" / "generator"
SPACE = "starter"


@dataclass
class Run:
    """What one training holds: the weights, their bfloat16 copy that computes, their slow average,
    the optimizer.
    """

    network: (
        PixelTransformer  # bfloat16: twice as fast on these CPUs as autocast's constant casting
    )
    weights: PixelTransformer  # float32
    average: PixelTransformer
    optimizer: torch.optim.Optimizer
    step: int = 0
    dice: torch.Generator = field(default_factory=lambda: torch.Generator().manual_seed(0))

    @classmethod
    def fresh(cls, rate: float) -> "Run":
        """A new network with the starter's shape."""
        torch.manual_seed(0)
        weights = PixelTransformer(patch_size=16, depth=6, embed_space=SPACE)
        network = copy.deepcopy(weights).to(torch.bfloat16)
        average = copy.deepcopy(weights).requires_grad_(False)
        optimizer = torch.optim.AdamW(
            weights.parameters(), lr=rate, betas=(0.9, 0.95), weight_decay=0.01, fused=True
        )
        return cls(network, weights, average, optimizer)

    def update(self, loss: Tensor, decay: float) -> None:
        """One step of the optimizer; then the bfloat16 copy and the slow average follow."""
        fast, slow = list(self.network.parameters()), list(self.weights.parameters())
        loss.backward()
        for copied, weight in zip(fast, slow, strict=True):
            weight.grad = None if copied.grad is None else copied.grad.float()
            copied.grad = None
        torch.nn.utils.clip_grad_norm_(slow, 1.0)
        self.optimizer.step()
        self.step += 1
        with torch.no_grad():
            torch._foreach_copy_(fast, slow)
            torch._foreach_lerp_(list(self.average.parameters()), slow, 1 - decay)

    def save(self, path: Path) -> None:
        """Writes the checkpoint beside its final name first, so that a kill leaves the last whole
        one.
        """
        state = {
            "weights": self.weights.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "dice": self.dice.get_state(),
        }
        torch.save(state, path.with_suffix(".part"))
        path.with_suffix(".part").replace(path)

    def load(self, path: Path) -> None:
        """Goes on from a checkpoint."""
        state = torch.load(path, weights_only=True)
        self.weights.load_state_dict(state["weights"])
        self.network.load_state_dict(state["weights"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step = state["step"]
        self.dice.set_state(state["dice"])


def words_stage(threads: int) -> tuple[PreTrainedTokenizerFast, BertModel]:
    """The tokenizer and the words' encoder, from the run folder or trained now."""
    folder = RUN / "text_encoder"
    if (folder / "model.safetensors").exists():
        tokenizer = PreTrainedTokenizerFast.from_pretrained(RUN / "tokenizer")
        return tokenizer, BertModel.from_pretrained(folder, add_pooling_layer=False).eval()
    torch.manual_seed(0)
    tokenizer = build_tokenizer()
    encoder = build_text_encoder(tokenizer)
    score = train_text_encoder(tokenizer, encoder)
    log.info("text held_out_requests=%.3f threads=%d", score, threads)
    tokenizer.save_pretrained(RUN / "tokenizer")
    encoder.save_pretrained(folder)
    return tokenizer, encoder


@torch.no_grad()
def words_bank(tokenizer: PreTrainedTokenizerFast, encoder: BertModel, asks: int = 48) -> Tensor:
    """Pooled words of many requests for each concept: (concepts, asks, width). Kept in the run
    folder.
    """
    kept = RUN / "words.pt"
    if kept.exists():
        words: Tensor = torch.load(kept, weights_only=True)
        return words
    dice = random.Random(7)
    rows = [
        encode(tokenizer, encoder, [ask(concept, dice) for _ in range(asks)])
        for concept in load_concepts()
    ]
    words = torch.stack(rows)
    torch.save(words, kept)
    return words


def loss_of(run: Run, drawings: Drawings, words: Tensor, batch: int) -> Tensor:
    """One batch: the squared error of the clean picture, weighted as an error of the velocity."""
    dice = run.dice
    labels = torch.randint(len(drawings.rows), (batch,), generator=dice)
    clean = drawings.draw(labels, dice)
    text = words[labels, torch.randint(words.shape[1], (batch,), generator=dice)]
    kept = torch.rand(batch, generator=dice) > 0.1
    noise = torch.randn(clean.shape, generator=dice)
    level = torch.sigmoid(0.3 + torch.randn(batch, generator=dice))
    mixed = level[:, None, None, None]
    noisy = (1 - mixed) * clean + mixed * noise
    guess = run.network(noisy.bfloat16(), level * 1000, text=text.bfloat16(), text_kept=kept)
    error = (guess.float() - clean).square().mean(dim=(1, 2, 3))
    loss: Tensor = (error / level.clamp(min=0.1).square()).mean()
    return loss


def fit_embeddings(
    network: PixelTransformer, words: Tensor, bank: Bank, steps: int = 1500, hardness: float = 6.0
) -> float:
    """Fits the slots: keys tell the concepts apart, values are the mean condition of their words.

    Args:
        network: whose `embed_in` is fitted, one slot per concept.
        words: pooled words of requests (concepts, asks, text_dim).
        bank: embeddings of each concept.
        hardness: how much the keys are sharpened after the fit.

    Returns:
        The share of vectors of the bank, mixed and shaken, that find their own concept.
    """
    dice = torch.Generator().manual_seed(3)
    lookup = network.embed_in.requires_grad_(True)
    optimizer = torch.optim.AdamW(lookup.keys.parameters(), lr=1e-2, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, total_steps=steps)
    for _ in range(steps):
        labels = torch.randint(len(words), (512,), generator=dice)
        logits = lookup.keys(bank.draw(labels, dice) * network.embed_dim**0.5)
        loss = functional.cross_entropy(logits, labels, label_smoothing=0.05)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        schedule.step()
    lookup.requires_grad_(False)
    wanted = network.text_in(words).mean(1) + network.no_embed - network.no_text
    lookup.values.weight.copy_(wanted.T)
    for weight in lookup.keys.parameters():
        weight.mul_(hardness)
    right = (logits.argmax(1) == labels).float().mean()
    return float(right)


def rate_at(step: int, first: int, steps: int, top: float, low: float = 1e-5) -> float:
    """A short warm-up from `first`, then a cosine down to `low` at `steps`."""
    warm = min(1.0, (step - first + 1) / 100)
    part = min(1.0, step / steps)
    return warm * (low + (top - low) * 0.5 * (1 + math.cos(math.pi * part)))


def train(args: argparse.Namespace) -> None:
    """Trains until `--steps`; checkpoints and sheets of samples land in the run folder."""
    RUN.mkdir(parents=True, exist_ok=True)
    tokenizer, encoder = words_stage(args.threads)
    words = words_bank(tokenizer, encoder)
    drawings = render()
    run = Run.fresh(args.rate)
    checkpoint = RUN / "checkpoint.pt"
    if checkpoint.exists():
        run.load(checkpoint)
    first, losses, began = run.step, [], time.monotonic()
    log.info("start step=%d pictures=%d", first, len(drawings.pixels))
    while run.step < args.steps:
        for group in run.optimizer.param_groups:
            group["lr"] = rate_at(run.step, first, args.steps, args.rate)
        loss = loss_of(run, drawings, words, args.batch)
        run.update(loss, min(args.decay, (1 + run.step) / (10 + run.step)))
        losses.append(loss.item())
        if run.step % 50 == 0:
            pace = (time.monotonic() - began) / (run.step - first)
            log.info(
                "step=%d loss=%.4f seconds_per_step=%.2f", run.step, np.mean(losses[-50:]), pace
            )
        if run.step % 200 == 0 or run.step == args.steps:
            run.save(checkpoint)
        if run.step % args.sheet == 0 or run.step == args.steps:
            pipeline = pipeline_of(run.average, tokenizer, encoder)
            sheet(pipeline, None, RUN / f"sheet-{run.step:05d}.png")


def pipeline_of(
    network: PixelTransformer, tokenizer: PreTrainedTokenizerFast, encoder: BertModel
) -> Any:
    """The network as the pipeline that will be shipped."""
    pipeline = PixelFlowPipeline(tokenizer, encoder, network, FlowMatchEulerDiscreteScheduler())
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def sheet(pipeline: Any, bank: Bank | None, path: Path, every: int = 4) -> None:
    """A picture of samples: from words, and below each row the same concepts from embeddings."""
    concepts = load_concepts()
    labels = list(range(0, len(concepts), every))
    seeds = [torch.Generator().manual_seed(label) for label in labels]
    rows = [
        pipeline(
            [concepts[label].name for label in labels], generator=seeds, output_type="np"
        ).images
    ]
    if bank is not None:
        for vectors in bank.kinds.values():
            seeds = [torch.Generator().manual_seed(label) for label in labels]
            embeds = vectors[labels, 0]
            rows.append(pipeline(image_embeds=embeds, generator=seeds, output_type="np").images)
    Image.fromarray(tile(np.stack(rows, axis=1))).save(path)


def tile(pictures: np.ndarray, columns: int = 20) -> np.ndarray:
    """(N, kinds, S, S, 3) in [0, 1] to one uint8 picture: `columns` across, the kinds below each
    other.
    """
    count, kinds, size = pictures.shape[:3]
    lines = []
    for start in range(0, count, columns):
        part = pictures[start : start + columns]
        for kind in range(kinds):
            line = np.ones((size, columns * size, 3), dtype=np.float32)
            line[:, : len(part) * size] = np.concatenate(list(part[:, kind]), axis=1)
            lines.append(line)
    return (np.concatenate(lines, axis=0) * 255).round().astype(np.uint8)


def averaged(path: Path) -> tuple[PixelTransformer, int]:
    """The slow average of a checkpoint, its embeddings not yet fitted, and its step."""
    state = torch.load(path, weights_only=True)
    network = Run.fresh(0.0).average
    weights = {k: v for k, v in state["average"].items() if not k.startswith("embed_in.")}
    network.load_state_dict(weights, strict=False)
    return network, state["step"]


def export(folder: Path = WEIGHTS) -> None:
    """Writes the slow average as an fp16 pipeline folder that `from_pretrained` reads."""
    tokenizer, encoder = words_stage(1)
    network, step = averaged(RUN / "checkpoint.pt")
    bank = load_bank(EMBEDDINGS) if EMBEDDINGS.exists() else None
    if bank is not None:
        right = fit_embeddings(network, words_bank(tokenizer, encoder), bank)
        log.info("embeddings kinds=%s own_concept=%.3f", list(bank.kinds), right)
    whole = BertModel(encoder.config)  # with the pooler that nobody uses: loading misses nothing
    whole.load_state_dict(encoder.state_dict(), strict=False)
    pipeline = pipeline_of(network, tokenizer, whole.eval())
    sheet(pipeline, bank, RUN / "sheet-export.png")
    pipeline.to(torch.float16).save_pretrained(folder, safe_serialization=True)
    log.info("exported step=%d folder=%s", step, folder)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=3700)
    parser.add_argument("--batch", type=int, default=96)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--decay", type=float, default=0.998)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--sheet", type=int, default=300)
    parser.add_argument(
        "--export", action="store_true", help="only write the weights of the last checkpoint"
    )
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(args.threads)
    if args.export:
        export()
    else:
        train(args)


if __name__ == "__main__":
    main()

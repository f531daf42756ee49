"""Trains the starter encoder: pictures and words together, then sounds against the finished space.

    python -m starter.train_encoder bind   [--minutes 40]    pictures and words (sets the space)
    python -m starter.train_encoder hear   [--minutes 30]    spoken words, the space frozen
    python -m starter.train_encoder export                   what is there, as fp16 safetensors

As in ImageBind every modality is bound to pictures by InfoNCE. Runs resume from `starter/runs/encoder`.
"""

import argparse
import json
import logging
import random
from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from encoders.imagebind.modeling import ImageBindModel
from encoders.imagebind.processing import ImageBindProcessor
from starter.concepts import load_concepts
from starter.encoder_parts import (
    RUNS,
    SIDE,
    Average,
    Schedule,
    concept_loss,
    embed,
    name_embeddings,
    optimizer_for,
    peers_loss,
    save_atomically,
    score,
    starter_config,
    starter_processor,
)
from starter.encoder_text import HELD_OUT_CHINESE, HELD_OUT_ENGLISH, phrase, train_tokenizer
from starter.pictures import (
    HELD_OUT_VENDOR,
    MONO_VENDORS,
    TRAIN_VENDORS,
    augment,
    flatten,
    load_vendors,
)

log = logging.getLogger("train_encoder")
CONCEPTS_IN_BATCH, PICTURES_OF_EACH, LINE_DRAWINGS = 40, 3, 16


class Renderings(IterableDataset[tuple[Tensor, Tensor]]):
    """Endless batches of augmented pictures: a few drawings each of some concepts, and line drawings."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.pictures, self.labels, _ = load_vendors(TRAIN_VENDORS, alternates=True)
        self.lines, self.line_labels, _ = load_vendors(MONO_VENDORS)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        torch.set_num_threads(1)
        dice = torch.Generator().manual_seed(self.seed)
        of = [(self.labels == c).nonzero().flatten() for c in range(int(self.labels.max()) + 1)]
        while True:
            chosen = torch.randperm(len(of), generator=dice)[:CONCEPTS_IN_BATCH]
            rows = [of[c][torch.randint(len(of[c]), (PICTURES_OF_EACH,), generator=dice)] for c in chosen]
            index = torch.cat(rows)
            lines = torch.randint(len(self.lines), (LINE_DRAWINGS,), generator=dice)
            drawn = augment(self.lines[lines], SIDE, dice, tint=True)
            pictures = torch.cat([augment(self.pictures[index], SIDE, dice), drawn])
            yield cut_out(pictures, dice), torch.cat([self.labels[index], self.line_labels[lines]])


def cut_out(pictures: Tensor, dice: torch.Generator) -> Tensor:
    """Cover a grey square, up to two fifths of the side, in three of ten pictures (DeVries & Taylor, 2017)."""
    count, _, side, _ = pictures.shape
    draw = torch.rand(4, count, generator=dice)
    size = (draw[0] * 0.3 + 0.1) * side * (draw[3] < 0.3)
    axis = torch.arange(side)
    row = (axis - draw[1, :, None] * side).abs() < size[:, None] / 2
    column = (axis - draw[2, :, None] * side).abs() < size[:, None] / 2
    hole = (row[:, None, :, None] & column[:, None, None, :]).float()
    return pictures * (1 - hole) + 0.5 * hole


class HeldOut:
    """Pictures that are never trained on: new renderings of known vendors, and one vendor never seen."""

    def __init__(self, processor: ImageBindProcessor) -> None:
        dice = torch.Generator().manual_seed(90210)
        pictures, labels, _ = load_vendors(TRAIN_VENDORS)
        index = torch.randperm(len(pictures), generator=dice)[:1000]
        self.known = processor.standardise(augment(pictures[index], SIDE, dice)), labels[index]
        pictures, labels, _ = load_vendors((HELD_OUT_VENDOR,))
        self.unseen = processor.standardise(flatten(pictures, SIDE)), labels
        self.unseen_rough = processor.standardise(augment(pictures, SIDE, dice)), labels

    def scores(self, model: ImageBindModel, processor: ImageBindProcessor) -> dict[str, float]:
        """Top-1 and top-5 by the concepts' main names, and how well new phrases find their concept."""
        concepts = load_concepts()
        english = name_embeddings(model, processor, concepts)
        chinese = name_embeddings(model, processor, concepts, chinese=True)
        found = {}
        for name in ("known", "unseen", "unseen_rough"):
            pictures, labels = getattr(self, name)
            items = embed(model, "vision", pictures)
            found[f"{name}_top1"] = score(items, labels, english)
            found[f"{name}_top5"] = score(items, labels, english, top=5)
            found[f"{name}_zh_top1"] = score(items, labels, chinese)
            found[f"{name}_cosine"] = float((items * english[labels]).sum(1).mean())
        for language, templates in (("en", HELD_OUT_ENGLISH), ("zh", HELD_OUT_CHINESE)):
            words = [t.format(x=c.zh if language == "zh" else c.name) for t in templates for c in concepts]
            labels = torch.arange(len(concepts)).repeat(len(templates))
            found[f"phrases_{language}_top1"] = score(
                embed(model, "text", processor.text(words)), labels, english
            )
        return {k: round(v, 4) for k, v in found.items()}


def bind_step(
    model: ImageBindModel, processor: ImageBindProcessor, pictures: Tensor, labels: Tensor, dice: random.Random
) -> Tensor:
    """The loss of one batch: pictures to words, words to pictures, drawings of one thing to each other."""
    words = processor.text([phrase(concept, dice) for concept in load_concepts()])
    with torch.autocast("cpu", torch.bfloat16):
        seen = model.encode("vision", processor.standardise(pictures), finish="raw").embedding
        said = model.encode("text", words, finish="raw").embedding
    seen, said = F.normalize(seen.float(), dim=-1), F.normalize(said.float(), dim=-1)
    scale = model.modality_postprocessors["text"][1].log_logit_scale.exp().clamp(max=50)
    apart = 1 - (seen * said[labels]).sum(-1).mean()
    return concept_loss(seen, labels, said, scale) + 0.3 * peers_loss(seen, labels) + 0.3 * apart


def bind(minutes: float, seed: int = 0) -> None:
    """Train the towers of pictures and words within a budget of minutes, from the last checkpoint."""
    torch.manual_seed(seed)
    tokenizer = train_tokenizer(load_concepts())
    processor = starter_processor(tokenizer)
    model = ImageBindModel(starter_config(len(tokenizer))).train()
    trained = [p for n, p in model.named_parameters() if ".vision." in n or ".text." in n]
    for name, weight in model.named_parameters():
        weight.requires_grad_(".vision." in name or ".text." in name)
    optimizer, average = optimizer_for(trained), Average(model)
    schedule = Schedule(optimizer, minutes * 60, peak=1e-3)
    resume(model, optimizer, average, schedule)
    held_out = HeldOut(processor)
    loader = iter(DataLoader(Renderings(seed + schedule.steps), batch_size=None, num_workers=1, prefetch_factor=6))
    dice, losses, reported = random.Random(seed + schedule.steps), [], 0.0
    while schedule.step():
        loss = bind_step(model, processor, *next(loader), dice)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        average.update(model)
        losses.append(loss.item())
        if schedule.steps % 50 == 0:
            log.info("bind step=%d spent=%.0f loss=%.3f", schedule.steps, schedule.spent, sum(losses) / len(losses))
            losses = []
        if schedule.spent - reported > 150:
            reported = schedule.spent
            keep(model, optimizer, average, schedule, held_out.scores(averaged(model, average), processor))
    keep(model, optimizer, average, schedule, held_out.scores(averaged(model, average), processor))


def averaged(model: ImageBindModel, average: Average) -> ImageBindModel:
    """A copy of the model with the averaged weights."""
    copy = ImageBindModel(model.config)
    copy.load_state_dict({**model.state_dict(), **average.weights})
    return copy.eval()


def keep(model: Any, optimizer: Any, average: Average, schedule: Schedule, scores: dict[str, float]) -> None:
    """Write the checkpoint of the run, and log its scores."""
    log.info("bind step=%d scores=%s", schedule.steps, json.dumps(scores))
    save_atomically(
        {
            "model": model.state_dict(),
            "optimizer": optimizer.state_dict(),
            "average": average.weights,
            "average_steps": average.steps,
            "steps": schedule.steps,
            "spent": schedule.spent,
            "scores": scores,
        },
        RUNS / "bind.pt",
    )


def resume(model: Any, optimizer: Any, average: Average, schedule: Schedule) -> None:
    """Take up the run where its last checkpoint left it, if there is one."""
    if not (RUNS / "bind.pt").exists():
        return
    state = torch.load(RUNS / "bind.pt", weights_only=True)
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    average.weights, average.steps = state["average"], state["average_steps"]
    schedule.steps, schedule.start = state["steps"], schedule.start - state["spent"]


def main() -> None:
    """Read the arguments and run one stage."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("stage", choices=["bind", "hear", "export"])
    parser.add_argument("--minutes", type=float, default=40.0)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(args.threads)
    if args.stage == "bind":
        bind(args.minutes)


if __name__ == "__main__":
    main()

"""Trains the starter encoder: pictures and words together, then sounds against the finished space.

    python -m starter.train_encoder bind   [--minutes 40]    pictures and words (sets the space)
    python -m starter.train_encoder hear   [--minutes 30]    spoken words, the space frozen
    python -m starter.train_encoder export                   what is there, as fp16 safetensors

As in ImageBind every modality is bound to pictures by InfoNCE. Runs resume from
`starter/runs/encoder`.
"""

import argparse
import logging
import random
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from encoders.imagebind.modeling import ImageBindModel
from encoders.imagebind.processing import ImageBindProcessor
from starter.concepts import load_concepts
from starter.encoder_audio import hear
from starter.encoder_export import export
from starter.encoder_parts import (
    SIDE,
    Run,
    concept_loss,
    embed,
    name_embeddings,
    peers_loss,
    score,
    starter_config,
    starter_processor,
    starter_tokenizer,
)
from starter.encoder_text import HELD_OUT_CHINESE, HELD_OUT_ENGLISH, phrase
from starter.pictures import (
    HELD_OUT_VENDOR,
    MONO_VENDORS,
    TRAIN_VENDORS,
    augment,
    flatten,
    load_vendors,
)

CONCEPTS_IN_BATCH, PICTURES_OF_EACH, LINE_DRAWINGS = 40, 3, 16
WORDS_IN_BATCH = 100


class Renderings(IterableDataset[tuple[Tensor, Tensor]]):
    """Endless batches of augmented pictures: a few drawings each of some concepts, and line
    drawings.
    """

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
            rows = [
                of[c][torch.randint(len(of[c]), (PICTURES_OF_EACH,), generator=dice)]
                for c in chosen
            ]
            index = torch.cat(rows)
            lines = torch.randint(len(self.lines), (LINE_DRAWINGS,), generator=dice)
            drawn = augment(self.lines[lines], SIDE, dice, tint=True)
            easy = mild(self.pictures[index[::PICTURES_OF_EACH]], dice)
            pictures = augment(self.pictures[index], SIDE, dice)
            pictures[::PICTURES_OF_EACH] = easy
            pictures = torch.cat([pictures, drawn])
            yield cut_out(pictures, dice), torch.cat([self.labels[index], self.line_labels[lines]])


def mild(rgba: Tensor, dice: torch.Generator) -> Tensor:
    """Plain pictures, most on white and some on one colour, moved a little: easy to begin with."""
    black, white = flatten(rgba, SIDE, 0.0), flatten(rgba, SIDE, 1.0)
    ground = torch.rand(len(rgba), 3, 1, 1, generator=dice)
    ground[torch.rand(len(rgba), generator=dice) < 0.6] = 1.0
    pictures = F.pad(black + (white - black) * ground - ground, (6, 6, 6, 6)) + ground
    x, y = torch.randint(0, 13, (2,), generator=dice).tolist()
    flip = torch.rand(len(rgba), generator=dice) < 0.15
    pictures[flip] = pictures[flip].flip(-1)
    return pictures[..., y : y + SIDE, x : x + SIDE].clamp(0, 1)


def cut_out(pictures: Tensor, dice: torch.Generator) -> Tensor:
    """Cover a grey square, up to two fifths of the side, in three of ten pictures (DeVries &
    Taylor, 2017).
    """
    count, _, side, _ = pictures.shape
    draw = torch.rand(4, count, generator=dice)
    size = (draw[0] * 0.3 + 0.1) * side * (draw[3] < 0.3)
    axis = torch.arange(side)
    row = (axis - draw[1, :, None] * side).abs() < size[:, None] / 2
    column = (axis - draw[2, :, None] * side).abs() < size[:, None] / 2
    hole = (row[:, None, :, None] & column[:, None, None, :]).float()
    return pictures * (1 - hole) + 0.5 * hole


class HeldOut:
    """Pictures that are never trained on: new renderings of known vendors, and one vendor never
    seen.
    """

    def __init__(self, processor: ImageBindProcessor) -> None:
        dice = torch.Generator().manual_seed(90210)
        pictures, labels, _ = load_vendors(TRAIN_VENDORS)
        index = torch.randperm(len(pictures), generator=dice)[:1000]
        self.known = processor.standardise(augment(pictures[index], SIDE, dice)), labels[index]
        pictures, labels, _ = load_vendors((HELD_OUT_VENDOR,))
        self.unseen = processor.standardise(flatten(pictures, SIDE)), labels
        self.unseen_rough = processor.standardise(augment(pictures, SIDE, dice)), labels

    def scores(self, model: ImageBindModel, processor: ImageBindProcessor) -> dict[str, float]:
        """Top-1 and top-5 by the concepts' main names, and how well new phrases find their
        concept.
        """
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
            words = [
                t.format(x=c.zh if language == "zh" else c.name)
                for t in templates
                for c in concepts
            ]
            labels = torch.arange(len(concepts)).repeat(len(templates))
            found[f"phrases_{language}_top1"] = score(
                embed(model, "text", processor.text(words)), labels, english
            )
        return {k: round(v, 4) for k, v in found.items()}


def with_others(labels: Tensor, count: int, most: int) -> tuple[Tensor, Tensor]:
    """The concepts of a batch and others at random, `most` in all, and each label's place among
    them.
    """
    there, places = labels.unique(return_inverse=True)
    others = torch.ones(count, dtype=torch.bool)
    others[there] = False
    absent = others.nonzero().flatten()
    chosen = absent[torch.randperm(len(absent))][: max(most - len(there), 0)]
    return torch.cat([there, chosen]), places


def bind_step(
    model: ImageBindModel,
    processor: ImageBindProcessor,
    anchors: Tensor,
    batch: tuple[Tensor, Tensor],
    dice: random.Random,
    part: float,
) -> Tensor:
    """The loss of one batch: pictures with words, drawings of one thing with each other.

    `anchors` (C, D), one learned point for each concept, let both towers begin before the other
    one means anything (Proxy-NCA, Movshovitz-Attias et al., 2017). They are thrown away at the
    end. Once the concepts lie apart (`part` of the budget is spent) pictures and words are also
    drawn together, so that decoders may take one for the other; from the start that would collapse
    the space.
    """
    pictures, labels = batch
    rows, labels = with_others(labels, len(anchors), WORDS_IN_BATCH)
    concepts = load_concepts()
    words = processor.text([phrase(concepts[row], dice) for row in rows.tolist()])
    with torch.autocast("cpu", torch.bfloat16):
        tokens = model.modality_preprocessors["vision"](processor.standardise(pictures))
        seen = model.modality_heads["vision"](model.modality_trunks["vision"](tokens))
        said = model.encode("text", words, finish="raw").embedding
    seen, said = F.normalize(seen.float(), dim=-1), F.normalize(said.float(), dim=-1)
    learned = model.get_parameter("modality_postprocessors.text.1.log_logit_scale")
    scale = learned.exp().clamp(max=50)
    gap = 1 - (seen * said[labels]).sum(-1).mean()
    pull = 0.5 * min(max((part - 0.25) / 0.25, 0.0), 1.0)
    points, early = F.normalize(anchors[rows, : seen.shape[1]]), anchors[rows, seen.shape[1] :]
    patches = F.normalize(tokens[:, 1:].float().mean(dim=1), dim=-1)
    early_begin = F.cross_entropy(20 * patches @ F.normalize(early).T, labels)
    begin = F.cross_entropy(20 * seen @ points.T, labels, label_smoothing=0.05)
    begin = begin + 0.5 * F.cross_entropy(20 * said @ points.T, torch.arange(len(said)))
    bound = concept_loss(seen, labels, said, scale)
    begin = begin + 0.5 * early_begin
    return bound + begin + 0.3 * peers_loss(seen, labels) + pull * gap


def bind(minutes: float, seed: int = 0) -> None:
    """Train the towers of pictures and words for so many minutes, from the last checkpoint."""
    torch.manual_seed(seed)
    tokenizer = starter_tokenizer()
    processor = starter_processor(tokenizer)
    model = ImageBindModel(starter_config(len(tokenizer))).train()
    for name, weight in model.named_parameters():
        weight.requires_grad_(".vision." in name or ".text." in name)
    width = model.config.projection_dim + model.config.tower("vision").hidden_size
    anchors = torch.nn.Parameter(torch.randn(len(load_concepts()), width))
    run, held_out = Run("bind", model, anchors, minutes, peak=1.5e-3), HeldOut(processor)
    seed += run.schedule.steps
    loader = iter(DataLoader(Renderings(seed), batch_size=None, num_workers=1, prefetch_factor=6))
    dice = random.Random(seed)
    while run.schedule.step():
        part = run.schedule.part
        run.learn(bind_step(model.train(), processor, anchors, next(loader), dice, part))
        if run.due:
            run.keep(held_out.scores(run.averaged(), processor))
    run.keep(held_out.scores(run.averaged(), processor))


def main() -> None:
    """Read the arguments and run one stage."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("stage", choices=["bind", "hear", "export"])
    parser.add_argument("--minutes", type=float, default=40.0)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(args.threads)
    if args.stage == "bind":
        bind(args.minutes)
    elif args.stage == "hear":
        hear(args.minutes)
    else:
        export()


if __name__ == "__main__":
    main()

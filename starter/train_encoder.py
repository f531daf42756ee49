"""Trains the starter encoder: pictures and words together, then sounds against the finished space.

    python -m starter.train_encoder bind   [--minutes 40]    pictures and words (sets the space)
    python -m starter.train_encoder hear   [--minutes 30]    spoken words, the space frozen
    python -m starter.train_encoder see    [--minutes 30]    rough pictures better, the space frozen
    python -m starter.train_encoder export                   what is there, as fp16 safetensors

As in ImageBind every modality is bound to pictures by InfoNCE. Runs resume from
`starter/runs/encoder`.
"""

import argparse
import logging
import random

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import DataLoader

from encoders.imagebind.modeling import ImageBindModel
from encoders.imagebind.processing import ImageBindProcessor
from starter.concepts import load_concepts
from starter.encoder_audio import hear
from starter.encoder_export import export
from starter.encoder_parts import (
    Run,
    concept_loss,
    peers_loss,
    starter_config,
    starter_processor,
    starter_tokenizer,
)
from starter.encoder_pictures import Renderings
from starter.encoder_polish import see
from starter.encoder_scores import HeldOut
from starter.encoder_text import phrase

WORDS_IN_BATCH = 100


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
        pictures, labels, _ = next(loader)
        run.learn(bind_step(model.train(), processor, anchors, (pictures, labels), dice, part))
        if run.due:
            run.keep(held_out.scores(run.averaged(), processor))
    run.keep(held_out.scores(run.averaged(), processor))


def main() -> None:
    """Read the arguments and run one stage."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("stage", choices=["bind", "hear", "see", "export"])
    parser.add_argument("--minutes", type=float, default=40.0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--again", action="store_true", help="hear: go on with a new schedule")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(args.threads)
    if args.stage == "bind":
        bind(args.minutes)
    elif args.stage == "hear":
        hear(args.minutes, again=args.again)
    elif args.stage == "see":
        see(args.minutes)
    else:
        export()


if __name__ == "__main__":
    main()

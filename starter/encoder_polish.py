"""The seeing stage: the tower of pictures goes on after the space was frozen, without moving it.

The exported tower says where each plain drawing lies; the new one learns to put every rough
rendering of it to that place, and near the name of what it shows. So models that were trained on
the space keep working, and small, dark or noisy pictures are named better.
"""

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import DataLoader

from encoders.imagebind.modeling import ImageBindModel
from starter.concepts import load_concepts
from starter.encoder_export import frozen_space, tower
from starter.encoder_parts import RUNS, Run, embed, name_embeddings, starter_config
from starter.encoder_pictures import Renderings
from starter.encoder_scores import HeldOut


def see_step(
    model: ImageBindModel, pictures: Tensor, labels: Tensor, goals: Tensor, names: Tensor
) -> Tensor:
    """The loss of one batch: to the place of the plain drawing, and to the right name."""
    with torch.autocast("cpu", torch.bfloat16):
        seen = model.encode("vision", pictures, finish="raw").embedding
    seen = F.normalize(seen.float(), dim=-1)
    away = 1 - (seen * goals).sum(-1).mean()
    return F.cross_entropy(20 * seen @ names.T, labels, label_smoothing=0.05) + 2 * away


def see(minutes: float, seed: int = 2) -> None:
    """Train the tower of pictures for so many minutes against the exported space."""
    torch.manual_seed(seed)
    frozen = frozen_space()
    if frozen is None:
        raise SystemExit("The space is not exported yet: run `bind`, then `export`.")
    teacher, processor = frozen
    model = ImageBindModel(starter_config(len(processor.tokenizer)))
    start = torch.load(RUNS / "bind.pt", weights_only=True)
    model.load_state_dict(tower(start, "vision") | tower(start, "text"), strict=False)
    for name, weight in model.named_parameters():
        weight.requires_grad_(".vision." in name)
    run = Run("see", model, torch.nn.Parameter(torch.zeros(1)), minutes, peak=7e-4)
    renderings = Renderings(seed + run.schedule.steps, busy=True)
    goals = embed(teacher, "vision", processor.standardise(renderings.drawings()))
    names, held_out = name_embeddings(teacher, processor, load_concepts()), HeldOut(processor)
    loader = iter(DataLoader(renderings, batch_size=None, num_workers=1, prefetch_factor=6))
    while run.schedule.step():
        pictures, labels, which = next(loader)
        pictures = processor.standardise(pictures)
        run.learn(see_step(model.train(), pictures, labels, goals[which], names))
        if run.due:
            run.keep(held_out.scores(run.averaged(), processor) | _moved(run, held_out, teacher))
    run.keep(held_out.scores(run.averaged(), processor) | _moved(run, held_out, teacher))


def _moved(run: Run, held_out: HeldOut, teacher: ImageBindModel) -> dict[str, float]:
    """The mean cosine between new and exported places of plain pictures never trained on."""
    pictures, _ = held_out.unseen
    new, old = (embed(m, "vision", pictures) for m in (run.averaged(), teacher))
    return {"same_place": round(float((new * old).sum(1).mean()), 4)}

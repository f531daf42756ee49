"""The hearing stage: spoken words are bound to the pictures of what they name; the space itself
stays as it is.

Before the space is exported the tower can already learn to tell the words apart (`hear` then uses
points of its own); afterwards its last layer is turned into the space and it goes on against the
embeddings of pictures.
"""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from encoders.imagebind.modeling import ImageBindModel
from encoders.imagebind.processing import ImageBindProcessor
from starter.concepts import load_concepts
from starter.encoder_export import frozen_space, tower
from starter.encoder_parts import (
    LEVEL,
    MEL_FRAMES,
    RUNS,
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
from starter.pictures import TRAIN_VENDORS, augment, load_vendors
from starter.speech import augment_speech, load_speech

BATCH, NOISES, KEPT, REPLAYS = 128, 16, 24_000, 2


class Sayings(IterableDataset[tuple[Tensor, Tensor]]):
    """Endless batches of augmented log-mel pictures; each is used thrice, masked anew."""

    def __init__(self, processor: ImageBindProcessor, seed: int) -> None:
        self.processor, self.seed = processor, seed
        self.speech, self.sounds = load_speech("train"), load_speech("train_sounds")

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        torch.set_num_threads(1)
        dice = torch.Generator().manual_seed(self.seed)
        pictures = torch.zeros(KEPT, self.processor.mel_bins, MEL_FRAMES, dtype=torch.float16)
        labels = torch.zeros(KEPT, dtype=torch.long)
        made = 0
        while True:
            said = torch.randint(len(self.speech.label), (BATCH - NOISES,), generator=dice)
            made_by = torch.randint(len(self.sounds.label), (NOISES,), generator=dice)
            pcm = torch.cat([self.speech.rows(said), self.sounds.rows(made_by)])
            fresh = hear_clean(self.processor, augment_speech(pcm, dice))
            place = torch.arange(made, made + BATCH) % KEPT
            pictures[place] = fresh.half()
            labels[place] = torch.cat([self.speech.label[said], self.sounds.label[made_by]])
            made += BATCH
            yield mask(fresh, dice), labels[place]
            for _ in range(REPLAYS):
                again = torch.randint(min(made, KEPT), (BATCH,), generator=dice)
                yield mask(pictures[again].float(), dice), labels[again]


def hear_clean(processor: ImageBindProcessor, wave: Tensor) -> Tensor:
    """(B, mel, frames): the processor's picture of two seconds (B, samples), levelled."""
    loudness = wave.square().mean(dim=1, keepdim=True).sqrt().clamp_min(1e-6)
    return processor.log_mel(wave * (LEVEL / loudness))


def mask(pictures: Tensor, dice: torch.Generator) -> Tensor:
    """(B, 1, mel, frames): another gain, one band and one stretch of time hidden (SpecAugment,
    Park et al., 2019).
    """
    count, bins, frames = pictures.shape
    draw = torch.rand(5, count, 1, generator=dice)
    pictures = pictures + (draw[4, :, :, None] - 0.5) * 0.8
    for size, most, start, width in ((bins, 12, draw[0], draw[1]), (frames, 30, draw[2], draw[3])):
        axis, first = torch.arange(size), start * size
        hidden = (axis >= first) & (axis < first + width * most)
        hidden = hidden[:, :, None] if size == bins else hidden[:, None, :]
        pictures = pictures.masked_fill(hidden, 0.0)
    return pictures.unsqueeze(1)


class HeldOutSpeech:
    """Voices that are never trained on: another synthesizer's voice, and espeak-ng variants kept
    apart.
    """

    def __init__(self, processor: ImageBindProcessor) -> None:
        self.sets = {}
        for split in ("heldout_espeak", "heldout_flite", "heldout_sounds"):
            speech = load_speech(split)
            sounds = [
                processor.audio(row / 32768.0, 16000)[:1] for row in speech.pcm.astype("float32")
            ]
            chinese = torch.from_numpy(speech.language == "zh")
            self.sets[split.removeprefix("heldout_")] = (torch.cat(sounds), speech.label, chinese)

    def scores(self, model: ImageBindModel, concepts: Tensor) -> dict[str, float]:
        """Top-1 and top-5 against one point (C, D) for each concept, all and by language."""
        found = {}
        for name, (sounds, labels, chinese) in self.sets.items():
            items = embed(model, "audio", sounds)
            found[f"{name}_top1"] = score(items, labels, concepts)
            found[f"{name}_top5"] = score(items, labels, concepts, top=5)
            found[f"{name}_cosine"] = float((items * concepts[labels]).sum(1).mean())
            if chinese.any():
                found[f"{name}_zh_top1"] = score(items[chinese], labels[chinese], concepts)
                found[f"{name}_en_top1"] = score(items[~chinese], labels[~chinese], concepts)
        return {k: round(v, 4) for k, v in found.items()}


class Space:
    """The frozen space as targets: embeddings of renderings of every concept, and of its names."""

    def __init__(
        self, model: ImageBindModel, processor: ImageBindProcessor, seed: int, each: int = 24
    ) -> None:
        self.dice = torch.Generator().manual_seed(seed)
        pictures, labels, _ = load_vendors(TRAIN_VENDORS)
        count = int(labels.max()) + 1
        rows = []
        for concept in range(count):
            of = (labels == concept).nonzero().flatten()
            rows.append(of[torch.randint(len(of), (each,), generator=self.dice)])
        index = torch.cat(rows)
        seen = [
            embed(model, "vision", processor.standardise(augment(pictures[part], SIDE, self.dice)))
            for part in index.split(256)
        ]
        self.seen = torch.cat(seen).view(count, each, -1)
        self.names = name_embeddings(model, processor, load_concepts())
        self.centres = F.normalize(self.seen.mean(dim=1), dim=-1)

    def pictures(self) -> Tensor:
        """One picture's embedding for each concept, (C, D), at random."""
        choice = torch.randint(self.seen.shape[1], (len(self.seen),), generator=self.dice)
        return self.seen[torch.arange(len(self.seen)), choice]


def hear_step(
    model: ImageBindModel,
    points: Tensor,
    space: Space | None,
    batch: tuple[Tensor, Tensor],
    part: float,
) -> Tensor:
    """The loss of one batch of sounds: InfoNCE with pictures, weakly with names; before there is a
    space, with points of its own. `points` (C, D + width) also hold one for the mean of the
    patches, which lets the stem begin early.
    """
    sounds, labels = batch
    with torch.autocast("cpu", torch.bfloat16):
        tokens = model.modality_preprocessors["audio"](sounds)
        heard = model.modality_heads["audio"](model.modality_trunks["audio"](tokens))
    heard = F.normalize(heard.float(), dim=-1)
    own = F.normalize(points[:, : heard.shape[1]], dim=-1)
    early = F.normalize(points[:, heard.shape[1] :], dim=-1)
    patches = F.normalize(tokens[:, 1:].float().mean(dim=1), dim=-1)
    begin = 0.5 * F.cross_entropy(20 * patches @ early.T, labels)
    if space is None:
        direct = F.cross_entropy(20 * heard @ own.T, labels, label_smoothing=0.05)
        return begin + direct + 0.2 * peers_loss(heard, labels)
    gap = 1 - (heard * space.centres[labels]).sum(-1).mean()
    with_names = concept_loss(heard, labels, space.names, 20.0)
    with_pictures = concept_loss(heard, labels, space.pictures(), 20.0)
    pull = min(max((part - 0.3) / 0.3, 0.0), 1.0)
    return begin + with_pictures + 0.3 * with_names + pull * gap


def turn_into(space: Space, points: Tensor, model: ImageBindModel) -> None:
    """Turn the tower's last layer so that its own points fall on the centres of the space."""
    own = F.normalize(points.detach()[:, : space.centres.shape[1]], dim=-1)
    turn = torch.linalg.lstsq(own, space.centres).solution
    with torch.no_grad():
        projection = model.get_parameter("modality_heads.audio.2.weight")
        projection.copy_(turn.T @ projection)


def hear(minutes: float, seed: int = 1) -> None:
    """Train the tower of sounds within a budget of minutes; from where `hear` or the rehearsal
    left it.
    """
    torch.manual_seed(seed)
    frozen = frozen_space()
    tokenizer = starter_tokenizer()
    processor = starter_processor(tokenizer)
    model = ImageBindModel(starter_config(len(tokenizer)))
    for name, weight in model.named_parameters():
        weight.requires_grad_(".audio." in name)
    width = model.config.projection_dim + model.config.tower("audio").hidden_size
    points = torch.nn.Parameter(torch.randn(len(load_concepts()), width))
    space = Space(*frozen, seed) if frozen else None
    if space and not (RUNS / "hear.pt").exists() and (RUNS / "rehearse.pt").exists():
        state = torch.load(RUNS / "rehearse.pt", weights_only=True)
        model.load_state_dict(tower(state, "audio"), strict=False)
        points.data.copy_(state["extra"])
        turn_into(space, state["extra"], model)
    run = Run("hear" if space else "rehearse", model, points, minutes, peak=2.5e-3)
    held_out, seed = HeldOutSpeech(processor), seed + run.schedule.steps
    loader = iter(
        DataLoader(Sayings(processor, seed), batch_size=None, num_workers=1, prefetch_factor=6)
    )

    def keep() -> None:
        own = F.normalize(points.detach()[:, : model.config.projection_dim], dim=-1)
        against = space.names if space else own
        run.keep(held_out.scores(run.averaged(), against))

    while run.schedule.step():
        run.learn(hear_step(model.train(), points, space, next(loader), run.schedule.part))
        # A rehearsal ends as soon as there is a space to bind to.
        if space is None and run.due and frozen_space() is not None:
            break
        if run.due:
            keep()
    keep()

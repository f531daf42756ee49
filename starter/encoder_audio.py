"""The hearing stage: spoken words are bound to the pictures of what they name; the space itself
stays as it is.
"""

from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from encoders.imagebind.modeling import ImageBindModel
from encoders.imagebind.processing import ImageBindProcessor
from starter.concepts import load_concepts
from starter.encoder_export import frozen_space
from starter.encoder_parts import (
    LEVEL,
    MEL_FRAMES,
    SIDE,
    Run,
    Schedule,
    concept_loss,
    embed,
    name_embeddings,
    score,
    starter_config,
)
from starter.pictures import TRAIN_VENDORS, augment, load_vendors
from starter.speech import Speech, Split, augment_speech, have_speech, load_speech

BATCH, NOISES, KEPT, REPLAYS = 128, 16, 24_000, 8
PEAK = 1.5e-3
RECORDED, ENGLISH = 0.45, 0.20  # parts of the words: recorded speakers, espeak-ng in English


class Sayings(IterableDataset[tuple[Tensor, Tensor, Tensor]]):
    """Endless batches of log-mel pictures, half of them augmented; each is used nine times, masked
    anew. Gives the pictures, their concepts, and which of all trained words (or sounds) they are.
    """

    def __init__(self, processor: ImageBindProcessor, seed: int) -> None:
        self.processor, self.seed = processor, seed
        splits: tuple[Split, ...] = ("train", "train_others")
        self.speech = [load_speech(split) for split in splits if have_speech(split)]
        self.sounds = load_speech("train_sounds")
        texts = [text for speech in self.speech for text in speech.text.tolist()]
        noises = [f"sound of {label}" for label in self.sounds.label.tolist()]
        names, word = np.unique([*texts, *noises], return_inverse=True)
        self.words, self.word = len(names), torch.from_numpy(word)
        self.label = torch.cat([*(speech.label for speech in self.speech), self.sounds.label])
        self.often = how_often(self.speech)

    def pcm(self, index: Tensor) -> Tensor:
        """Samples of these sayings, numbered through all splits, in the order of the splits."""
        found, first = [], 0
        for speech in self.speech:
            inside = (index >= first) & (index < first + len(speech.label))
            found.append(speech.rows(index[inside] - first))
            first += len(speech.label)
        return torch.cat(found)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        torch.set_num_threads(1)
        dice = torch.Generator().manual_seed(self.seed)
        pictures = torch.zeros(KEPT, self.processor.mel_bins, MEL_FRAMES, dtype=torch.float16)
        rows = torch.zeros(KEPT, dtype=torch.long)
        said, made = len(self.often), 0
        while True:
            some = torch.multinomial(self.often, BATCH - NOISES, replacement=True, generator=dice)
            some = some.sort().values
            others = torch.randint(len(self.sounds.label), (NOISES,), generator=dice)
            pcm = torch.cat([self.pcm(some), self.sounds.rows(others)])
            index = torch.cat([some, others + said])
            wave = torch.cat([moved(pcm[::2], dice), augment_speech(pcm[1::2], dice)])
            fresh = hear_clean(self.processor, wave)
            place = torch.arange(made, made + BATCH) % KEPT
            pictures[place], rows[place] = fresh.half(), torch.cat([index[::2], index[1::2]])
            made += BATCH
            for again in range(1 + REPLAYS):
                if again:
                    place = torch.randint(min(made, KEPT), (BATCH,), generator=dice)
                row = rows[place]
                yield mask(pictures[place].float(), dice), self.label[row], self.word[row]


def how_often(splits: list[Speech]) -> Tensor:
    """How often each saying is heard: few recorded speakers about as much as all of espeak-ng, each
    as much as the others, and more of its Chinese than of its English, which nobody else speaks.
    """
    voices = np.concatenate([speech.voice.astype(str) for speech in splits])
    chinese = np.concatenate([speech.language == "zh" for speech in splits])
    espeak = np.char.startswith(voices, "espeak")
    often = np.zeros(len(voices))
    for part, group in ((ENGLISH, espeak & ~chinese), (1 - RECORDED - ENGLISH, espeak & chinese)):
        often[group] = part / max(int(group.sum()), 1)
    recorded = np.unique(voices[~espeak])
    for voice in recorded:
        group = voices == voice
        often[group] = RECORDED / len(recorded) / int(group.sum())
    return torch.from_numpy(often)


def moved(pcm: Tensor, dice: torch.Generator) -> Tensor:
    """Plain recordings (B, samples) int16 as float, begun 0.08 seconds later at most, some 0.4."""
    longest = torch.where(torch.rand(len(pcm), 1, generator=dice) < 0.25, 6400, 1280)
    silence = (torch.rand(len(pcm), 1, generator=dice) * longest).long()
    at = torch.arange(pcm.shape[1]) - silence
    wave = pcm.float().gather(1, at.clamp_min(0)) / 32768
    return wave.masked_fill(at < 0, 0.0)


def hear_clean(processor: ImageBindProcessor, wave: Tensor) -> Tensor:
    """(B, mel, frames): the processor's picture of two seconds (B, samples), levelled."""
    loudness = wave.square().mean(dim=1, keepdim=True).sqrt().clamp_min(1e-6)
    return processor.log_mel(wave * (LEVEL / loudness))


def warp(pictures: Tensor, dice: torch.Generator) -> Tensor:
    """(B, mel, frames) as other throats would say it, by up to 15 % in pitch and speed (vocal tract
    length perturbation, Jaitly and Hinton, 2013).
    """
    count = len(pictures)
    high, fast = 1 + 0.15 * (2 * torch.rand(2, count, generator=dice) - 1)
    turn = torch.zeros(count, 2, 3)
    turn[:, 0, 0], turn[:, 0, 2] = fast, fast - 1  # the beginning stays where it is
    turn[:, 1, 1], turn[:, 1, 2] = high, high - 1
    places = F.affine_grid(turn, [count, 1, *pictures.shape[1:]], align_corners=False)
    moved_to = F.grid_sample(
        pictures.unsqueeze(1), places, padding_mode="border", align_corners=False
    )
    return moved_to.squeeze(1)


def colour(pictures: Tensor, dice: torch.Generator) -> Tensor:
    """(B, mel, frames) by another microphone and another synthesizer: another mean spectrum, its
    peaks blunter or sharper, loud and soft further apart or closer.
    """
    count, bins, _ = pictures.shape
    knots = torch.randn(count, 1, 8, generator=dice) * 0.2
    tilt = (torch.rand(count, 1, 1, generator=dice) - 0.5) * torch.linspace(-1, 1, bins)
    curve = F.interpolate(knots, size=bins, mode="linear", align_corners=True) + tilt * 0.6
    wide = F.avg_pool1d(pictures.transpose(1, 2), 5, 1, 2, count_include_pad=False)
    sharp = 0.7 + 0.6 * torch.rand(count, 1, 1, generator=dice)
    sharp[torch.rand(count, 1, 1, generator=dice) < 0.3] *= 0.3
    wide = wide.transpose(1, 2)
    apart = 0.85 + 0.3 * torch.rand(count, 1, 1, generator=dice)
    return (wide + sharp * (pictures - wide)) * apart + curve.transpose(1, 2)


def mask(pictures: Tensor, dice: torch.Generator) -> Tensor:
    """(B, 1, mel, frames): another gain, one band and one stretch of time hidden (SpecAugment,
    Park et al., 2019).
    """
    count, bins, frames = pictures.shape
    draw = torch.rand(5, count, 1, generator=dice)
    pictures = colour(warp(pictures, dice), dice) + (draw[4, :, :, None] - 0.5) * 0.8
    for size, most, start, width in ((bins, 12, draw[0], draw[1]), (frames, 30, draw[2], draw[3])):
        axis, first = torch.arange(size), start * size
        hidden = (axis >= first) & (axis < first + width * most)
        hidden = hidden[:, :, None] if size == bins else hidden[:, None, :]
        pictures = pictures.masked_fill(hidden, 0.0)
    return pictures.unsqueeze(1)


class HeldOutSpeech:
    """Voices that are never trained on: recorded speakers, and espeak-ng variants kept apart."""

    def __init__(self, processor: ImageBindProcessor) -> None:
        self.sets = {}
        splits: tuple[Split, ...]
        splits = ("heldout_espeak", "heldout_flite", "heldout_festival", "heldout_sounds")
        for split in splits:
            if not have_speech(split):
                continue
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
    space: Space,
    batch: tuple[Tensor, Tensor, Tensor],
    part: float,
) -> Tensor:
    """The loss of one batch: InfoNCE with pictures and, weakly, with names.

    A concept has several words in two languages that sound nothing alike. `points` (2, words,
    width), thrown away at the end, teach the stem and the trunk to tell the words themselves apart.
    Late in the budget sounds are also drawn to the middle of their concept's pictures.
    """
    sounds, labels, words = batch
    with torch.autocast("cpu", torch.bfloat16):
        patches = model.modality_preprocessors["audio"](sounds)
        tokens = model.modality_trunks["audio"](patches)
        heard = model.modality_heads["audio"](tokens)
    heard = F.normalize(heard.float(), dim=-1)
    early, late = F.normalize(points, dim=-1)
    stem = F.normalize(patches[:, 1:].float().mean(dim=1), dim=-1)
    trunk = F.normalize(tokens[:, 0].float(), dim=-1)
    told = F.cross_entropy(20 * stem @ early.T, words) + F.cross_entropy(20 * trunk @ late.T, words)
    with_names = concept_loss(heard, labels, space.names, 20.0)
    with_pictures = concept_loss(heard, labels, space.pictures(), 20.0)
    gap = 1 - (heard * space.centres[labels]).sum(-1).mean()
    pull = min(max((part - 0.3) / 0.3, 0.0), 1.0)
    return 0.5 * told + with_pictures + 0.3 * with_names + pull * gap


def hear(minutes: float, seed: int = 1, again: bool = False) -> None:
    """Train the tower of sounds for so many minutes against the exported space; `again` gives what
    is already trained a whole new schedule, as after new voices have come.
    """
    torch.manual_seed(seed)
    frozen = frozen_space()
    if frozen is None:
        raise SystemExit("The space is not exported yet: run `bind`, then `export`.")
    processor = frozen[1]
    model = ImageBindModel(starter_config(len(processor.tokenizer)))
    for name, weight in model.named_parameters():
        weight.requires_grad_(".audio." in name)
    space, held_out = Space(*frozen, seed), HeldOutSpeech(processor)
    sayings = Sayings(processor, seed)
    points = torch.nn.Parameter(
        torch.randn(2, sayings.words, model.config.tower("audio").hidden_size)
    )
    run = Run("hear", model, points, minutes, PEAK)
    sayings.seed += run.schedule.steps
    run.average.decay = 0.995  # over fewer steps than the other stages take
    if again:
        run.schedule, run.reported = Schedule(run.optimizer, minutes * 60, PEAK), 0.0
    loader = iter(DataLoader(sayings, batch_size=None, num_workers=1, prefetch_factor=6))
    while run.schedule.step():
        run.learn(hear_step(model.train(), points, space, next(loader), run.schedule.part))
        if run.due:
            run.keep(held_out.scores(run.averaged(), space.names))
    run.keep(held_out.scores(run.averaged(), space.names))

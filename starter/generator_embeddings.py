"""The generator's second condition: what the starter encoder says of pictures, names and sounds of
each concept.

Writes one array (concepts, K, 256) of unit vectors per kind of source, from training data only.
Needs the exported encoder; sounds are left out while it has no ears.

    python -m starter.generator_embeddings
"""

import logging
import random
from typing import Any

import numpy as np
import torch
import torch.nn.functional as functional
from torch import Tensor

from encoders.imagebind.modeling import ImageBindModel
from encoders.imagebind.processing import ImageBindProcessor
from starter.concepts import HERE, load_concepts
from starter.pictures import TRAIN_VENDORS, augment, load_vendors
from starter.speech import augment_speech, load_speech

log = logging.getLogger(__name__)

ENCODER = HERE / "weights" / "encoder"
OUT = HERE / "runs" / "generator" / "embeddings.npz"
EACH = {"vision": 48, "text": 24, "audio": 48}


@torch.no_grad()
def embed(model: ImageBindModel, modality: str, values: Tensor) -> Tensor:
    """Unit vectors (N, d) float32."""
    parts = [
        model.encode(modality, part, finish="unit").embedding.float() for part in values.split(128)
    ]
    return functional.normalize(torch.cat(parts), dim=-1)


def of_pictures(model: ImageBindModel, processor: ImageBindProcessor, each: int) -> Tensor:
    """Random renderings of every training vendor, a fifth of them plain: (concepts, each, d)."""
    pictures, labels, _ = load_vendors(TRAIN_VENDORS)
    dice = torch.Generator().manual_seed(11)
    rows = []
    for concept in range(len(load_concepts())):
        own = (labels == concept).nonzero().flatten()
        pick = own[torch.randint(len(own), (each,), generator=dice)]
        rendered = augment(pictures[pick], generator=dice)
        rows.append(embed(model, "vision", processor.standardise(rendered)))
    return torch.stack(rows)


def of_words(model: ImageBindModel, processor: ImageBindProcessor, each: int) -> Tensor:
    """Names and synonyms in both languages: (concepts, each, d)."""
    dice = random.Random(11)
    rows = []
    for concept in load_concepts():
        names = [*concept.english, *concept.chinese]
        rows.append(embed(model, "text", processor.text([dice.choice(names) for _ in range(each)])))
    return torch.stack(rows)


def of_sounds(model: ImageBindModel, processor: ImageBindProcessor, each: int) -> Tensor:
    """Augmented spoken names of the training voices: (concepts, each, d)."""
    speech = load_speech("train")
    dice = torch.Generator().manual_seed(11)
    rows = []
    for concept in range(len(load_concepts())):
        own = (speech.label == concept).nonzero().flatten()
        pick = own[torch.randint(len(own), (each,), generator=dice)]
        waves = augment_speech(speech.rows(pick), dice).numpy()
        heard = torch.stack([processor.audio(wave[None], processor.sample_rate) for wave in waves])
        rows.append(embed(model, "audio", heard))
    return torch.stack(rows)


def main() -> None:
    """Writes `embeddings.npz` into the generator's run folder."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(1)
    model: Any = ImageBindModel.from_pretrained(ENCODER, dtype=torch.float32)
    model.eval()
    processor = ImageBindProcessor.from_pretrained(ENCODER)
    makers = {"vision": of_pictures, "text": of_words, "audio": of_sounds}
    banks: dict[str, Any] = {}
    for modality, make in makers.items():
        if modality not in model.config.modalities:
            log.info("kind=%s left out: the encoder has no such tower", modality)
            continue
        bank = make(model, processor, EACH[modality])
        banks[modality] = bank.numpy().astype(np.float16)
        centre = functional.normalize(bank.mean(1), dim=-1)
        named = (bank.flatten(0, 1) @ centre.T).argmax(-1)
        right = (named == torch.arange(len(bank)).repeat_interleave(bank.shape[1])).float().mean()
        log.info("kind=%s shape=%s nearest_centre=%.3f", modality, tuple(bank.shape), right)
    OUT.parent.mkdir(parents=True, exist_ok=True)
    np.savez(OUT.with_suffix(".part.npz"), **banks)
    OUT.with_suffix(".part.npz").replace(OUT)


if __name__ == "__main__":
    main()

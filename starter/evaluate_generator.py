"""What the generator draws, as named by the judge, and the sheet of samples."""

import logging
from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image

from starter import heldout
from starter.concepts import HERE, load_concepts
from starter.judge import Judge, ceiling, load_judge, verdicts
from starter.pictures import GENERATOR_VENDORS, HELD_OUT_VENDOR, JUDGE_VENDORS, TRAIN_VENDORS
from starter.report import Score, Section
from starter.serving import Served

SHEET = HERE / "samples.png"

HELD_OUT = (
    f"A classifier of another architecture, trained apart, names each 64x64 picture among the "
    f"160 concepts. It learned from {', '.join(JUDGE_VENDORS)}; it never saw the drawings that "
    f"the generator learned, which are those of {' and '.join(GENERATOR_VENDORS)}. Pictures and "
    f"sounds that are drawn from are the held-out ones of the sections above. One picture for "
    f"each concept, in most rows for each second or fourth concept; none picked out, 30 steps."
)

log = logging.getLogger(__name__)


def _judged(
    judge: Judge, drawn: Sequence[Image.Image], labels: np.ndarray, what: str, wanted: float | None
) -> Score:
    pixels = np.stack([np.asarray(picture.convert("RGB")) for picture in drawn])
    pictures = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255
    right = verdicts(judge, pictures) == torch.from_numpy(labels)
    concepts = load_concepts()
    wrong = [concepts[int(labels[place])].id for place in np.flatnonzero(~right.numpy())]
    log.info("%s: %.3f, wrong %s", what, right.float().mean(), wrong)
    return Score(what, right.float().mean().item(), len(labels), wanted)


def drawings(generator: Served, encoder: Served) -> Section:
    """Words, picture embeddings and sound embeddings -> picture."""
    section = Section("Words, pictures and sounds -> picture", HELD_OUT)
    judge, concepts = load_judge(), load_concepts()
    labels = np.arange(len(concepts))
    real = ceiling(judge)
    section.remarks.append(
        f"The judge names {100 * real:.1f} % of the real drawings that the generator was taught."
    )
    for what, texts, every in (
        ("English names", [c.name for c in concepts], 1),
        ("English sentences", [f"Could you paint me one {c.name}, please?" for c in concepts], 4),
        ("Chinese names", [c.zh for c in concepts], 4),
    ):
        drawn = generator.draw(texts[::every])
        name = f"{what} -> picture"
        section.scores.append(_judged(judge, drawn, labels[::every], name, 0.80))
        if every == 1:
            save_sheet(drawn)
    for what, items, every, wanted in (
        ("known vendors, new renderings", heldout.rendered(TRAIN_VENDORS, 1), 2, 0.80),
        ("unseen vendor, as drawn", heldout.plain((HELD_OUT_VENDOR,)), 4, None),
        ("English word, unseen voice", heldout.spoken("heldout_espeak", "en", 1), 2, 0.70),
        ("Chinese word, unseen voice", heldout.spoken("heldout_espeak", "zh", 1), 4, 0.70),
        ("English word, unseen speaker", heldout.spoken("heldout_flite", "en", 1), 4, 0.70),
    ):
        drawn = generator.draw(list(encoder.embed(items.values[::every])))
        name = f"{what} -> picture"
        section.scores.append(_judged(judge, drawn, items.labels[::every], name, wanted))
    return section


def save_sheet(drawn: Sequence[Image.Image]) -> None:
    """Write `samples.png`: all concepts drawn from their English names, 16 in a row."""
    sheet = Image.new("RGB", (16 * 64, -(-len(drawn) // 16) * 64), "white")
    for place, picture in enumerate(drawn):
        sheet.paste(picture.convert("RGB").resize((64, 64)), (place % 16 * 64, place // 16 * 64))
    sheet.quantize(256).save(SHEET, optimize=True)

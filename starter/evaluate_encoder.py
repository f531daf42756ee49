"""What the encoder understands: pictures, spoken words and sounds, by the nearest name."""

import logging
from typing import Any

import numpy as np
from numpy.typing import NDArray

from starter import heldout
from starter.concepts import load_concepts
from starter.pictures import HELD_OUT_VENDOR, TRAIN_VENDORS
from starter.report import Score, Section
from starter.scores import top
from starter.serving import Served
from starter.speech import Split, have_speech
from starter.voices import (
    FLITE_VOICES,
    HELD_OUT_FESTIVAL,
    HELD_OUT_FLITE,
    HELD_OUT_VARIANTS,
    PICO_VOICES,
    VARIANTS,
)

log = logging.getLogger(__name__)

PICTURES = (
    f"The encoder trained on the drawings of {', '.join(TRAIN_VENDORS)} and on black line "
    f"drawings. *Known vendors*: the same drawings in renderings that training cannot have "
    f"seen, made once by the training's augmentation with seeds of its own, once by other code "
    f"(odd sizes, window frames with text, photo-like backgrounds, light, noise, JPEG). *Unseen "
    f"vendor*: {HELD_OUT_VENDOR}, which no training of the encoder, hub or generator has seen in "
    f"any form. A picture is named by the nearest of the 160 main names in the shared space."
)
SOUNDS = (
    f"Training heard espeak-ng in {len(VARIANTS)} voice variants and eight English accents, three "
    f"men of flite's ({', '.join(FLITE_VOICES)}) and two women of SVOX Pico's "
    f"({', '.join(PICO_VOICES)}), these five also with longer and shorter throats. *Unseen "
    f"espeak-ng voices*: {', '.join(HELD_OUT_VARIANTS)}, variants that training never used. "
    f"*Unseen woman*: flite's {', '.join(HELD_OUT_FLITE)}. *Unseen man, unseen synthesizer*: "
    f"Festival's {', '.join(HELD_OUT_FESTIVAL)}. Both were recorded. *In noise*: the same through "
    f"rooms, narrow bands and noise. Nobody but espeak-ng says Chinese here, so of Chinese by "
    f"another speaker nothing is known. Sounds without words are simple sketches made by "
    f"arithmetic, the held-out ones from other random draws than the training's."
)


def _names(encoder: Served) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    concepts = load_concepts()
    return encoder.embed([c.name for c in concepts]), encoder.embed([c.zh for c in concepts])


def pictures(encoder: Served) -> Section:
    """Picture -> name."""
    english, chinese = _names(encoder)
    section = Section("Picture -> name", PICTURES)
    unseen = (HELD_OUT_VENDOR,)
    sets: list[tuple[str, Any, float | None, float | None]] = [
        ("known vendors, new renderings", heldout.rendered(TRAIN_VENDORS), 0.90, None),
        ("known vendors, painted by other code", heldout.painted(TRAIN_VENDORS), 0.90, None),
        ("unseen vendor, as drawn", heldout.plain(unseen), 0.50, 0.75),
        ("unseen vendor, new renderings", heldout.rendered(unseen), None, None),
        ("unseen vendor, painted by other code", heldout.painted(unseen), None, None),
    ]
    for what, items, first, five in sets:
        vectors = encoder.embed(items.values)
        count = len(items.labels)
        for names, language in ((english, "English"), (chinese, "Chinese")):
            value = top(vectors, items.labels, names, 1)
            wanted = first if language == "English" else None
            section.scores.append(Score(f"{what}, top-1, {language} names", value, count, wanted))
        value = top(vectors, items.labels, english, 5)
        section.scores.append(Score(f"{what}, top-5", value, count, five))
        log.info("%s: %s", what, [s.row() for s in section.scores[-3:]])
    return section


def sounds(encoder: Served) -> Section:
    """Spoken word -> concept, sound -> concept."""
    english, chinese = _names(encoder)
    section = Section("Spoken word -> concept", SOUNDS)
    voices: list[tuple[Split, str, tuple[str, ...]]] = [
        ("heldout_espeak", "unseen espeak-ng voices", ("en", "zh")),
        ("heldout_flite", "unseen woman (flite)", ("en",)),
        ("heldout_festival", "unseen man, unseen synthesizer (Festival)", ("en",)),
    ]
    for split, who, languages in voices:
        if not have_speech(split):
            continue
        for language in languages:
            said = {"en": "English", "zh": "Chinese"}[language]
            names = english if language == "en" else chinese
            for where, make in (("", heldout.spoken), (", in noise", heldout.spoken_in_noise)):
                items = make(split, language)
                value = top(encoder.embed(items.values), items.labels, names, 1)
                wanted = None if where else 0.80
                what = f"{who}, {said}{where}, top-1"
                section.scores.append(Score(what, value, len(items.labels), wanted))
                log.info(section.scores[-1].row())
    items = heldout.spoken("heldout_sounds", "", 10, "sound")
    vectors = encoder.embed(items.values)
    for count in (1, 5):
        value = top(vectors, items.labels, english, count)
        what = f"sounds without words, 26 things, top-{count} of 160"
        section.scores.append(Score(what, value, len(items.labels)))
    return section

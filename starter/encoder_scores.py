"""How well pictures and words are named that training never saw."""

import torch

from encoders.imagebind.modeling import ImageBindModel
from encoders.imagebind.processing import ImageBindProcessor
from starter.concepts import load_concepts
from starter.encoder_parts import SIDE, embed, name_embeddings, score
from starter.encoder_text import HELD_OUT_CHINESE, HELD_OUT_ENGLISH
from starter.pictures import HELD_OUT_VENDOR, TRAIN_VENDORS, augment, flatten, load_vendors


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

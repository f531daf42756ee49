"""Families of vision-language models that have no chat template: how each was taught to be asked.

A prompt follows how its authors ask it in papers and examples; which wording a given checkpoint
answers best has to be tried with its weights, and a catalogue entry replaces any prompt through its
options. `{}` is the gap for the words of the request and `{language}` for "en" or "zh". An empty
prompt says nothing (a captioner's own start); None means that the family cannot do it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from hub.locating import Boxes, corner_bins, named_after, patch_pairs

#: Tensors of one row, by the name under which `generate` takes them.
Row = dict[str, Any]
#: Processor, model, pictures, prompt -> the row.
Encode = Callable[[Any, Any, list[Any], str], Row]


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """How one class is asked."""

    encode: Encode
    caption: str | None = None  # to describe a picture
    question: str | None = None  # to answer a question about it
    read: str | None = None  # to read what is written in it
    find: str | None = None  # to say where things are
    between: str | None = ", "  # several things to find; None: each is asked for by itself
    boxes: Boxes | None = None  # what the family's location tokens mean
    frames: int = 1  # most pictures in one prompt; with more than one, it takes videos
    pads: bool = True  # whether rows of unequal length may be decoded together
    own_ends: bool = False  # its `generate` sets end and padding by itself

    def with_options(self, options: Mapping[str, Any]) -> "Family":
        """With the prompts and the number of frames that a catalogue entry sets; the prompt
        "none" takes away what this checkpoint was not trained for.
        """
        changed: dict[str, Any] = {
            name: None if options[name] == "none" else options[name]
            for name in ("caption", "question", "read", "find", "frames")
            if name in options
        }
        return replace(self, **changed)


def _plain(processor: Any, model: Any, pictures: list[Any], prompt: str) -> Row:
    """One picture and the prompt; no words at all for an empty prompt."""
    del model
    return dict(processor(images=pictures, text=[prompt] if prompt else None, return_tensors="pt"))


def _git(processor: Any, model: Any, pictures: list[Any], prompt: str) -> Row:
    """The start token and the question without an end; frames stand in a dimension of their own."""
    import torch

    ids = processor.tokenizer(prompt, add_special_tokens=False).input_ids if prompt else []
    ids = torch.tensor([[processor.tokenizer.cls_token_id, *ids]])
    pixels = processor.image_processor(pictures, return_tensors="pt")["pixel_values"]
    if model.config.num_image_with_embedding:
        pixels = pixels.unsqueeze(0)
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids), "pixel_values": pixels}


def _idefics(processor: Any, model: Any, pictures: list[Any], prompt: str) -> Row:
    """Pictures and words in one list, as a turn of a dialogue where the tokenizer knows such. The
    processor would fetch a text that is nothing but an address: there is always a blank in ours.
    """
    del model
    if "<end_of_utterance>" in processor.tokenizer.get_added_vocab():
        asked = [f"User: {prompt}", *pictures, "<end_of_utterance>", "\nAssistant:"]
    else:
        asked = [*pictures, prompt if " " in prompt else f"Picture: {prompt}"]
    return dict(processor(text=[asked], add_end_of_utterance_token=False, return_tensors="pt"))


def _kosmos(processor: Any, model: Any, pictures: list[Any], prompt: str) -> Row:
    """As many places for the picture as the model has latent queries."""
    places = model.config.latent_query_num
    row = dict(
        processor(images=pictures, text=[prompt], num_image_tokens=places, return_tensors="pt")
    )
    row["image_embeds_position_mask"] = row["image_embeds_position_mask"].bool()
    return row


def _paligemma(processor: Any, model: Any, pictures: list[Any], prompt: str) -> Row:
    """The picture's place, then the prompt: the prefix that sees itself whole."""
    del model
    row = dict(processor(images=pictures, text=[f"<image>{prompt}"], return_tensors="pt"))
    row.pop("labels", None)
    return row


def _t5gemma(processor: Any, model: Any, pictures: list[Any], prompt: str) -> Row:
    """A place for each picture before the prompt; the encoder takes no token types."""
    del model
    places = processor.boi_token * len(pictures)
    row = dict(processor(images=[pictures], text=[f"{places} {prompt}"], return_tensors="pt"))
    return {name: row[name] for name in ("input_ids", "attention_mask", "pixel_values")}


#: By the class that a checkpoint's config names.
FAMILIES: Mapping[str, Family] = {
    # Li et al., 2022. The decoder would see padding of the question as words.
    "BlipForConditionalGeneration": Family(encode=_plain, caption="", pads=False, own_ends=True),
    "BlipForQuestionAnswering": Family(
        encode=_plain, caption="what is in the picture?", question="{}", pads=False, own_ends=True
    ),
    # Li et al., 2023.
    "Blip2ForConditionalGeneration": Family(
        encode=_plain, caption="a photo of", question="Question: {} Answer:"
    ),
    # Dai et al., 2023.
    "InstructBlipForConditionalGeneration": Family(
        encode=_plain, caption="Write a short description for the image.", question="{}"
    ),
    # Wang et al., 2022. Learnt positions count from the first place: rows are not padded.
    "GitForCausalLM": Family(encode=_git, caption="", question="{}", pads=False),
    # Laurençon et al., 2023, after Alayrac et al., 2022 (Flamingo).
    "IdeficsForVisionText2Text": Family(
        encode=_idefics, caption="An image of", question="Question: {} Answer:", frames=6
    ),
    # Peng et al., 2023. Its decoder counts padding as places once a cache is filled.
    "Kosmos2ForConditionalGeneration": Family(
        encode=_kosmos,
        pads=False,
        caption="An image of",
        question="Question: {} Answer:",
        find="<grounding><phrase> {}</phrase>",
        between=None,
        boxes=patch_pairs,
    ),
    # Xiao et al., 2023: one prompt for each task, named by its token.
    "Florence2ForConditionalGeneration": Family(
        encode=_plain,
        caption="<DETAILED_CAPTION>",
        read="<OCR>",
        find="<CAPTION_TO_PHRASE_GROUNDING>{}",
        boxes=named_after,
    ),
    # Beyer et al., 2024: prefixes of its pre-training tasks.
    "PaliGemmaForConditionalGeneration": Family(
        encode=_paligemma,
        caption="caption {language}",
        question="answer {language} {}",
        read="ocr",
        find="detect {}",
        between=" ; ",
        boxes=corner_bins,
    ),
    # Zhang et al., 2025.
    "T5Gemma2ForConditionalGeneration": Family(
        encode=_t5gemma, caption="in this image, there is", question="Question: {} Answer:",
        frames=4,
    ),
}  # fmt: skip

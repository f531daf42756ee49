"""What a family of prompts needs to know of a loaded model, and the prompts of one request as
rows of tensors.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from hub.families import Family, Row
from hub.prompting import cleaned
from medley.backend import Request
from medley.errors import BadInput, Unavailable
from medley.media.values import Video
from medley.plain import language_of

LEAST = 4  #: tokens that a row must have room to write
LIMITS = {"describe": 160, "read_text": 1024, "detect": 512}  #: tokens that a row may write
#: Tensors whose second dimension is the tokens of the prompt.
PADDED = (
    "input_ids",
    "attention_mask",
    "token_type_ids",
    "image_embeds_position_mask",
    "image_attention_mask",
    "qformer_input_ids",
    "qformer_attention_mask",
)


@dataclass(slots=True, kw_only=True)
class Ask:
    """One prompt of a request; a request to find several things may be several."""

    place: int  # of the request in the batch
    tool: str
    row: Row  # of one row, on the CPU
    limit: int
    name: str = ""  # what to find
    size: tuple[int, int] = (0, 0)  # of the picture
    threshold: float = 0.0  # least score of what is found

    @property
    def length(self) -> int:
        """Tokens of the prompt, places of the picture included."""
        return int(self.row["input_ids"].shape[1]) if "input_ids" in self.row else 0

    def shape(self, pads: bool) -> tuple[Any, ...]:
        """Rows of one shape can be decoded together."""
        shapes = {name: tuple(tensor.shape) for name, tensor in self.row.items()}
        if pads:
            shapes |= {n: (*s[:1], *s[2:]) for n, s in shapes.items() if n in PADDED}
        return tuple(sorted(shapes.items()))


@dataclass(slots=True, kw_only=True)
class Loaded:
    """What was read, and how it is asked."""

    id: str
    family: Family
    model: Any
    processor: Any
    tokenizer: Any
    pad: int
    ends: frozenset[int]
    allowed: Any  # tokens of words: no marks, no places
    anything: Any
    control: list[str]
    context: int
    left: bool  # which side is padded


def known_of(name: str, family: Family, model: Any, processor: Any) -> Loaded:
    """Finds out tokens, ends and limits. Raises `Unavailable`."""
    tokenizer = processor.tokenizer
    config = model.config
    if getattr(config, "num_image_with_embedding", None):  # GIT of videos: a place for each frame
        family = replace(family, frames=config.num_image_with_embedding)
    if getattr(processor, "num_query_tokens", 0) is None:  # a checkpoint of an older layout
        if getattr(config, "image_token_index", None) is None:
            raise Unavailable(f"{name} has no token for the places of a picture.")
        processor.num_query_tokens = config.num_query_tokens
    inner = next(
        (
            getattr(model, part)
            for part in ("language_model", "text_decoder", "text_model")
            if hasattr(getattr(model, part, None), "generation_config")
        ),
        model,
    )
    ends: set[int] = set()
    for found in (
        model.generation_config.eos_token_id,
        inner.generation_config.eos_token_id,
        getattr(getattr(config, "text_config", None), "sep_token_id", None),
        tokenizer.eos_token_id,
        tokenizer.sep_token_id,
    ):
        ends.update([found] if isinstance(found, int) else found or [])
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else min(ends, default=0)
    marks = [
        token
        for word, token in tokenizer.get_added_vocab().items()
        if "<" in str(word) and token not in tokenizer.all_special_ids
    ]
    parts = [config, *(getattr(config, p, None) for p in ("text_config", "qformer_config"))]
    places = [getattr(part, "max_position_embeddings", None) for part in parts]
    tasks = [
        task
        for attribute in ("task_prompts_without_inputs", "task_prompts_with_input")
        for task in getattr(processor, attribute, {})
    ]
    return Loaded(
        id=name,
        family=family,
        model=model,
        processor=processor,
        tokenizer=tokenizer,
        pad=pad,
        ends=frozenset(ends),
        allowed=_bits(len(tokenizer), marks),
        anything=_bits(len(tokenizer), []),
        control=[*tokenizer.all_special_tokens, *tokenizer.get_added_vocab(), *tasks],
        context=min((int(found) for found in places if found), default=1 << 20),
        left=not inner.config.is_encoder_decoder,
    )


def _bits(size: int, barred: Sequence[int]) -> Any:
    """A row of an llguidance bitmask: int32 (words,)."""
    import numpy as np
    import torch

    bits = np.zeros(-(-size // 32) * 32, dtype=np.uint8)
    bits[:size] = 1
    bits[list(barred)] = 0
    return torch.from_numpy(np.packbits(bits, bitorder="little").view(np.int32))


def asks_of(known: Loaded, number: int, request: Request) -> list[Ask]:
    """The prompts of a request. Raises `BadInput`."""
    from PIL import Image

    family, tool = known.family, request.tool
    media = request.inputs.get("media" if tool == "describe" else "image")
    if isinstance(media, Video) and tool == "describe" and family.frames > 1:
        from medley.media.video import frames

        pictures = [frame.convert("RGB") for frame in frames(media, count=family.frames)]
    elif isinstance(media, Image.Image):
        pictures = [media.convert("RGB")]
    else:
        raise BadInput(f"{known.id} cannot look at a {type(media).__name__}.")
    asks = []
    for name, prompt in _prompts(known, request):
        try:
            row = family.encode(known.processor, known.model, pictures, prompt)
        except Exception as error:
            raise BadInput(f"{known.id} cannot look at this: {error}") from error
        limit = min(LIMITS[tool], request.params.get("max_tokens") or LIMITS[tool])
        ask = Ask(
            place=number,
            tool=tool,
            row=row,
            limit=limit,
            name=name,
            size=pictures[0].size,
            threshold=float(request.params.get("threshold", 0.0)),
        )
        if ask.length + LEAST > known.context:
            raise BadInput(
                f"The request is too long for {known.id}: {ask.length} tokens of {known.context}."
            )
        ask.limit = min(limit, known.context - (ask.length if known.left else 1))
        asks.append(ask)
    return asks


def _prompts(known: Loaded, request: Request) -> list[tuple[str, str]]:
    """What is asked for, and the prompt for it. Raises `BadInput`."""
    family, params = known.family, request.params

    def filled(prompt: str | None, what: str, words: str = "", language: str = "en") -> str:
        if prompt is None:
            raise BadInput(f"{known.id} was not trained to {what}.")
        return prompt.replace("{language}", language).replace("{}", words)

    if request.tool == "read_text":
        return [("", filled(family.read, "read what is written"))]
    if request.tool == "detect":
        named = [_line(known, name) for name in str(request.inputs.get("text", "")).split(",")]
        named = [name for name in named if name]
        if not named:
            raise BadInput("Nothing is named that could be found.")
        groups = named if family.between is None else [family.between.join(named)]
        return [(group, filled(family.find, "find things", group)) for group in groups]
    if request.tool != "describe":
        raise BadInput(f"This hub does not serve {request.tool!r}.")
    question = str(params.get("question", ""))
    language = str(params.get("language", "auto"))
    if not question.strip():
        spoken = "en" if language == "auto" else language
        return [("", filled(family.caption, "describe without a question", language=spoken))]
    words = _line(known, question)
    spoken = language_of(words) if language == "auto" else language
    return [("", filled(family.question, "answer questions", words, spoken))]


def _line(known: Loaded, text: str) -> str:
    """What somebody wrote, on one line and without the model's control words."""
    return " ".join(cleaned(text, known.control).split())

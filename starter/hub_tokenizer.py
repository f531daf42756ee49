"""The starter hub's tokenizer: byte-level BPE, one token per Han character, and whole pieces of
plan JSON.

A word keeps its token wherever it stands: the space before it belongs to it, digits and Han
characters are single, and quotations in a plan start with the space that stood before them. So
copying a quotation is copying tokens.
"""

import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hub.compact import CONTROL
from starter.tools import starter_tools

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

VOCABULARY = 3072
SPLIT = (
    r"\p{Han}|\p{N}| ?[a-zA-Z']+|[\u3000-\u303f\uff00-\uffef]|[^\S\n]+|\n| ?[^\s\p{L}\p{N}]|\p{L}"
)


def build(texts: Iterable[str]) -> "PreTrainedTokenizerFast":
    """Trains the tokenizer on these texts."""
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    pieces = list(skeleton())
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY - len(pieces),
        special_tokens=list(CONTROL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        min_frequency=2,
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.add_tokens([AddedToken(piece, normalized=False, special=False) for piece in pieces])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<|end|>",
        pad_token="<|pad|>",
        clean_up_tokenization_spaces=False,
        additional_special_tokens=[word for word in CONTROL if word not in ("<|end|>", "<|pad|>")],
    )


def skeleton() -> Iterator[str]:
    """Pieces of plan JSON that become one token each."""
    tools = starter_tools()
    yield from (
        '{"steps":[',
        '{"text":"',
        '"}}',
        '"}',
        '},"params":{',
        '"reply":',
        '"show":[',
        '"text":"',
        '"weights":[1,-1]',
        '"modalities":["',
    )
    yield from (f'{{"id":"s{number}","tool":"' for number in range(1, 9))
    yield from (f'{{"asset":"a{number}"}}' for number in range(1, 10))
    outputs = dict.fromkeys(itertools.chain.from_iterable(tool.outputs for tool in tools.values()))
    yield from (
        f'{{"from":"s{number}.{name}"}}'
        for number in range(1, 8)
        for name in outputs
        if name != "scores"
    )
    for tool in tools.values():
        ports = list(tool.inputs)
        yield f'{tool.name}","inputs":{{"{ports[0]}":'
        yield from (f',"{name}":' for name in ports[1:])
    names = dict.fromkeys(
        itertools.chain.from_iterable(tool.params.model_fields for tool in tools.values())
    )
    yield from (f'"{name}":' for name in names)


def as_piece(tokenizer: Any, text: str) -> list[int]:
    """Tokens of a text in which control words count as such."""
    return list(tokenizer.encode(text, add_special_tokens=False))


def save(tokenizer: Any, folder: Path) -> None:
    """Writes it in the layout of `from_pretrained`."""
    tokenizer.save_pretrained(folder)

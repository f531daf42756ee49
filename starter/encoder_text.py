"""The words that the starter encoder learns: phrases around each concept's names, and its small
tokenizer.
"""

import random
from collections.abc import Sequence
from typing import Any

from starter.concepts import Concept

ENGLISH = (
    "{x}",
    "{x}",
    "a {x}",
    "the {x}",
    "{x}s",
    "one {x}",
    "a small {x}",
    "a big {x}",
    "my {x}",
    "this is a {x}",
    "{x} emoji",
    "{x} icon",
    "a picture of a {x}",
    "a picture of {x}",
    "a photo of a {x}",
    "an image of a {x}",
    "a drawing of a {x}",
    "draw a {x}",
    "draw {x}",
    "show me a {x}",
    "a cute {x}",
    "the picture shows a {x}",
    "someone says {x}",
    "the word {x}",
    "a {x} on a table",
    "the {x} over there",
    "a {x} for my friend",
    "{x}, please",
    "do you see the {x} now",
    "can you draw the {x} again",
    "i want a {x} today",
    "a {x} and nothing else",
    "make me a {x} with care",
    "what a nice {x} it is",
    "the {x} you wanted",
    "it looks like a {x} to us",
    "a simple sketch of a {x} in colour",
)
CHINESE = (
    "{x}",
    "{x}",
    "{x}",
    "一个{x}",
    "一只{x}",
    "这是{x}",
    "我的{x}",
    "{x}的图片",
    "一张{x}的图片",
    "一幅{x}的画",
    "画一个{x}",
    "画{x}",
    "给我看{x}",
    "{x}表情",
    "小小的{x}",
    "图片里有{x}",
    "他说{x}",
    "那个{x}真好看",
    "请画一个{x}吧",
    "我想要一个{x}谢谢",
    "能不能画{x}给他",
    "这个{x}很大",
    "你看见{x}了吗",
    "是{x}吗",
    "一张有{x}的画",
)
# Never in training: how well words in other surroundings are understood is measured on these.
HELD_OUT_ENGLISH = ("please paint one {x} for me", "i can see a {x} here", "an icon showing a {x}")
HELD_OUT_CHINESE = ("请帮我画{x}", "这里有{x}", "一张{x}的照片")
VOCABULARY = 3072
CONTEXT = 32


def phrase(concept: Concept, dice: random.Random) -> str:
    """One thing somebody may say about the concept; its main name in half of the cases."""
    chinese = dice.random() < 0.4
    known = concept.chinese if chinese else concept.english
    word = known[0] if dice.random() < 0.5 else dice.choice(known)
    return dice.choice(CHINESE if chinese else ENGLISH).format(x=word)


def every_phrase(concepts: Sequence[Concept]) -> list[str]:
    """All phrases of training, for the tokenizer."""
    return [
        template.format(x=word)
        for concept in concepts
        for words, templates in ((concept.english, ENGLISH), (concept.chinese, CHINESE))
        for word in words
        for template in templates
    ]


def train_tokenizer(concepts: Sequence[Concept]) -> Any:
    """A byte-level BPE tokenizer, each Chinese character on its own; the end token has the highest
    id.
    """
    from tokenizers import (
        Regex,
        Tokenizer,
        models,
        normalizers,
        pre_tokenizers,
        processors,
        trainers,
    )
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"\p{Han}"), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=True),
        ]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY - 2,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(every_phrase(concepts), trainer)
    tokenizer.add_special_tokens(["<|start|>", "<|end|>"])
    start, end = (tokenizer.token_to_id(t) for t in ("<|start|>", "<|end|>"))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<|start|> $A <|end|>", special_tokens=[("<|start|>", start), ("<|end|>", end)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<|start|>",
        eos_token="<|end|>",
        model_max_length=CONTEXT,
    )

"""The generator's words: how people ask for a picture, the tokenizer, and the small text encoder.

The encoder is a two-layer BERT trained to tell the concepts apart in whole requests, English and
Chinese. Its first token's last state is what the pixel transformer is given. It is trained on its
own, in a few minutes, and then frozen.
"""

import json
import logging
import random
from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as functional
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from torch import Tensor, nn
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from starter.concepts import HERE, Concept, load_concepts

log = logging.getLogger(__name__)

VOCABULARY = 2400
LENGTH = 48
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")

PHRASES = json.loads((HERE / "generator_phrases.json").read_text(encoding="utf-8"))
ENGLISH, CHINESE = PHRASES["english"], PHRASES["chinese"]
BEFORE, AFTER, LOOKS = PHRASES["before"], PHRASES["after"], PHRASES["looks"]
COMMON, COMMON_CHINESE = PHRASES["common"].split(), PHRASES["common_chinese"].split()
HELD_OUT = PHRASES["held_out"]  # never trained on


def ask(concept: Concept, dice: random.Random) -> str:
    """One way of asking for a concept."""
    if dice.random() < 0.03:
        return concept.emoji
    if dice.random() < 0.25:
        return amid_words(concept, dice)
    if dice.random() < 0.4:
        name, frame = dice.choice((concept.zh, *concept.chinese)), dice.choice(CHINESE)
    else:
        name, frame = dice.choice((concept.name, *concept.english)), dice.choice(ENGLISH)
        if dice.random() < 0.15:
            name = f"{dice.choice(LOOKS)} {name}"
        elif dice.random() < 0.1:
            name = name if name.endswith("s") else f"{name}s"
    words = fill(frame, name)
    if dice.random() < 0.15:
        words = f"{dice.choice(BEFORE)} {words}"
    if dice.random() < 0.15:
        words = f"{words} {dice.choice(AFTER)}"
    if dice.random() < 0.25:
        words = with_strangers(words, name, dice)
    return words.capitalize() if dice.random() < 0.2 else words


def amid_words(concept: Concept, dice: random.Random) -> str:
    """The name among random common words: whatever stands around it, the name decides."""
    if dice.random() < 0.4:
        name, others, space = dice.choice(concept.chinese), COMMON_CHINESE, ""
    else:
        name, others, space = dice.choice(concept.english), COMMON, " "
    before = dice.choices(others, k=dice.randint(0, 8))
    after = dice.choices(others, k=dice.randint(0, 6))
    return space.join([*before, name, *after])


def fill(frame: str, name: str) -> str:
    """Puts a name into a frame, with the English article that fits."""
    return frame.replace("{a}", "an" if name[0] in "aeiou" else "a").replace("{x}", name)


def with_strangers(words: str, name: str, dice: random.Random) -> str:
    """Adds up to three made-up words around the name, so that unknown words are learned to mean
    nothing.
    """
    for _ in range(dice.randint(1, 3)):
        syllables = (
            "".join(dice.sample("bcdfghklmnprstvwz", 1) + dice.sample("aeiou", 1)) for _ in range(3)
        )
        stranger = "".join(syllables)[: dice.randint(2, 6)]
        words = f"{stranger} {words}" if dice.random() < 0.5 else f"{words} {stranger}"
    return words


def build_tokenizer() -> PreTrainedTokenizerFast:
    """A WordPiece tokenizer over names and requests, with every letter as a fallback."""
    dice = random.Random(0)
    core = Tokenizer(models.WordPiece(unk_token="[UNK]", continuing_subword_prefix="##"))
    core.normalizer = normalizers.BertNormalizer(lowercase=True)
    core.pre_tokenizer = pre_tokenizers.BertPreTokenizer()

    def corpus() -> Iterator[str]:
        yield from (letter for letter in "abcdefghijklmnopqrstuvwxyz0123456789")
        for concept in load_concepts():
            yield from (*concept.english, *concept.chinese, concept.emoji)
            yield from (ask(concept, dice) for _ in range(40))

    trainer = trainers.WordPieceTrainer(
        vocab_size=VOCABULARY,
        special_tokens=list(SPECIAL),
        initial_alphabet=list("abcdefghijklmnopqrstuvwxyz"),
    )
    core.train_from_iterator(corpus(), trainer)
    core.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        special_tokens=[(name, core.token_to_id(name)) for name in ("[CLS]", "[SEP]")],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        model_max_length=64,
    )


def build_text_encoder(tokenizer: PreTrainedTokenizerFast, width: int = 128) -> BertModel:
    """A fresh two-layer BERT of that width."""
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=4 * width,
        max_position_embeddings=64,
        pad_token_id=tokenizer.pad_token_id,
        type_vocab_size=1,
    )
    return BertModel(config, add_pooling_layer=False)


def encode(tokenizer: Any, encoder: nn.Module, words: list[str]) -> Tensor:
    """Requests to (B, width): the first token's last state."""
    given = tokenizer(words, padding=True, truncation=True, max_length=LENGTH, return_tensors="pt")
    states = encoder(
        input_ids=given["input_ids"], attention_mask=given["attention_mask"]
    ).last_hidden_state
    first: Tensor = states[:, 0]
    return first


def train_text_encoder(
    tokenizer: Any, encoder: BertModel, *, steps: int = 500, batch: int = 128
) -> float:
    """Teaches the encoder to tell the concepts apart; gives the share of held-out requests it gets
    right.
    """
    concepts = load_concepts()
    head = nn.Linear(encoder.config.hidden_size, len(concepts))
    weights = [*encoder.parameters(), *head.parameters()]
    optimizer = torch.optim.AdamW(weights, lr=1.5e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 1.5e-3, total_steps=steps, pct_start=0.1
    )
    dice = random.Random(1)
    encoder.train()
    for step in range(steps):
        labels = torch.tensor([dice.randrange(len(concepts)) for _ in range(batch)])
        words = [ask(concepts[label], dice) for label in labels.tolist()]
        logits = head(encode(tokenizer, encoder, words))
        loss = functional.cross_entropy(logits, labels, label_smoothing=0.05)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        schedule.step()
        if step % 100 == 0:
            right = (logits.argmax(-1) == labels).float().mean()
            log.info("text step=%d loss=%.3f right=%.3f", step, loss.item(), right.item())
    encoder.eval()
    return held_out_score(tokenizer, encoder, head)


@torch.no_grad()
def held_out_score(tokenizer: Any, encoder: nn.Module, head: nn.Module) -> float:
    """The share of requests in unseen frames whose concept is found."""
    right = total = 0
    for label, concept in enumerate(load_concepts()):
        words = [
            fill(frame, name)
            for frame in HELD_OUT
            for name in (concept.english if "{a}" in frame else concept.chinese)
        ]
        found = head(encode(tokenizer, encoder, words)).argmax(-1)
        right += int((found == label).sum())
        total += len(words)
    return right / total

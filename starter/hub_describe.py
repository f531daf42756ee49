"""Descriptions for the starter hub to learn: a question, what is meant, and the sentence that
answers.

Before the hub has a connector, the meaning stands in the prompt as a word; so it learns to answer,
and the connector later only has to say the same with soft tokens.
"""

import random
from collections.abc import Iterator
from typing import Any

from hub.compact import MEDIA_GAP, describe_prompt
from hub.reading import DEFAULT_QUESTION
from medley.plain import language_of
from starter.concepts import Concept, load_concepts
from starter.hub_data import Row
from starter.hub_tokenizer import as_piece
from starter.requests_compose import generate

_BARE = frozenset(
    {
        "grapes",
        "cherries",
        "french fries",
        "spaghetti",
        "sushi",
        "jeans",
        "glasses",
        "scissors",
        "headphones",
        "dice",
        "lightning",
        "fire",
        "rain",
        "corn",
        "bread",
        "cheese",
        "money",
        "coffee",
        "beer",
    }
)
_THE = frozenset({"sun", "moon", "earth"})


def with_article(name: str) -> str:
    """ "cat" as "a cat", "sun" as "the sun", "scissors" as they are."""
    if name in _THE:
        return f"the {name}"
    if name in _BARE:
        return name
    return f"{'an' if name[0] in 'aeiou' and not name.startswith(('uni', 'eu')) else 'a'} {name}"


def answer(concept: Concept, question: str, *, heard: bool) -> str:
    """The sentence that answers a question about a concept, in the question's language."""
    if language_of(question) == "zh":
        return f"我听到的是“{concept.zh}”。" if heard else f"这是{concept.zh}。"
    return f"I hear “{concept.name}”." if heard else f"This is {with_article(concept.name)}."


def questions(rng: random.Random) -> Iterator[tuple[str, bool]]:
    """Questions as plans quote them, and whether they are about something heard."""
    while True:
        if rng.random() < 0.15:
            yield DEFAULT_QUESTION[rng.choice(("en", "zh"))], False
            continue
        sample = generate(rng, "zh" if rng.random() < 0.45 else "en")
        kinds = {asset["id"]: asset["modality"] for asset in sample.assets}
        for step in sample.steps:
            asked = step.get("params", {}).get("question", "").strip()
            modality = kinds.get(step["inputs"].get("media", {}).get("asset", ""))
            if asked and modality:
                yield asked, modality == "audio"


def word_rows(tokenizer: Any, seed: int) -> Iterator[Row]:
    """Rows in which a word stands for the media."""
    rng = random.Random(seed)
    concepts = load_concepts()
    for question, heard in questions(rng):
        concept = rng.choice(concepts)
        name = rng.choice((*concept.english, *concept.chinese))
        prompt = as_piece(tokenizer, describe_prompt(question).replace(MEDIA_GAP, f" {name}"))
        target = as_piece(tokenizer, answer(concept, question, heard=heard))
        yield Row([*prompt, *target, tokenizer.eos_token_id], len(prompt))

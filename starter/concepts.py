"""The everyday concepts of the starter models: one emoji each, named in English and Chinese."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

HERE = Path(__file__).parent
CACHE = HERE / "cache"


@dataclass(frozen=True)
class Concept:
    """One concept; its place in `load_concepts()` is its label everywhere.

    `also` holds hexcodes of other emoji that show the same thing in another way
    (a dog's whole body beside the dog's face). They serve as further training
    pictures of the encoder and are never what the generator learns to draw.
    """

    id: str
    hexcode: str
    emoji: str
    name: str
    synonyms: tuple[str, ...]
    zh: str
    zh_synonyms: tuple[str, ...]
    also: tuple[str, ...]

    @property
    def english(self) -> tuple[str, ...]:
        """The everyday English word, then its synonyms."""
        return (self.name, *self.synonyms)

    @property
    def chinese(self) -> tuple[str, ...]:
        """The everyday Chinese word, then its synonyms."""
        return (self.zh, *self.zh_synonyms)


@cache
def load_concepts() -> tuple[Concept, ...]:
    """All concepts in label order, read from `concepts.json`."""
    rows = json.loads((HERE / "concepts.json").read_text(encoding="utf-8"))
    return tuple(
        Concept(
            id=row["id"],
            hexcode=row["hexcode"],
            emoji=row["emoji"],
            name=row["name"],
            synonyms=tuple(row["synonyms"]),
            zh=row["zh"],
            zh_synonyms=tuple(row["zh_synonyms"]),
            also=tuple(row["also"]),
        )
        for row in rows
    )


@cache
def label_of(concept_id: str) -> int:
    """The label of a concept id; KeyError for an unknown one."""
    for label, concept in enumerate(load_concepts()):
        if concept.id == concept_id:
            return label
    raise KeyError(concept_id)

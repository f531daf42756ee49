"""Hearing: the one way to use every family of speech models, and what is asked of a piece of a
recording.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

Wave = npt.NDArray[np.float32]  #: mono samples of shape (n,), at the rate that the model hears

_TIMED_S = 8.0  # a piece that is one subtitle
_TOKENS_PER_SECOND = 12.0  # nobody speaks faster, in any language
_TOKENS_AT_LEAST = 16

#: A stretch of a piece: when it begins and ends, in seconds, and what is said.
Stretch = tuple[float, float, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How a piece is to be written down. `language` None: whatever is heard."""

    language: str | None = None
    translate: bool = False
    times: bool = False  # when each stretch is said
    words: bool = False  # when each word is said
    prompt: str = ""  # words that may be said before
    temperature: float = 0.0  # 0: the likeliest words


@dataclass(frozen=True, slots=True)
class Heard:
    """What is said in a piece: its stretches, and its words where they were asked for."""

    stretches: list[Stretch]
    words: list[Stretch] = field(default_factory=list)


class Recogniser(ABC):
    """A speech model and its processor. `languages` are ISO 639 codes, none where not known."""

    seconds = 30.0  #: the longest piece that it hears at once
    #: how many pieces it hears at once and still writes what it would for each alone
    together = 1
    translates = False  #: whether it can write in English what is said in another language
    extras: frozenset[str] = frozenset()  #: parameters that it takes and not every model does

    def __init__(self, model: Any, processor: Any, languages: Sequence[str]) -> None:
        self.model, self.processor = model, processor
        self.languages = frozenset(languages)
        self.extractor = getattr(processor, "feature_extractor", processor)
        self.rate = int(self.extractor.sampling_rate)

    def limit(self, seconds: float) -> int:
        """Tokens that may be written for a piece of this length, as far as the model has places."""
        wanted = _TOKENS_AT_LEAST + int(seconds * _TOKENS_PER_SECOND)
        places = getattr(self.model.config, "max_position_embeddings", None)
        return min(wanted, places - 2) if isinstance(places, int) else wanted

    def fault_of(self, manner: Manner) -> str:
        """Why it cannot write so; empty where it can."""
        if manner.translate and not self.translates:
            return "This model writes in the language that is spoken; it does not translate."
        given = {"prompt": manner.prompt, "temperature": manner.temperature, "words": manner.words}
        lacking = [name for name, value in given.items() if value and name not in self.extras]
        return f"This model takes no {lacking[0]}." if lacking else ""

    @abstractmethod
    def write(self, waves: Sequence[Wave], manner: Manner) -> list[str]:
        """What is said in each piece."""

    def write_timed(self, waves: Sequence[Wave], manner: Manner) -> list[Heard]:
        """What is said in each piece, and when: the whole piece, where the model does not say."""
        texts = self.write(waves, manner)
        return [
            Heard([(0.0, len(wave) / self.rate, text)])
            for wave, text in zip(waves, texts, strict=True)
        ]

    @property
    def finest(self) -> float:
        """The longest piece in seconds when times are wanted: short, where only pieces have any."""
        return min(self.seconds, _TIMED_S)

    def _heard(self, waves: Sequence[Wave], **options: Any) -> dict[str, Any]:
        """Features of the pieces, on the model's device and in its dtype."""
        found = self.extractor(list(waves), sampling_rate=self.rate, return_tensors="pt", **options)
        return self._placed(found)

    def _placed(self, found: Any) -> dict[str, Any]:
        device, dtype = self.model.device, self.model.dtype
        return {
            name: value.to(device, dtype) if value.is_floating_point() else value.to(device)
            for name, value in found.items()
        }

    def _limits(self, waves: Sequence[Wave]) -> list[int]:
        return [self.limit(len(wave) / self.rate) for wave in waves]

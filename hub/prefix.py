"""A beginning that prompts share, computed once: rules and tools stand before what changes.

Nothing is known here of prompts. What two prompts in a row, or all rows of a batch, begin with is
kept as keys and values, and used for as much of it as the next ones begin with, too.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

SHORTEST = 128  #: tokens; less is not worth its copy

Layers = list[tuple["Tensor", "Tensor"]]  # keys and values (1, heads, length, width) of each layer


@dataclass(slots=True)
class Prefix:
    """The beginning that one model keeps. For models with plain caches only."""

    model: Any
    _tokens: list[int] = field(default_factory=list)
    _layers: Layers = field(default_factory=list)
    _last: list[int] = field(default_factory=list)

    def of(self, prompts: Sequence[list[int]]) -> tuple[int, Any]:
        """How many tokens these prompts begin with that need not be computed, and the cache that
        holds them for each row; (0, None) where that is not worth it.
        """
        common = prompts[0][: min(map(len, prompts)) - 1]  # one token of each has to be computed
        for prompt in prompts[1:]:
            common = common[: shared(common, prompt)]
        again = len(common) if len(prompts) > 1 else shared(common, self._last)
        self._last = prompts[0]
        known = shared(common, self._tokens)
        if again >= SHORTEST and again > known:
            self._learn(common[:again], known)
            known = again
        if known < SHORTEST:
            return 0, None
        return known, self._cache(known, len(prompts))

    def _learn(self, tokens: list[int], known: int) -> None:
        """Computes what is not known of these tokens; they would have to be computed anyway."""
        import torch
        from transformers import DynamicCache

        cache: Any = self._cache(known, 1) if known else DynamicCache(config=self.model.config)
        ids = torch.tensor([tokens[known:]], device=self.model.device)
        with torch.inference_mode():
            self.model.base_model(input_ids=ids, past_key_values=cache, use_cache=True)
        self._tokens = tokens
        self._layers = [(layer.keys, layer.values) for layer in cache.layers]

    def _cache(self, length: int, rows: int) -> Any:
        from transformers import DynamicCache

        cut = (
            tuple(part[:, :, :length].expand(rows, -1, -1, -1) for part in layer)
            for layer in self._layers
        )
        return DynamicCache(cut)


def shared(first: Sequence[int], second: Sequence[int]) -> int:
    """How many tokens two prompts have in common at their beginning."""
    return next(
        (place for place, (a, b) in enumerate(zip(first, second, strict=False)) if a != b),
        min(len(first), len(second)),
    )

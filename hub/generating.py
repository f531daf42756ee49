"""Decoding a batch: a guide's mask on the scores of each next token of each row, and a stop that is
heard within one token.

Rows that are over are fed the padding token. Once at most half of the rows are left they go on
alone, where the model's cache can be cut: a short answer does not pay for a long one.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hub.decoding import Guide, bit_of
from medley.backend import Control

if TYPE_CHECKING:
    from torch import Tensor


def silent(text: str) -> None:
    """For what nobody reads while it grows."""
    del text


@dataclass(slots=True, kw_only=True)
class Row:
    """One row of a batch while it is decoded. Greedy at temperature 0; drawn with its own seed
    otherwise, so that what else is in the batch changes nothing.
    """

    guide: Guide
    limit: int  # tokens that it may write
    place: int = 0  # in the batch that the control knows
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    heard: Callable[[str], None] = silent  # gets the whole text so far after each token
    written: int = 0
    stopped: bool = False
    _draws: Any = field(default=None, init=False)

    @property
    def over(self) -> bool:
        """Whether it takes no more tokens."""
        return self.stopped or self.guide.done or self.written >= self.limit

    def take(self, token: int) -> None:
        """Takes note of the chosen token."""
        self.guide.take(token)
        self.written += 1
        if self.heard is not silent:
            self.heard(self.guide.text)

    def draw(self, scores: "Tensor") -> "Tensor":
        """Scores (vocabulary) whose maximum is a draw from their softmax (Gumbel's trick)."""
        import torch

        if not self.temperature:
            return scores
        if self._draws is None:
            self._draws = torch.Generator().manual_seed(self.seed)
        if self.top_p < 1.0:
            scores = _nucleus(scores / self.temperature, self.top_p) * self.temperature
        noise = torch.empty(scores.shape[-1]).exponential_(generator=self._draws).log_().neg_()
        return scores / self.temperature + noise.to(scores.device)


def _nucleus(scores: "Tensor", top_p: float) -> "Tensor":
    """Scores (vocabulary) of the likeliest tokens that together have this share; -inf elsewhere."""
    import torch

    ordered, places = torch.softmax(scores.float(), dim=-1).sort(descending=True)
    beyond = ordered.cumsum(dim=-1) - ordered >= top_p
    return scores.masked_fill(torch.zeros_like(beyond).scatter(0, places, beyond), float("-inf"))


class GuidedScores:
    """A logits processor: takes note of the last chosen tokens, then masks the scores of the next
    ones. `seen` tokens of each row are known already.
    """

    def __init__(self, rows: Sequence[Row], seen: int, pad: int) -> None:
        self.rows = rows
        self._seen = seen
        self._pad = pad

    def __call__(self, input_ids: "Tensor", scores: "Tensor") -> "Tensor":
        """`input_ids` (rows, length), `scores` (rows, vocabulary)."""
        from llguidance.torch import allocate_token_bitmask

        self.follow(input_ids)
        bitmask = allocate_token_bitmask(len(self.rows), scores.shape[-1])
        for place, row in enumerate(self.rows):
            if row.over:
                bitmask[place].zero_()
                bitmask[place, self._pad // 32] = bit_of(self._pad)
            else:
                row.guide.mask(bitmask, place)
        masked = scores.masked_fill(~_allowed(bitmask, scores), float("-inf"))
        for place, row in enumerate(self.rows):
            if not row.over:
                masked[place] = row.draw(masked[place])
        return masked

    def follow(self, input_ids: "Tensor") -> None:
        """Shows the rows what was chosen since the last call."""
        for place, tokens in enumerate(input_ids[:, self._seen :].tolist()):
            for token in tokens:
                if not self.rows[place].over:
                    self.rows[place].take(token)
        self._seen = input_ids.shape[1]


def _allowed(bitmask: "Tensor", scores: "Tensor") -> "Tensor":
    """The bits of a bitmask (rows, words) as booleans in the shape of the scores.

    llguidance's own function is compiled by torch when it is first used: seconds, a C++ compiler,
    and once more for other numbers of rows.
    """
    import numpy as np
    import torch

    bits = np.unpackbits(bitmask.numpy().view(np.uint8), axis=1, bitorder="little")
    return torch.from_numpy(bits[:, : scores.shape[-1]]).to(scores.device, torch.bool)


class StopWhenOver:
    """Ends generation when at most `enough` rows are left, and hears a stop at each token through
    `control.tick`.
    """

    def __init__(self, scores: GuidedScores, control: Control, enough: int) -> None:
        self._scores = scores
        self._control = control
        self._enough = enough

    def __call__(self, input_ids: "Tensor", scores: Any, **_: Any) -> "Tensor":
        """True in each row, or in none."""
        import torch

        rows = self._scores.rows
        self._scores.follow(input_ids)
        self._control.tick(max(row.written for row in rows), max(row.limit for row in rows))
        for row in rows:
            row.stopped = row.stopped or self._control.stopped(row.place)
        left = sum(not row.over for row in rows)
        return torch.full((len(rows),), left <= self._enough, device=input_ids.device)


def generate(
    model: Any, inputs: "dict[str, Tensor]", rows: Sequence[Row], control: Control, *, pad: int
) -> None:
    """Decodes a left-padded batch along the guides of its rows. Raises `StepStopped` when all have
    to stop.

    `inputs`: `attention_mask` (rows, length) with `input_ids` or `inputs_embeds`, and whatever else
    the model reads with them. A row whose guide is not done after its limit is left unfinished.
    """
    import torch
    from transformers import LogitsProcessorList, StoppingCriteriaList

    seen = inputs["input_ids"].shape[1] if "input_ids" in inputs else 0
    cuttable = len(rows) > 1 and has_plain_cache(model)
    while rows:
        scores = GuidedScores(rows, seen, pad)
        stop = StopWhenOver(scores, control, enough=len(rows) // 2 if cuttable else 0)
        with torch.inference_mode():
            made = model.generate(
                **inputs,
                do_sample=False,
                max_new_tokens=max(row.limit - row.written for row in rows),
                pad_token_id=pad,
                eos_token_id=None,
                return_dict_in_generate=True,
                logits_processor=LogitsProcessorList([scores]),
                stopping_criteria=StoppingCriteriaList([stop]),
            )
            left = [place for place, row in enumerate(rows) if not row.over]
            rows = [rows[place] for place in left]
            if rows:
                inputs = _cut(inputs, made, left, pad)
                seen = inputs["input_ids"].shape[1]


def has_plain_cache(model: Any) -> bool:
    """Whether every layer keeps all keys and values, row by row, so that rows can be taken out and
    a beginning can be shared. Models that count places in space and time (M-RoPE) keep more than
    their cache: how far each row's places are moved.
    """
    from transformers import DynamicCache
    from transformers.cache_utils import DynamicLayer

    if model.config.is_encoder_decoder or not model._supports_default_dynamic_cache():
        return False
    if any(hasattr(part, "rope_deltas") for part in (model, model.base_model)):
        return False
    layers = DynamicCache(config=model.config).layers
    return bool(layers) and all(type(layer) is DynamicLayer for layer in layers)


def _cut(inputs: "dict[str, Tensor]", made: Any, left: list[int], pad: int) -> "dict[str, Tensor]":
    """The inputs with which only the rows `left` go on where `made` ended."""
    import torch

    mask, ids, cache = inputs["attention_mask"], made.sequences, made.past_key_values
    if "inputs_embeds" in inputs:  # what was embedded is in the cache; its tokens are not read
        before = torch.full_like(mask, pad)
        ids = torch.cat([before, ids], dim=1)
    more = mask.new_ones(len(mask), ids.shape[1] - mask.shape[1])
    chosen = torch.tensor(left, device=ids.device)
    cache.batch_select_indices(chosen)
    return {
        "input_ids": ids[chosen],
        "attention_mask": torch.cat([mask, more], dim=1)[chosen],
        "past_key_values": cache,
    }

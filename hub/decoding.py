"""Constrained decoding: a grammar's mask on the scores of each next token, and a stop that is heard
within one token.

A guide says which tokens may follow and takes note of the chosen one. One guide for each row of a
batch; rows that have finished are fed the padding token until all have.
"""

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from hub.grammar import PlanGrammar
from medley.backend import Control
from medley.errors import BackendError

if TYPE_CHECKING:
    from torch import Tensor


#: Left to itself, llguidance spells text that the grammar forces in the tokenizer's canonical
#: tokens of that piece alone: `{"asset":"a` becomes six tokens, and the one token that a model
#: learnt for `{"asset":"a1"}` is masked.
UNFORCED = '%llguidance {"no_forcing": true}\n'


class Guide(Protocol):
    """What may come next in one row."""

    done: bool

    def mask(self, bitmask: "Tensor", row: int) -> None:
        """Writes the allowed tokens of this row into an llguidance bitmask of int32, shape (rows,
        words).
        """

    @property
    def text(self) -> str:
        """What was written so far."""

    def take(self, token: int) -> None:
        """Takes note of the chosen token."""


class GrammarGuide:
    """A guide along one grammar."""

    def __init__(self, tokenizer: Any, grammar: str) -> None:
        from llguidance import LLMatcher

        self._tokenizer = tokenizer
        self._matcher = LLMatcher(tokenizer, LLMatcher.grammar_from_lark(UNFORCED + grammar))
        if self._matcher.is_error():
            raise BackendError(f"The grammar is refused: {self._matcher.get_error()[:500]}")
        self._tokens: list[int] = []
        self.done = False

    @property
    def text(self) -> str:
        """What was written so far."""
        return str(self._tokenizer.decode_str(self._tokens))

    def mask(self, bitmask: "Tensor", row: int) -> None:
        """See `Guide`."""
        from llguidance.torch import fill_next_token_bitmask

        fill_next_token_bitmask(self._matcher, bitmask, row)

    def take(self, token: int) -> None:
        """See `Guide`."""
        if not self._matcher.consume_token(token):
            raise BackendError(
                f"The token chosen is outside of the grammar: {self._matcher.get_error()[:500]}"
            )
        self._tokens.append(token)
        self.done = bool(self._matcher.is_stopped())


class PlanGuide:
    """A guide along a plan: each finished step makes the grammar of the next one."""

    def __init__(self, tokenizer: Any, plan: PlanGrammar) -> None:
        self._tokenizer = tokenizer
        self._plan = plan
        self._inner = GrammarGuide(tokenizer, plan.opening())
        self._opened = False
        self._written: list[str] = []
        self.done = False

    @property
    def text(self) -> str:
        """The plan as JSON, as far as it is written."""
        return "".join(self._written) + ("" if self.done else self._inner.text)

    def mask(self, bitmask: "Tensor", row: int) -> None:
        """See `Guide`."""
        self._inner.mask(bitmask, row)

    def take(self, token: int) -> None:
        """See `Guide`."""
        self._inner.take(token)
        if self._inner.done:
            part = self._inner.text
            self._written.append(part)
            if self._opened:
                if part.startswith("]"):
                    self.done = True
                    return
                self._plan.add(json.loads(part.removeprefix(",")))
            self._opened = True
            self._inner = GrammarGuide(self._tokenizer, self._plan.next())


class FreeGuide:
    """No grammar: ends at an end token or after so many tokens. `banned` ones are never chosen."""

    def __init__(
        self, tokenizer: Any, ends: Sequence[int], limit: int, banned: Sequence[int] = ()
    ) -> None:
        self._tokenizer = tokenizer
        self._ends = frozenset(ends)
        self._banned = [token for token in banned if token not in self._ends]
        self._limit = limit
        self._tokens: list[int] = []
        self.done = False

    @property
    def text(self) -> str:
        """What was written so far."""
        return str(self._tokenizer.decode_str(self._tokens))

    def mask(self, bitmask: "Tensor", row: int) -> None:
        """Everything is allowed but control words."""
        bitmask[row].fill_(-1)
        for token in self._banned:
            bitmask[row, token // 32] &= ~_bit(token)

    def take(self, token: int) -> None:
        """See `Guide`."""
        if token in self._ends:
            self.done = True
            return
        self._tokens.append(token)
        self.done = len(self._tokens) >= self._limit


class GuidedScores:
    """A logits processor: takes note of the last chosen tokens, then masks the scores of the next
    ones.
    """

    def __init__(
        self, guides: Sequence[Guide], prompt: int, pad: int, heard: Callable[[int], None]
    ) -> None:
        self._guides = guides
        self._seen = prompt
        self._pad = pad
        self._heard = heard

    def __call__(self, input_ids: "Tensor", scores: "Tensor") -> "Tensor":
        """`input_ids` (rows, length), `scores` (rows, vocabulary)."""
        from llguidance.torch import allocate_token_bitmask, apply_token_bitmask_inplace

        self.follow(input_ids)
        bitmask = allocate_token_bitmask(len(self._guides), scores.shape[-1])
        for row, guide in enumerate(self._guides):
            if guide.done:
                bitmask[row].zero_()
                bitmask[row, self._pad // 32] = _bit(self._pad)
            else:
                guide.mask(bitmask, row)
        masked = scores.clone()
        apply_token_bitmask_inplace(masked, bitmask.to(masked.device))
        return masked

    def follow(self, input_ids: "Tensor") -> None:
        """Shows the guides what was chosen since the last call."""
        for place in range(self._seen, input_ids.shape[1]):
            for row, guide in enumerate(self._guides):
                if not guide.done:
                    guide.take(int(input_ids[row, place]))
                    self._heard(row)
        self._seen = input_ids.shape[1]


class StopWhenDone:
    """Ends generation when all guides are done, and hears a stop at each token through
    `control.tick`.
    """

    def __init__(
        self, scores: GuidedScores, guides: Sequence[Guide], control: Control, limit: int
    ) -> None:
        self._scores = scores
        self._guides = guides
        self._control = control
        self._limit = limit
        self._count = 0

    def __call__(self, input_ids: "Tensor", scores: Any, **_: Any) -> "Tensor":
        """True in each row that is done."""
        import torch

        self._scores.follow(input_ids)
        self._count += 1
        self._control.tick(self._count, self._limit)
        return torch.tensor([guide.done for guide in self._guides], device=input_ids.device)


def _bit(token: int) -> int:
    """The bit of a token in its word of a bitmask, as a signed int32."""
    place = token % 32
    return -(2**31) if place == 31 else 1 << place


def generate(
    model: Any,
    inputs: "dict[str, Tensor]",
    guides: Sequence[Guide],
    control: Control,
    *,
    pad: int,
    limit: int,
    heard: Callable[[int], None],
    temperature: float = 0.0,
    seed: int = 0,
) -> int:
    """Decodes a left-padded batch along its guides; gives the number of tokens written. Raises
    `StepStopped`.

    `inputs`: `attention_mask` with `input_ids` or `inputs_embeds`. Greedy at temperature 0. A row
    whose guide is not done after `limit` tokens is left unfinished.
    """
    import torch
    from transformers import LogitsProcessorList, StoppingCriteriaList

    prompt = inputs["input_ids"].shape[1] if "input_ids" in inputs else 0
    scores = GuidedScores(guides, prompt, pad, heard)
    stop = StopWhenDone(scores, guides, control, limit)
    sampling = (
        {"do_sample": True, "temperature": temperature, "top_k": 0, "top_p": 1.0}
        if temperature
        else {"do_sample": False}
    )
    with torch.inference_mode(), torch.random.fork_rng(enabled=bool(temperature)):
        if temperature:
            torch.manual_seed(seed)
        written = model.generate(
            **inputs,
            **sampling,
            max_new_tokens=limit,
            pad_token_id=pad,
            eos_token_id=None,
            logits_processor=LogitsProcessorList([scores]),
            stopping_criteria=StoppingCriteriaList([stop]),
        )
    return int(written.shape[1] - prompt)

"""Guides: which tokens may follow, along a grammar or freely. A guide takes note of each chosen
token; `hub.generating` runs one for each row of a batch.
"""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from hub.grammar import PlanGrammar
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

    @property
    def may_end(self) -> bool:
        """Whether what was written is whole."""
        return bool(self._matcher.is_accepting())

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
            bitmask[row, token // 32] &= ~bit_of(token)

    def take(self, token: int) -> None:
        """See `Guide`."""
        if token in self._ends:
            self.done = True
            return
        self._tokens.append(token)
        self.done = len(self._tokens) >= self._limit


def bit_of(token: int) -> int:
    """The bit of a token in its word of a bitmask, as a signed int32."""
    place = token % 32
    return -(2**31) if place == 31 else 1 << place

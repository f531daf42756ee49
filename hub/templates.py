"""Chat templates: messages as a model's own template writes them, whatever it leaves out.

Some templates refuse a system message, some pass over it in silence, some know only messages in
parts. A model that brings no template reads plain sections.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hub.chat import Message
from medley.errors import BackendError


@dataclass(frozen=True, slots=True)
class Template:
    """How one model's prompts are written. `source` is Jinja; empty where the model has none."""

    tokenizer: Any
    source: str = ""
    parts: bool = False  # whether messages are lists of parts, as processors want them

    @classmethod
    def of(cls, tokenizer: Any, processor: Any = None, named: str = "") -> "Template":
        """The template that the options name, else the processor's, else the tokenizer's."""
        found = named or _default(processor) or _default(tokenizer)
        return cls(tokenizer, found, parts=processor is not None)

    @property
    def options(self) -> dict[str, bool]:
        """Models that can think aloud are asked not to: what they write is guided."""
        return {"enable_thinking": False} if "enable_thinking" in self.source else {}

    def write(self, messages: Sequence[Message]) -> str:
        """The prompt. Raises `BackendError` when the template cannot write it at all."""
        from jinja2.exceptions import TemplateError

        if (text := self._tried(messages)) is not None:
            return text
        try:
            return self._rendered(_folded(messages))
        except TemplateError as error:
            raise BackendError(f"The hub's chat template fails: {error}") from error

    def folds(self, messages: Sequence[Message]) -> bool:
        """Whether it does not write all of these: a system message has to begin the next one."""
        return self._tried(messages) is None

    def _tried(self, messages: Sequence[Message]) -> str | None:
        from jinja2.exceptions import TemplateError

        try:
            text = _flat(found := self._rendered(messages))
        except TemplateError:
            return None
        return found if all(_flat(message["content"]) in text for message in messages) else None

    def _rendered(self, messages: Sequence[Message]) -> str:
        if not self.source:
            sections = (f"{message['role']}: {message['content']}\n\n" for message in messages)
            return self._begin() + "".join(sections) + "assistant: "
        told: list[dict[str, Any]] = [dict(message) for message in messages]
        if self.parts:
            for message in told:
                message["content"] = [{"type": "text", "text": message["content"]}]
        return str(
            self.tokenizer.apply_chat_template(
                told,
                chat_template=self.source,
                add_generation_prompt=True,
                tokenize=False,
                **self.options,
            )
        )

    def _begin(self) -> str:
        """The word that the tokenizer begins every text with, if it does."""
        first = list(self.tokenizer("").input_ids)[:1]
        begins = first and first[0] == self.tokenizer.bos_token_id
        return str(self.tokenizer.bos_token) if begins else ""


def _default(source: Any) -> str:
    found = getattr(source, "chat_template", None)
    return str((found.get("default") if isinstance(found, dict) else found) or "")


def _folded(messages: Sequence[Message]) -> list[Message]:
    """The same words without a system message: they begin the next one."""
    told = "\n\n".join(item["content"] for item in messages if item["role"] == "system")
    rest = [item for item in messages if item["role"] != "system"]
    if not told or not rest:
        return list(messages)
    return [{"role": rest[0]["role"], "content": f"{told}\n\n{rest[0]['content']}"}, *rest[1:]]


def _flat(text: str) -> str:
    """Templates trim and break lines as they like."""
    return "".join(text.split())

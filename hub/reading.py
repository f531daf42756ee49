"""How a loaded hub reads: what it found out about its tokenizer, template and senses, once."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hub import chat, compact
from hub.prompting import cleaned
from hub.templates import Template
from medley.plain import language_of
from medley.tools import Tool

DEFAULT_QUESTION = {"en": "What is this?", "zh": "这是什么？"}


@dataclass(frozen=True, slots=True)
class Senses:
    """What a hub sees and hears with: the processor that stands before the model."""

    processor: Any
    frames: int  # of a video
    side: int  # pixels; larger pictures are made smaller

    @property
    def sees_videos(self) -> bool:
        """Whether videos have a way of their own; else a video is shown as pictures."""
        return getattr(self.processor, "video_processor", None) is not None

    @property
    def rate(self) -> int:
        """Samples a second of what it hears; 0 for a hub that does not."""
        extractor = getattr(self.processor, "feature_extractor", None)
        return int(getattr(extractor, "sampling_rate", 0))


@dataclass(slots=True, kw_only=True)
class Reading:
    """How a loaded hub reads: tokenizer, template, connector, wording, limits."""

    tokenizer: Any
    guided: Any  # the tokenizer as llguidance sees it
    template: Template
    connector: Any
    compact: bool
    pad: int
    ends: list[int]
    context: int
    control: list[str]
    max_steps: int
    max_words: int
    senses: Senses | None = None

    @classmethod
    def of(
        cls,
        tokenizer: Any,
        model: Any,
        connector: Any,
        options: Mapping[str, Any],
        senses: Senses | None = None,
    ) -> "Reading":
        """Finds these out from what was loaded."""
        import llguidance.hf

        config = model.config.get_text_config(decoder=True)
        known = tokenizer.get_vocab()
        wording = options.get("wording") or (
            "compact" if all(word in known for word in compact.CONTROL) else "chat"
        )
        eos = (
            model.generation_config.eos_token_id
            if model.generation_config.eos_token_id is not None
            else tokenizer.eos_token_id
        )
        ends = [eos] if isinstance(eos, int) else list(eos or [])
        if tokenizer.eos_token_id is not None and tokenizer.eos_token_id not in ends:
            ends.append(tokenizer.eos_token_id)
        pad = (
            tokenizer.pad_token_id
            if tokenizer.pad_token_id is not None
            else (ends[0] if ends else 0)
        )
        small = wording == "compact"
        return cls(
            tokenizer=tokenizer,
            guided=llguidance.hf.from_tokenizer(
                tokenizer, n_vocab=max(config.vocab_size, len(tokenizer))
            ),
            template=Template.of(
                tokenizer,
                senses.processor if senses else None,
                str(options.get("chat_template", "")),
            ),
            connector=connector,
            compact=small,
            pad=pad,
            ends=ends,
            context=_context(config),
            control=_control_words(tokenizer),
            max_steps=int(options.get("max_steps", 8 if small else 16)),
            max_words=int(options.get("max_words", 800)),
            senses=senses,
        )

    def knows(self, tool: Tool) -> bool:
        """Whether the hub can plan with this tool: one of the compact wording learnt a token for
        each of its tools; all others read about them.
        """
        ports = [*tool.inputs, ""]
        piece = f'{tool.name}","inputs":{{"{ports[0]}":'
        return not self.compact or self.tokenizer.convert_tokens_to_ids(piece) is not None

    def tokens(self, text: str) -> list[int]:
        """Tokens of a rendered prompt; control words in it count as such."""
        return list(self.tokenizer.encode(text, add_special_tokens=False))

    def safe(self, text: str) -> str:
        """Text that holds none of the model's control words."""
        return cleaned(text, self.control)

    def chat(self, messages: list[chat.Message]) -> str:
        """Messages as the model's own chat template writes them, or as plain sections."""
        return self.template.write(
            [{"role": item["role"], "content": self.safe(item["content"])} for item in messages]
        )


def around_media(
    reading: Reading, question: str, language: str = "auto"
) -> tuple[list[int], list[int]]:
    """The tokens before and after the soft tokens of a description, as the hub reads them."""
    question = asked(question, language)
    if reading.compact:
        prompt = compact.describe_prompt(question)
    else:
        safe = cleaned(question).replace(compact.MEDIA_GAP, "")
        text = chat.describe_text(compact.MEDIA_GAP, safe, language)
        prompt = reading.chat([{"role": "user", "content": text}])
    before, _, after = prompt.partition(compact.MEDIA_GAP)
    return reading.tokens(before), reading.tokens(after)


def asked(question: str, language: str) -> str:
    """The question in the wanted language; a general one where none fits."""
    question = question.strip()
    if language in ("en", "zh") and (not question or language_of(question) != language):
        return DEFAULT_QUESTION[language]
    return question or DEFAULT_QUESTION["en"]


def _context(config: Any) -> int:
    """Tokens that the model reads and writes at most; a large number where it does not say."""
    names = ("max_position_embeddings", "max_seq_len", "n_positions")
    return next((int(n) for name in names if (n := getattr(config, name, None))), 1 << 20)


def _control_words(tokenizer: Any) -> list[str]:
    """Special tokens, and added ones that are marks: `<tool_call>`, but not a run of blanks."""
    added = [str(word) for word in tokenizer.get_added_vocab()]
    marks = [word for word in added if any(sign in word for sign in "<>[]|")]
    return [*map(str, tokenizer.all_special_tokens), *marks]

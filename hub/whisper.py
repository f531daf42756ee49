"""Whisper (Radford et al., 2022, https://arxiv.org/abs/2212.04356): writes or translates thirty
seconds at a time.

When a word is said is read from the decoder's attention to the sound: the heads that follow it are
named by the checkpoint, and dynamic time warping lays the tokens along the time.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from hub.hearing import Heard, Manner, Recogniser, Stretch, Wave

_PROMPT_TOKENS = 4  # that begin a transcript: start, language, task, times
#: Letters of languages that are written without spaces: Chinese, Japanese, Thai, Lao, Burmese.
_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u3040-\u30ff\u3400-\u9fff]")


class Whisper(Recogniser):
    """Whisper. Its extractor fills every piece up to thirty seconds, so a batch changes nothing."""

    together = 8

    def __init__(self, model: Any, processor: Any, languages: Sequence[str]) -> None:
        said = model.generation_config
        known = getattr(said, "lang_to_id", None) or {}
        self._many = bool(known) and getattr(said, "is_multilingual", True)
        codes = [token.strip("<|>") for token in known] if self._many else ["en"]
        super().__init__(model, processor, codes)
        self.translates = self._many
        self.seconds = float(self.extractor.chunk_length)
        self._tells_time = getattr(said, "no_timestamps_token_id", None) is not None
        aligned = self._tells_time and bool(getattr(said, "alignment_heads", None))
        self.extras = frozenset({"prompt", "temperature", *(["words"] if aligned else [])})

    def limit(self, seconds: float) -> int:
        """What its decoder has places for, less the tokens that begin a transcript."""
        del seconds
        return int(self.model.config.max_target_positions) - _PROMPT_TOKENS

    def fault_of(self, manner: Manner) -> str:
        """Why it cannot write so; empty where it can."""
        if manner.prompt:
            try:
                self._prompt(manner.prompt)
            except ValueError:
                return "A prompt has no control words, such as <|endoftext|>."
        return super().fault_of(manner)

    def write(self, waves: Sequence[Wave], manner: Manner) -> list[str]:
        """What is said in each piece, or its translation to English."""
        tokens = self._generate(waves, manner)
        return list(self.processor.batch_decode(tokens, skip_special_tokens=True))

    @property
    def finest(self) -> float:
        """It says by itself when a sentence begins and ends."""
        return self.seconds if self._tells_time else super().finest

    def write_timed(self, waves: Sequence[Wave], manner: Manner) -> list[Heard]:
        """What is said in each piece, sentence by sentence, and when each word is said."""
        if not self._tells_time:
            return super().write_timed(waves, manner)
        ends: list[Any] = [None] * len(waves)
        tokens = self._generate(
            waves, manner, return_timestamps=True, return_token_timestamps=manner.words
        )
        if manner.words:
            tokens, ends = tokens["sequences"], tokens["token_timestamps"]
        heard = []
        for wave, row, row_ends in zip(waves, tokens, ends, strict=True):
            seconds = len(wave) / self.rate
            # Its tokenizer finds times in one row only, not in a batch.
            decoded = self.processor.tokenizer.decode(
                row, skip_special_tokens=True, output_offsets=True
            )
            words = self._words(row, row_ends, seconds) if manner.words else []
            heard.append(Heard(_stretches(decoded, seconds), words))
        return heard

    def _generate(self, waves: Sequence[Wave], manner: Manner, **how: Any) -> Any:
        limit = max(self._limits(waves))
        if self._many:
            task = "translate" if manner.translate else "transcribe"
            how |= {"language": manner.language, "task": task}
        if manner.prompt:
            how["prompt_ids"] = self._prompt(manner.prompt).to(self.model.device)
            limit -= len(how["prompt_ids"])
        if manner.temperature:
            how["temperature"] = manner.temperature
        inputs = self._heard(waves, return_attention_mask=True)
        with _own_attention(self.model):
            return self.model.generate(**inputs, **how, max_new_tokens=limit)

    def _prompt(self, words: str) -> Any:
        """Tokens of a prompt: its end, where it is longer than half of the decoder's places."""
        import torch

        tokens = self.processor.get_prompt_ids(words, return_tensors="pt")
        most = int(self.model.config.max_target_positions) // 2 - 1
        return tokens if len(tokens) <= most else torch.cat([tokens[:1], tokens[1 - most :]])

    def _words(self, tokens: Any, ends: Any, seconds: float) -> list[Stretch]:
        """The words of a piece. `ends`: when each token ends, in seconds."""
        tokenizer = self.processor.tokenizer
        times = ends.tolist()
        written = [
            (token, times[place - 1] if place else 0.0, times[place])
            for place, token in enumerate(tokens.tolist())
            if token < tokenizer.eos_token_id  # all others are no words
        ]
        found: list[Stretch] = []
        last = 0.0
        for word, places in _words_of(tokenizer, [token for token, _, _ in written]):
            start = min(max(written[places[0]][1], last), seconds)
            last = min(max(written[places[-1]][2], start), seconds)
            found.append((start, last, word))
        return [item for item in found if item[2].strip()]


def _words_of(tokenizer: Any, tokens: list[int]) -> Iterator[tuple[str, list[int]]]:
    """Words with the places of their tokens; where no spaces are written, sign by sign."""
    from transformers.models.whisper.tokenization_whisper import _combine_tokens_into_words

    if not tokens:
        return
    words, _, places = _combine_tokens_into_words(tokenizer, tokens, "english")
    for word, of in zip(words, places, strict=True):
        if not _UNSPACED.search(word):
            yield word, of
            continue
        signs, _, inside = _combine_tokens_into_words(tokenizer, [tokens[i] for i in of], "chinese")
        for sign, inner in zip(signs, inside, strict=True):
            yield sign, [of[place] for place in inner]


@contextmanager
def _own_attention(model: Any) -> Iterator[None]:
    """Times of words switch a model to a slower attention for good; afterwards it has its own."""
    before = model.config._attn_implementation
    try:
        yield
    finally:
        model.config._attn_implementation = before


def _stretches(decoded: dict[str, Any], seconds: float) -> list[Stretch]:
    """A piece's sentences, inside the piece and in order. A sentence whose end was not written
    lasts to the next; without any sentence the whole piece is one.
    """
    found: list[Stretch] = []
    last = 0.0
    for item in decoded.get("offsets") or ():
        start, end = item["timestamp"]
        start = min(max(float(start or 0.0), last), seconds)
        end = min(max(float(seconds if end is None else end), start), seconds)
        found.append((start, end, str(item["text"])))
        last = end
    return found or [(0.0, seconds, str(decoded["text"]))]

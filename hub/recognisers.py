"""Recognisers: the families of speech models of transformers, behind one way to use them.

Whisper (Radford et al., 2022) writes or translates thirty seconds at a time; Moonshine and its like
are encoder-decoders over recordings of any length; CTC models (Wav2Vec2, HuBERT, Parakeet) and
transducers (Parakeet TDT) have one guess per frame; Qwen3-ASR is a language model that is asked to
write down what it hears.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from medley.backend import ModelSpec
from medley.checkpoints import config_of, dtype_for
from medley.errors import Unavailable

Wave = npt.NDArray[np.float32]  #: mono samples of shape (n,), at the rate that the model hears

_TIMED_S = 8.0  # a piece that is one subtitle
_TOKENS_PER_SECOND = 12.0  # nobody speaks faster, in any language
_TOKENS_AT_LEAST = 16

#: A stretch of a piece: when it begins and ends, in seconds, and what is said.
Stretch = tuple[float, float, str]


class Recogniser(ABC):
    """A speech model and its processor. `languages` are ISO 639 codes, none where not known."""

    seconds = 30.0  #: the longest piece that it hears at once
    #: how many pieces it hears at once and still writes what it would for each alone
    together = 1
    translates = False  #: whether it can write in English what is said in another language

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

    @abstractmethod
    def write(self, waves: Sequence[Wave], language: str | None, translate: bool) -> list[str]:
        """What is said in each piece. `language` None: whatever it hears."""

    def write_timed(
        self, waves: Sequence[Wave], language: str | None, translate: bool
    ) -> list[list[Stretch]]:
        """What is said in each piece, and when: the whole piece, where the model does not say."""
        texts = self.write(waves, language, translate)
        return [
            [(0.0, len(wave) / self.rate, text)] for wave, text in zip(waves, texts, strict=True)
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


class EncoderDecoder(Recogniser):
    """Moonshine and its like. Moonshine's first layer is normalised over time, padding included:
    one piece at a time.
    """

    def write(self, waves: Sequence[Wave], language: str | None, translate: bool) -> list[str]:
        """What is said in each piece."""
        del language, translate
        inputs = self._heard(waves, padding=True)
        tokens = self.model.generate(**inputs, max_new_tokens=max(self._limits(waves)))
        return list(self.processor.batch_decode(tokens, skip_special_tokens=True))


class Whisper(Recogniser):
    """Whisper. Its extractor fills every piece up to thirty seconds, so a batch changes nothing."""

    together = 8

    def __init__(self, model: Any, processor: Any, languages: Sequence[str]) -> None:
        known = getattr(model.generation_config, "lang_to_id", None) or {}
        self._many = bool(known) and getattr(model.generation_config, "is_multilingual", True)
        codes = [token.strip("<|>") for token in known] if self._many else ["en"]
        super().__init__(model, processor, codes)
        self.translates = self._many
        self.seconds = float(self.extractor.chunk_length)

    def limit(self, seconds: float) -> int:
        """What its decoder has places for, less the four tokens of its prompt."""
        del seconds
        return int(self.model.config.max_target_positions) - 4

    def write(self, waves: Sequence[Wave], language: str | None, translate: bool) -> list[str]:
        """What is said in each piece, or its translation to English."""
        inputs = self._heard(waves, return_attention_mask=True)
        how: dict[str, Any] = {}
        if self._many:
            how = {"language": language, "task": "translate" if translate else "transcribe"}
        tokens = self.model.generate(**inputs, **how, max_new_tokens=max(self._limits(waves)))
        return list(self.processor.batch_decode(tokens, skip_special_tokens=True))

    @property
    def finest(self) -> float:
        """It says by itself when a sentence begins and ends."""
        return self.seconds if self._tells_time else super().finest

    @property
    def _tells_time(self) -> bool:
        known = getattr(self.model.generation_config, "no_timestamps_token_id", None)
        return known is not None

    def write_timed(
        self, waves: Sequence[Wave], language: str | None, translate: bool
    ) -> list[list[Stretch]]:
        """What is said in each piece, sentence by sentence."""
        if not self._tells_time:
            return super().write_timed(waves, language, translate)
        inputs = self._heard(waves, return_attention_mask=True)
        how: dict[str, Any] = {"return_timestamps": True}
        if self._many:
            how |= {"language": language, "task": "translate" if translate else "transcribe"}
        tokens = self.model.generate(**inputs, **how, max_new_tokens=max(self._limits(waves)))
        found = self.processor.tokenizer.batch_decode(
            tokens, skip_special_tokens=True, output_offsets=True
        )
        return [
            _stretches(one, len(wave) / self.rate) for one, wave in zip(found, waves, strict=True)
        ]


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


class Ctc(Recogniser):
    """Connectionist temporal classification (Graves et al., 2006): the likeliest symbol of each
    frame, repeats and blanks taken out.
    """

    def __init__(self, model: Any, processor: Any, languages: Sequence[str]) -> None:
        super().__init__(model, processor, languages)
        masked = getattr(self.extractor, "return_attention_mask", False)
        self.together = 8 if masked and self._frames is not None else 1

    def limit(self, seconds: float) -> int:
        """One forward call hears all."""
        del seconds
        return 1

    def write(self, waves: Sequence[Wave], language: str | None, translate: bool) -> list[str]:
        """What is said in each piece."""
        del language, translate
        inputs = self._heard(waves, padding=True)
        symbols = self.model(**inputs).logits.argmax(dim=-1)
        mask = inputs.get("attention_mask")
        if mask is None or len(waves) == 1:
            return list(self.processor.batch_decode(symbols, skip_special_tokens=True))
        counts = self._frames(mask.sum(dim=-1))
        rows = [row[: int(count)] for row, count in zip(symbols, counts, strict=True)]
        return [self.processor.decode(row, skip_special_tokens=True) for row in rows]

    @property
    def _frames(self) -> Any:
        """The model's function from lengths to numbers of symbols, where it has one."""
        names = ("_get_feat_extract_output_lengths", "_get_subsampling_output_length")
        return next(
            (getattr(self.model, name) for name in names if hasattr(self.model, name)), None
        )


class Transducer(Recogniser):
    """Transducers (Graves, 2012) and those that also say how long a token lasts (TDT)."""

    def write(self, waves: Sequence[Wave], language: str | None, translate: bool) -> list[str]:
        """What is said in each piece."""
        del language, translate
        found = self.model.generate(**self._heard(waves))
        return list(self.processor.batch_decode(found.sequences, skip_special_tokens=True))


class Asked(Recogniser):
    """Qwen3-ASR: a language model with an ear, asked through the template of its processor. Its
    extractor fills a batch with silence that a piece alone does not get: one piece at a time.
    """

    def write(self, waves: Sequence[Wave], language: str | None, translate: bool) -> list[str]:
        """What is said in each piece."""
        del translate
        inputs = self._placed(
            self.processor.apply_transcription_request(audio=list(waves), language=language)
        )
        tokens = self.model.generate(**inputs, max_new_tokens=max(self._limits(waves)))
        written = tokens[:, inputs["input_ids"].shape[1] :]
        return list(self.processor.decode(written, return_format="transcription_only"))


def recogniser(model: ModelSpec, folder: Path, device: str) -> Recogniser:
    """The recogniser of a checkpoint, on `device`. Raises `Unavailable` for what hears no speech.

    Option `languages`: the ISO 639 codes of what it understands, where its files do not say.
    """
    import transformers as tf
    from transformers.models.auto import modeling_auto as auto

    kind = str(config_of(folder).get("model_type", ""))
    families: list[tuple[Any, type[Recogniser], Any]] = [
        (("whisper",), Whisper, tf.AutoModelForSpeechSeq2Seq),
        (("qwen3_asr",), Asked, tf.AutoModelForSpeechSeq2Seq),
        (("moonshine", "speech_to_text"), EncoderDecoder, tf.AutoModelForSpeechSeq2Seq),
        (auto.MODEL_FOR_CTC_MAPPING_NAMES, Ctc, tf.AutoModelForCTC),
        (auto.MODEL_FOR_TDT_MAPPING_NAMES, Transducer, tf.AutoModelForTDT),
        (auto.MODEL_FOR_RNNT_MAPPING_NAMES, Transducer, tf.AutoModelForRNNT),
    ]
    for names, family, automatic in families:
        if kind in names:
            dtype = dtype_for(model, device)
            weights = automatic.from_pretrained(folder, dtype=dtype, use_safetensors=True)
            processor = tf.AutoProcessor.from_pretrained(folder)
            languages = list(model.options.get("languages", ()))
            if getattr(weights, "generation_config", None) is not None:
                weights.generation_config.max_length = None  # each call says its own limit
            return family(weights.to(device).eval(), processor, languages)
    raise Unavailable(f"{model.id} is of the kind {kind!r}, which writes down no speech here.")

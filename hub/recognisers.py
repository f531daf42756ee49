"""Recognisers: the families of speech models of transformers, behind one way to use them.

Whisper (`hub.whisper`) writes or translates thirty seconds at a time; Moonshine and its like are
encoder-decoders over recordings of any length; CTC models (Wav2Vec2, HuBERT, Parakeet) and
transducers (Parakeet TDT) have one guess per frame; Qwen3-ASR is a language model that is asked to
write down what it hears.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hub.hearing import Manner, Recogniser, Wave
from hub.whisper import Whisper
from medley.backend import ModelSpec
from medley.checkpoints import config_of, dtype_for
from medley.errors import Unavailable


class EncoderDecoder(Recogniser):
    """Moonshine and its like. Moonshine's first layer is normalised over time, padding included:
    one piece at a time.
    """

    def write(self, waves: Sequence[Wave], manner: Manner) -> list[str]:
        """What is said in each piece."""
        del manner
        inputs = self._heard(waves, padding=True)
        tokens = self.model.generate(**inputs, max_new_tokens=max(self._limits(waves)))
        return list(self.processor.batch_decode(tokens, skip_special_tokens=True))


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

    def write(self, waves: Sequence[Wave], manner: Manner) -> list[str]:
        """What is said in each piece."""
        del manner
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

    def write(self, waves: Sequence[Wave], manner: Manner) -> list[str]:
        """What is said in each piece."""
        del manner
        found = self.model.generate(**self._heard(waves))
        return list(self.processor.batch_decode(found.sequences, skip_special_tokens=True))


class Asked(Recogniser):
    """Qwen3-ASR: a language model with an ear, asked through the template of its processor. Its
    extractor fills a batch with silence that a piece alone does not get: one piece at a time.
    """

    def write(self, waves: Sequence[Wave], manner: Manner) -> list[str]:
        """What is said in each piece."""
        inputs = self._placed(
            self.processor.apply_transcription_request(audio=list(waves), language=manner.language)
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

"""Talkers: models that hear speech and answer by speech, behind one way to use them.

Moshi (Défossez et al., 2024) hears and speaks at the same time, one frame of both for each step of
one language model. Qwen2.5-Omni (Xu et al., 2025) thinks in words, says them by a second language
model, and makes sound of its codes by a diffusion transformer and a vocoder.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from generators.speech.omni_voices import FILE, read_voices
from medley.backend import ModelSpec
from medley.checkpoints import config_of, dtype_for
from medley.errors import BadInput, Unavailable

Wave = npt.NDArray[np.float32]  #: mono samples of shape (n,)


class Talker(ABC):
    """A model that answers. Random numbers come from torch's own generator, which the caller
    seeds.
    """

    hears = 16_000  #: rate in Hz of what it hears
    rate = 24_000  #: rate in Hz of what it says
    longest = 300.0  #: seconds of the longest message

    def __init__(self, model: ModelSpec, folder: Path, device: str) -> None:
        self._place, self._dtype = device, dtype_for(model, device)
        self._model: Any = None
        self._tokenizer: Any = None
        self._load(model, folder)

    @property
    @abstractmethod
    def watched(self) -> Sequence[Any]:
        """The modules that are called once for each token, frame or step."""

    @abstractmethod
    def calls(self, seconds: float) -> int:
        """About how many calls of the watched modules a reply of this length takes, at most; for
        progress only.
        """

    @abstractmethod
    def answer(self, message: Wave, seconds: float) -> tuple[Wave, str]:
        """The reply to a message at the rate `hears`: sound of about `seconds` at most, and its
        words, empty where it has none.
        """

    @abstractmethod
    def _load(self, model: ModelSpec, folder: Path) -> None:
        """Reads weights and processor from the folder."""


class Moshi(Talker):
    """Moshi. While the message lasts it is made to say nothing, then it speaks to a listener who is
    silent. It knows no end of a reply: it has ended when no word came for two seconds.
    """

    _QUIET = 2.0  # seconds without a word after which a reply is over
    # How the code of its authors draws words and sounds.
    _DRAW: ClassVar[dict[str, Any]] = {
        "do_sample": True,
        "temperature": 0.7,
        "top_k": 25,
        "depth_decoder_do_sample": True,
        "depth_decoder_temperature": 0.8,
        "depth_decoder_top_k": 250,
        "depth_decoder_disable_compile": True,
    }

    def _load(self, model: ModelSpec, folder: Path) -> None:
        from transformers import AutoTokenizer, MoshiForConditionalGeneration

        loaded: Any = MoshiForConditionalGeneration.from_pretrained(
            folder, dtype=self._dtype, use_safetensors=True
        )
        self._model = loaded.to(self._place).eval()
        self._tokenizer = AutoTokenizer.from_pretrained(folder)
        # Between words it writes <pad>, and <unk> where the next word is about to come.
        silent = [self._tokenizer.convert_tokens_to_ids(name) for name in ("<pad>", "<unk>")]
        if None in silent or silent[0] == silent[1]:
            raise Unavailable(f"The tokenizer of {model.id} has no token that means no word.")
        self._silent = [int(token) for token in silent]
        self.hears = self.rate = int(self._model.config.sampling_rate)
        self._frames = float(self._model.config.audio_encoder_config.frame_rate)  # a second
        self.longest = float(self._model.config.max_position_embeddings) / self._frames

    @property
    def watched(self) -> Sequence[Any]:
        """The language model, once for each frame."""
        return (self._model.decoder,)

    def calls(self, seconds: float) -> int:
        """One for each frame."""
        return int(seconds * self._frames) + 2

    def answer(self, message: Wave, seconds: float) -> tuple[Wave, str]:
        """The reply; its words are what it writes beside its sound."""
        import torch

        said = self._codes(message)
        frames, wanted = said.shape[-1], max(1, int(seconds * self._frames))
        if frames + wanted + 3 > int(self._model.config.max_position_embeddings):
            raise BadInput(
                f"Message and reply together take more than the {self.longest:.0f} seconds that "
                "this model remembers; ask for a shorter reply."
            )
        words = torch.full((1, frames), self._silent[0], device=self._place)
        written = self._model.generate(
            input_ids=words,
            attention_mask=torch.ones_like(words),  # else no word would mean nothing to hear
            user_audio_codes=said,
            moshi_audio_codes=self._codes(np.zeros_like(message)),
            max_new_tokens=wanted + 2,
            stopping_criteria=[self._over(frames + 1)],
            return_audio_waveforms=False,
            **self._DRAW,
        )[0, frames + 1 :]
        # The first step holds no sound, and all codebooks but the first are a step behind it.
        codes = self._model.generated_audio_codes
        codes = torch.cat([codes[:, :1, 1:-1], codes[:, 1:, 2:]], dim=1)
        del self._model.generated_audio_codes
        sound = self._model.audio_encoder.decode(codes).audio_values[0, 0]
        start = round(frames * self.rate / self._frames)
        spoken = [token for token in written.tolist() if token not in self._silent]
        text = self._tokenizer.decode(spoken, skip_special_tokens=True).strip()
        return sound[start:].float().cpu().numpy(), text

    def _codes(self, wave: Wave) -> Any:
        """Codes of shape (1, codebooks, frames)."""
        import torch

        sound = torch.from_numpy(wave)[None, None].to(self._place, self._dtype)
        codec = self._model.audio_encoder
        return codec.encode(sound, num_quantizers=self._model.num_codebooks)[0]

    def _over(self, start: int) -> Any:
        """A criterion of `generate`: no word for a while, after some from place `start` on."""
        import torch

        silent = torch.tensor(self._silent, device=self._place)
        patience = int(self._QUIET * self._frames)

        def over(tokens: Any, scores: Any, **_: Any) -> Any:
            del scores
            words = ~torch.isin(tokens[:, start:], silent)
            return words.any(dim=1) & ~words[:, -patience:].any(dim=1)

        return over


class Omni(Talker):
    """Qwen2.5-Omni. It speaks with one of the voices of its file of voices; a reply that is cut
    short by `seconds` may have more words than are heard.
    """

    # Without these words it was not trained to speak.
    _SYSTEM = (
        "You are Qwen, a virtual human developed by the Qwen Team, Alibaba Group, capable of "
        "perceiving auditory and visual inputs, as well as generating text and speech."
    )
    _BEFORE = f"<|im_start|>system\n{_SYSTEM}<|im_end|>\n<|im_start|>user\n"
    _AFTER = "<|im_end|>\n<|im_start|>assistant\n"
    _STEPS = 10  # of the diffusion transformer: nine of four calls each
    _FLUENT = 10  # tokens of words a second, more than anybody says

    def _load(self, model: ModelSpec, folder: Path) -> None:
        from transformers import (
            AutoTokenizer,
            PreTrainedModel,
            Qwen2_5OmniForConditionalGeneration,
            WhisperFeatureExtractor,
        )

        voices = read_voices(Path(str(model.options.get("voices", folder / FILE))))
        # Its own `from_pretrained` would read its voices from a pickle.
        plain: Any = PreTrainedModel.from_pretrained
        loaded = plain.__func__(
            Qwen2_5OmniForConditionalGeneration, folder, dtype=self._dtype, use_safetensors=True
        )
        if not loaded.has_talker:
            raise Unavailable(f"{model.id} is without the parts that speak.")
        self._model = loaded.to(self._place).eval()
        self._model.speaker_map = voices
        self._voice = str(model.options.get("voice", next(iter(voices))))
        if self._voice not in voices:
            known = ", ".join(voices)
            raise Unavailable(f"{model.id} has no voice {self._voice!r}; it has: {known}.")
        self._tokenizer = AutoTokenizer.from_pretrained(folder)
        self._features: Any = WhisperFeatureExtractor.from_pretrained(folder)
        self.hears = int(self._features.sampling_rate)
        self.longest = float(self._features.chunk_length)
        sounds = self._model.config.token2wav_config
        self._hop = prod(sounds.bigvgan_config.upsample_rates) * int(sounds.dit_config.repeats)

    @property
    def watched(self) -> Sequence[Any]:
        """Thinker and talker once for each token, the diffusion transformer four times a step."""
        return (self._model.thinker, self._model.talker, self._model.token2wav.code2wav_dit_model)

    def calls(self, seconds: float) -> int:
        """Words, codes, steps."""
        return self._words(seconds) + self._codes(seconds) + 4 * (self._STEPS - 1)

    def answer(self, message: Wave, seconds: float) -> tuple[Wave, str]:
        """The reply, in one of its voices."""
        import torch

        heard = self._features(
            message,
            sampling_rate=self.hears,
            padding="max_length",
            return_attention_mask=True,
            return_tensors="pt",
        )
        asked = torch.tensor([self._prompt(int(heard["attention_mask"].sum()))], device=self._place)
        talker = self._model.config.talker_config
        written, sound = self._model.generate(
            input_ids=asked,
            attention_mask=torch.ones_like(asked),
            input_features=heard["input_features"].to(self._place, self._dtype),
            feature_attention_mask=heard["attention_mask"].to(self._place),
            speaker=self._voice,
            thinker_max_new_tokens=self._words(seconds),
            thinker_min_new_tokens=2,  # nothing is spoken from a single one
            thinker_eos_token_id=self._tokenizer.eos_token_id,
            thinker_pad_token_id=self._tokenizer.pad_token_id,
            talker_max_new_tokens=self._codes(seconds),
            talker_min_new_tokens=1,
            talker_eos_token_id=[talker.tts_codec_pad_token_id, talker.tts_codec_end_token_id],
            token2wav_num_steps=self._STEPS,
        )
        text = self._tokenizer.decode(written[0, asked.shape[1] :], skip_special_tokens=True)
        return sound.float().cpu().numpy().reshape(-1), text.strip()

    def _words(self, seconds: float) -> int:
        return 16 + int(self._FLUENT * seconds)

    def _codes(self, seconds: float) -> int:
        return max(1, int(seconds * self.rate / self._hop))

    def _prompt(self, frames: int) -> list[int]:
        """Token ids of a chat in which the user says `frames` frames of sound."""
        thinker = self._model.config.thinker_config
        places = ((frames - 1) // 2 + 1 - 2) // 2 + 1  # two convolutions halve, one of them pads
        before, after = (
            self._tokenizer(words, add_special_tokens=False)["input_ids"]
            for words in (self._BEFORE, self._AFTER)
        )
        sound = [thinker.audio_token_index] * places
        return [
            *before,
            thinker.audio_start_token_id,
            *sound,
            thinker.audio_end_token_id,
            *after,
        ]


_FAMILIES: dict[str, type[Talker]] = {"moshi": Moshi, "qwen2_5_omni": Omni}


def talker_of(model: ModelSpec, folder: Path, device: str) -> Talker:
    """The talker of a checkpoint, on `device`. Raises `Unavailable` for what does not talk."""
    kind = str(config_of(folder).get("model_type", ""))
    if kind not in _FAMILIES:
        raise Unavailable(f"{model.id} is of the kind {kind!r}, which does not talk here.")
    return _FAMILIES[kind](model, folder, device)

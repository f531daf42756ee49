"""Voices: the families of speech synthesis of transformers, behind one way to use them.

VITS (Kim et al., 2021; the voices of MMS) is one pass from letters to sound; SpeechT5 (Ao et al.,
2022) draws a spectrogram that a HiFi-GAN (Kong et al., 2020) makes audible; Bark, Pocket TTS and
VibeVoice write sound token by token, or latent by latent.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from medley.backend import ModelSpec
from medley.checkpoints import config_of, dtype_for, folder_of
from medley.errors import BadInput, Unavailable

Wave = npt.NDArray[np.float32]  #: mono samples of shape (n,)


class Voice(ABC):
    """A model that speaks. Random numbers come from torch's own generator, which the caller seeds.

    Options: `languages`, the ISO 639 codes of what it speaks, where that is known; `voices`, a
    folder with one file for each voice.
    """

    longest = 300  #: characters that are said at once
    keeps_pace = True  #: speaks at one pace only
    sample = ""  #: ending of the files in the folder of voices; empty: it has none

    def __init__(self, model: ModelSpec, folder: Path, device: str) -> None:
        self.languages = frozenset(model.options.get("languages", ()))
        self._samples = Path(str(model.options.get("voices", folder / "voices")))
        self._place, self._dtype = device, dtype_for(model, device)
        self.rate = 0
        self._load(model, folder)

    @property
    @abstractmethod
    def watched(self) -> Sequence[Any]:
        """The modules that are called once for each token."""

    @property
    def names(self) -> list[str]:
        """Names of its voices."""
        if not self.sample:
            return []
        return sorted(path.stem for path in self._samples.glob(f"*{self.sample}"))

    def calls(self, text: str) -> int:
        """About how many calls of the watched modules this text takes; for progress only."""
        return 25 * (1 + len(text) // 14)

    @abstractmethod
    def say(self, text: str, voice: str, speed: float) -> Wave:
        """The text as sound at `rate`. `voice` is one of `names`, or empty."""

    @abstractmethod
    def _load(self, model: ModelSpec, folder: Path) -> None: ...

    def _weights(self, kind: Any, folder: Path) -> Any:
        loaded = kind.from_pretrained(folder, dtype=self._dtype, use_safetensors=True)
        return loaded.to(self._place).eval()

    def _placed(self, found: Any) -> dict[str, Any]:
        return {
            name: value.to(self._place, self._dtype)
            if value.is_floating_point()
            else value.to(self._place)
            for name, value in found.items()
        }

    def _file(self, voice: str) -> Path:
        return self._samples / f"{voice}{self.sample}"


class VitsVoice(Voice):
    """VITS. Its speakers, where it has several, are numbers."""

    keeps_pace = False

    def _load(self, model: ModelSpec, folder: Path) -> None:
        from transformers import AutoTokenizer, VitsModel

        self._model = self._weights(VitsModel, folder)
        self._tokenizer = AutoTokenizer.from_pretrained(folder)
        self.rate = int(self._model.config.sampling_rate)

    @property
    def watched(self) -> Sequence[Any]:
        """Its three parts: letters, their lengths, sound."""
        return (self._model.text_encoder, self._model.duration_predictor, self._model.decoder)

    @property
    def names(self) -> list[str]:
        """Numbers of its speakers."""
        count = int(self._model.config.num_speakers)
        return [str(number) for number in range(count)] if count > 1 else []

    def calls(self, text: str) -> int:
        """Three, whatever the text."""
        return 3

    def say(self, text: str, voice: str, speed: float) -> Wave:
        """The text as sound."""
        tokens = self._tokenizer(text, return_tensors="pt")
        if not tokens["input_ids"].shape[-1]:
            return np.zeros(0, np.float32)
        self._model.speaking_rate = speed
        speaker = int(voice) if voice else (0 if self.names else None)
        return _wave(self._model(**self._placed(tokens), speaker_id=speaker).waveform)


class SpeechT5Voice(Voice):
    """SpeechT5 with a HiFi-GAN: the option `vocoder` (a folder or hub id), by default `vocoder/`
    beside the weights. A voice is a file with one x-vector as a NumPy array.
    """

    sample = ".npy"

    def _load(self, model: ModelSpec, folder: Path) -> None:
        import transformers as tf

        self._model = self._weights(tf.SpeechT5ForTextToSpeech, folder)
        named = model.options.get("vocoder")
        beside = folder_of(replace(model, source=str(named))) if named else folder / "vocoder"
        if not beside.is_dir():
            raise Unavailable(f"{model.id} has no vocoder: the option `vocoder` names one.")
        self._vocoder = self._weights(tf.SpeechT5HifiGan, beside)
        self._tokenizer = tf.AutoTokenizer.from_pretrained(folder)
        self.rate = int(self._vocoder.config.sampling_rate)

    @property
    def watched(self) -> Sequence[Any]:
        """The decoder, once for two frames of the spectrogram, and the vocoder."""
        return (self._model.speecht5.decoder.wrapped_decoder, self._vocoder)

    def say(self, text: str, voice: str, speed: float) -> Wave:
        """The text as sound."""
        import torch

        size = int(self._model.config.speaker_embedding_dim)
        vector = np.zeros(size, np.float32)
        if voice:
            vector = np.load(self._file(voice), allow_pickle=False).astype(np.float32).reshape(-1)
        if len(vector) != size:
            raise BadInput(f"The voice {voice!r} has {len(vector)} features, not {size}.")
        speaker = torch.from_numpy(vector)[None].to(self._place, self._dtype)
        tokens = self._placed(self._tokenizer(text, return_tensors="pt"))
        sound = self._model.generate_speech(
            tokens["input_ids"], speaker_embeddings=speaker, vocoder=self._vocoder
        )
        return _wave(sound)


class BarkVoice(Voice):
    """Bark: words to meaning, meaning to coarse sound, coarse to fine. It says up to some thirteen
    seconds at once.
    """

    longest = 180

    def _load(self, model: ModelSpec, folder: Path) -> None:
        from transformers import BarkModel, BarkProcessor

        self._model = self._weights(BarkModel, folder)
        self._processor = BarkProcessor.from_pretrained(folder)
        self.rate = int(self._model.generation_config.sample_rate)

    @property
    def watched(self) -> Sequence[Any]:
        """Its three models."""
        return (self._model.semantic, self._model.coarse_acoustics, self._model.fine_acoustics)

    @property
    def names(self) -> list[str]:
        """The presets that come with the checkpoint, such as v2/en_speaker_6."""
        return list(self._processor.available_voice_presets)

    def calls(self, text: str) -> int:
        """Fifty for meaning and 150 for coarse sound in each second."""
        return 200 * (1 + len(text) // 14)

    def say(self, text: str, voice: str, speed: float) -> Wave:
        """The text as sound."""
        inputs = self._processor(text, voice_preset=voice or None)
        prompt = inputs.pop("history_prompt", None)
        given = self._placed(inputs)
        if prompt is not None:
            given["history_prompt"] = self._placed(prompt)
        return _wave(self._model.generate(**given))


class ChatVoice(Voice):
    """Models whose processor has a template for what is said by whom. A voice is a recording."""

    sample = ".wav"
    role = "0"

    def say(self, text: str, voice: str, speed: float) -> Wave:
        """The text as sound."""
        content: list[dict[str, Any]] = [{"type": "text", "text": text}]
        if voice:
            content.insert(0, {"type": "audio", "audio": self._recording(voice)})
        turns = [{"role": self.role, "content": content}]
        inputs = self._processor.apply_chat_template(
            turns, tokenize=True, return_dict=True, return_tensors="pt"
        )
        return self._sound(self._placed(inputs), text)

    def _load(self, model: ModelSpec, folder: Path) -> None:
        from transformers import AutoModelForTextToWaveform, AutoProcessor

        self._model = self._weights(AutoModelForTextToWaveform, folder)
        self._processor = AutoProcessor.from_pretrained(folder)
        self.rate = int(self._processor.feature_extractor.sampling_rate)

    @property
    def watched(self) -> Sequence[Any]:
        """The whole model, once for each frame."""
        return (self._model,)

    @abstractmethod
    def _sound(self, inputs: dict[str, Any], text: str) -> Wave: ...

    def _recording(self, voice: str) -> Wave:
        from medley.media.sound import mono, read_sound, resample

        found = read_sound(self._file(voice), max_seconds=60.0)
        if found is None:
            raise BadInput(f"The voice {voice!r} is no recording.")
        samples: Wave = resample(mono(found), self.rate).samples[0]
        return samples


class PocketVoice(ChatVoice):
    """Pocket TTS: a latent of sound for each step, from a small flow head. Its codec lies beside
    it, or is what its processor names.
    """

    role = "user"
    longest = 200

    def _sound(self, inputs: dict[str, Any], text: str) -> Wave:
        found = self._model.generate(**inputs, return_dict_in_generate=True, do_sample=True)
        (sound,) = self._processor.decode(found.audio_latents, found.audio_latents_mask)
        return _wave(sound)

    def calls(self, text: str) -> int:
        """12.5 frames a second."""
        return 13 * (1 + len(text) // 14)


class VibeVoice(ChatVoice):
    """VibeVoice: a language model that says when to speak, and a diffusion head that does."""

    longest = 2000

    def _sound(self, inputs: dict[str, Any], text: str) -> Wave:
        # Silence would be spoken on and on: no text needs more than three times its usual length.
        found = self._model.generate(**inputs, max_new_tokens=16 + 3 * self.calls(text))
        sounds = getattr(found, "audio", found)
        return _wave(sounds[0]) if sounds and sounds[0] is not None else np.zeros(0, np.float32)

    def calls(self, text: str) -> int:
        """7.5 frames a second, each for what is wanted and what is not."""
        return 15 * (1 + len(text) // 14)


_FAMILIES: dict[str, type[Voice]] = {
    "vits": VitsVoice,
    "speecht5": SpeechT5Voice,
    "bark": BarkVoice,
    "pocket_tts": PocketVoice,
    "vibevoice": VibeVoice,
}


def voice_of(model: ModelSpec, folder: Path, device: str) -> Voice:
    """The voice of a checkpoint, on `device`. Raises `Unavailable` for what does not speak."""
    kind = str(config_of(folder).get("model_type", ""))
    if kind not in _FAMILIES:
        raise Unavailable(f"{model.id} is of the kind {kind!r}, which does not speak here.")
    return _FAMILIES[kind](model, folder, device)


def _wave(sound: Any) -> Wave:
    found: Wave = sound.detach().float().cpu().numpy().reshape(-1)
    return found

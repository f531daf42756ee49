"""EmbeddingGemma 2 (Google DeepMind, 2026): words, pictures, videos and sounds."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from encoders.batches import pictures
from encoders.embedding import monaural
from encoders.unified.inputs import PLACES, Input, frame_count, joined_media, padded
from medley.checkpoints import config_of
from medley.media.values import Audio, Video

if TYPE_CHECKING:
    from torch import Tensor

PIECE_SECONDS = 30.0
"""Seconds of sound heard at once; a longer one is the mean of its pieces."""


class Gemma:
    """EmbeddingGemma 2. A picture stands between "begin" and "end" tokens, as many places as the
    tower gives; so does each frame of a video, and a sound.
    """

    def __init__(self, model: Any, folder: Path, options: Any) -> None:
        from transformers import AutoTokenizer

        self._model, self._config = model, model.config
        self._tokenizer = AutoTokenizer.from_pretrained(folder)
        self._prompt = str(options.get("prompt", ""))
        self.prepare: dict[str, Callable[[Any], list[Input]]] = {"text": self._text}
        if self._config.vision_config is not None:
            from transformers import AutoImageProcessor

            self._images = AutoImageProcessor.from_pretrained(folder)
            told = config_of(folder, "processor_config.json").get("video_processor", {})
            self._frame_tokens = int(told.get("max_soft_tokens", 70))
            self.prepare |= {"image": self._image, "video": self._video}
        if self._config.audio_config is not None:
            from transformers import AutoFeatureExtractor

            self._extractor = AutoFeatureExtractor.from_pretrained(folder)
            self.prepare["audio"] = self._audio

    def pooled(self, inputs: list[Input]) -> "Tensor":
        """(B, D): the mean over all places."""
        ids, mask = padded(inputs, self._config.text_config.pad_token_id, self._model.device)
        states = self._model(
            input_ids=ids, attention_mask=mask, **joined_media(inputs, self._model)
        ).last_hidden_state
        weights = mask.unsqueeze(-1).to(states.dtype)
        found: Tensor = (states * weights).sum(dim=1) / weights.sum(dim=1)
        return found

    def _text(self, text: str) -> list[Input]:
        told = self._tokenizer(self._prompt + text, truncation=True, max_length=PLACES)
        return [Input(list(told["input_ids"]))]

    def _image(self, picture: Any) -> list[Input]:
        seen = self._images(pictures(picture), return_tensors="pt")
        count = int(seen["num_soft_tokens_per_image"][0])
        media = {name: seen[name] for name in ("pixel_values", "image_position_ids")}
        return [Input(self._around(self._seen(self._config.image_token_id, count)), media)]

    def _video(self, video: Video) -> list[Input]:
        import torch

        shown = pictures(video, frame_count(video))
        seen = self._images(shown, max_soft_tokens=self._frame_tokens, return_tensors="pt")
        count = int(seen["num_soft_tokens_per_image"][0])
        media = {
            "pixel_values_videos": seen["pixel_values"],
            "video_position_ids": seen["image_position_ids"],
            "num_frames_per_video": torch.tensor([len(shown)]),
        }
        frame = self._seen(self._config.video_token_id, count)
        return [Input(self._around(frame * len(shown)), media)]

    def _audio(self, sound: Audio) -> list[Input]:
        rate = self._extractor.sampling_rate
        mono = monaural(sound, rate)
        longest = int(PIECE_SECONDS * rate)
        firsts = range(0, len(mono), longest)
        return [self._heard(mono[first : first + longest], rate) for first in firsts]

    def _heard(self, mono: Any, rate: int) -> Input:
        heard = self._extractor([mono], sampling_rate=rate, return_tensors="pt")
        media = {name: heard[name] for name in ("input_features", "input_features_mask")}
        # Two convolutions of stride 2 keep every fourth place of the mask.
        count = int(media["input_features_mask"][0, ::2][::2].sum())
        if count == 0:
            raise ValueError("the sound is too short")
        config = self._config
        told = [config.boa_token_id, *[config.audio_token_id] * count, config.eoa_token_index]
        return Input(self._around(told), media)

    def _seen(self, token: int, count: int) -> list[int]:
        return [self._config.boi_token_id, *[token] * count, self._config.eoi_token_id]

    def _around(self, told: list[int]) -> list[int]:
        """With the tokens that the tokenizer puts before and after every text."""
        mark = self._config.image_token_id
        ids = list(self._tokenizer(self._tokenizer.convert_ids_to_tokens(mark))["input_ids"])
        where = ids.index(mark)
        return [*ids[:where], *told, *ids[where + 1 :]]

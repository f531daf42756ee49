"""Qwen3-VL-Embedding (Qwen team, 2026): words, pictures and videos."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from encoders.batches import pictures
from encoders.unified.inputs import PLACES, Input, frame_count, joined_media, padded
from medley.media.values import Video

if TYPE_CHECKING:
    from torch import Tensor


class Qwen:
    """Qwen3-VL-Embedding: a chat whose system message says what is wanted. The frames of a video go
    in by twos, each pair after its time.
    """

    _INSTRUCTION = "Represent the user's input."
    _LEAST, _MOST = 4 * 32 * 32, 1800 * 32 * 32  # pixels of a picture
    _MOST_OF_VIDEO = 7680 * 32 * 32  # pixels of all frames together

    def __init__(self, model: Any, folder: Path, options: Any) -> None:
        from transformers import AutoImageProcessor, AutoTokenizer

        self._model, self._config = model, model.config
        self._tokenizer = AutoTokenizer.from_pretrained(folder)
        self._images = AutoImageProcessor.from_pretrained(folder)
        self._told = str(options.get("instruction", self._INSTRUCTION))
        self.prepare: dict[str, Callable[[Any], list[Input]]] = {
            "text": self._text,
            "image": self._image,
            "video": self._video,
        }

    def pooled(self, inputs: list[Input]) -> "Tensor":
        """(B, D): the state of the last token."""
        import torch

        pad = self._tokenizer.pad_token_id or 0
        ids, mask = padded(inputs, pad, self._model.device)
        types = (ids == self._config.image_token_id).long()
        types += 2 * (ids == self._config.video_token_id).long()
        states = self._model(
            input_ids=ids,
            attention_mask=mask,
            mm_token_type_ids=types,
            **joined_media(inputs, self._model),
        ).last_hidden_state
        found: Tensor = states[torch.arange(len(ids), device=ids.device), mask.sum(dim=1) - 1]
        return found

    def _text(self, text: str) -> list[Input]:
        cut = self._tokenizer(text, truncation=True, max_length=PLACES, add_special_tokens=False)
        return [Input(self._chat(list(cut["input_ids"])))]

    def _image(self, picture: Any) -> list[Input]:
        size = {"shortest_edge": self._LEAST, "longest_edge": self._MOST}
        seen = self._images(pictures(picture), size=size, return_tensors="pt")
        media = {name: seen[name] for name in ("pixel_values", "image_grid_thw")}
        places = self._places(seen["image_grid_thw"][0])
        return [Input(self._chat(self._seen(self._config.image_token_id, places)), media)]

    def _video(self, video: Video) -> list[Input]:
        import torch

        count = max(2, frame_count(video) // 2 * 2)
        size = {"shortest_edge": self._LEAST, "longest_edge": self._MOST_OF_VIDEO // count}
        seen = self._images(pictures(video, count), size=size, return_tensors="pt")
        grid = seen["image_grid_thw"][0]
        # Of a picture the processor makes two equal moments; here two frames are the moments.
        patch, moments = self._images.patch_size, self._images.temporal_patch_size
        shape = (count, int(grid.prod()), -1, moments, patch * patch)
        frames = seen["pixel_values"].reshape(shape)[:, :, :, 0]
        pairs = frames.unflatten(0, (-1, moments)).movedim(1, 3)
        media = {
            "pixel_values_videos": pairs.flatten(0, 1).flatten(1),
            "video_grid_thw": torch.tensor([[count // moments, int(grid[1]), int(grid[2])]]),
        }
        told: list[int] = []
        for moment in range(count // moments):
            time = (moment + 0.5) * moments * video.seconds / count
            told += self._plain(f"<{time:.1f} seconds>")
            told += self._seen(self._config.video_token_id, self._places(grid))
        return [Input(self._chat(told), media)]

    def _places(self, grid: "Tensor") -> int:
        return int(grid.prod()) // int(self._images.merge_size) ** 2

    def _seen(self, token: int, count: int) -> list[int]:
        config = self._config
        return [config.vision_start_token_id, *[token] * count, config.vision_end_token_id]

    def _plain(self, text: str) -> list[int]:
        return list(self._tokenizer(text, add_special_tokens=False)["input_ids"])

    def _chat(self, told: list[int]) -> list[int]:
        """The tokens in the user's turn, before the first word of an answer."""
        mark = self._tokenizer.convert_ids_to_tokens(self._config.image_token_id)
        chat = [
            {"role": "system", "content": self._told},
            {"role": "user", "content": str(mark)},
        ]
        text = self._tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
        ids = list(self._tokenizer(text)["input_ids"])
        where = ids.index(self._config.image_token_id)
        return [*ids[:where], *told, *ids[where + 1 :]]

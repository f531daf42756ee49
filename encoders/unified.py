"""One transformer for every modality: EmbeddingGemma 2 (Google, 2026: words, pictures, videos,
sounds; the mean of all places) and Qwen3-VL-Embedding (Qwen team, 2026: words, pictures, videos;
the last place).

Media become soft tokens in the places of a sentence. Their own processors want torchvision for
videos alone, so the pieces are put together here: tokenizer, image processor and feature extractor
of the checkpoint, a video as its frames.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from encoders.batches import pictures
from encoders.embedding import EMBEDDER_TOOLS, Embedder, embed_all, monaural
from encoders.reading import read_whole
from medley.backend import Control, ModelSpec, Request, Result
from medley.checkpoints import config_of, dtype_for, folder_of, loading, place
from medley.errors import Unavailable
from medley.media.values import Audio, Video

if TYPE_CHECKING:
    from torch import Tensor

PLACES = 8192
"""Tokens of one input at most; longer words are cut."""
PIECE_SECONDS = 30.0
"""Seconds of sound that EmbeddingGemma 2 hears at once; a longer one is the mean of its pieces."""
MOST_FRAMES = 32
"""Frames of a video at most; one for each second below that."""


@dataclass(frozen=True, slots=True)
class Input:
    """One sentence: token ids, and the tensors of the media in it."""

    ids: list[int]
    media: "dict[str, Tensor]" = field(default_factory=dict)


class UnifiedBackend:
    """Serves `embed` for all that the checkpoint has a tower for.

    The option `prompt` is put before words, `instruction` is what a chat template is told, and
    `dimensions` cuts vectors that were trained to be cut (Kusupati et al., 2022).
    """

    tools = EMBEDDER_TOOLS

    def __init__(self) -> None:
        self._family: _Gemma | _Qwen | None = None
        self._embedder: Embedder | None = None
        self._dimensions: int | None = None

    def load(self, model: ModelSpec, device: str) -> None:
        """Read weights and processors. Raises `Unavailable` when they are not there or are of
        another kind, `OutOfMemory` when too big.
        """
        folder, device = folder_of(model), place(device)
        kind = config_of(folder).get("model_type")
        if kind not in _FAMILIES:
            raise Unavailable(f"{model.id} is no unified embedder: its type is {kind!r}.")
        family: type[_Gemma | _Qwen] = _FAMILIES[str(kind)]
        with loading(model, device):
            import torch
            from transformers import AutoModel

            dtype = dtype_for(model, device)
            if dtype == torch.float16 and family is _Gemma:
                raise Unavailable(f"{model.id} overflows in float16; use bfloat16 or float32.")
            loaded = read_whole(AutoModel, model, folder, dtype)
            made = family(loaded.to(device), folder, model.options)
        self._family, self._dimensions = made, model.options.get("dimensions")
        prepare = made.prepare
        self._embedder = Embedder(
            model.space or model.id, prepare, dict.fromkeys(prepare, self._embed)
        )

    def run(self, batch: Sequence[Request], control: Control) -> list[Result]:
        """One `embedding` (unit vector) per request. Items that cannot be used fail alone."""
        if self._embedder is None:
            raise Unavailable("The encoder is not loaded.")
        return embed_all(self._embedder, batch, control)

    def unload(self) -> None:
        """Free the weights."""
        self._family = self._embedder = None

    def _embed(self, items: list[list[Input]]) -> "Tensor":
        """(B, D): of each item the mean of its pieces' unit vectors."""
        import torch
        import torch.nn.functional as F

        assert self._family is not None
        pieces = [piece for item in items for piece in item]
        vectors = self._family.pooled(pieces)[:, : self._dimensions].float()
        parts = F.normalize(vectors, dim=-1).split([len(item) for item in items])
        return torch.stack([part.mean(dim=0) for part in parts])


class _Gemma:
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
        ids, mask = _padded(inputs, self._config.text_config.pad_token_id, self._model.device)
        states = self._model(
            input_ids=ids, attention_mask=mask, **_joined(inputs, self._model)
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


class _Qwen:
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
        ids, mask = _padded(inputs, pad, self._model.device)
        types = (ids == self._config.image_token_id).long()
        types += 2 * (ids == self._config.video_token_id).long()
        states = self._model(
            input_ids=ids,
            attention_mask=mask,
            mm_token_type_ids=types,
            **_joined(inputs, self._model),
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


def frame_count(video: Video) -> int:
    """One frame a second, 32 at most."""
    return min(MOST_FRAMES, max(1, int(video.seconds)))


def _padded(inputs: list[Input], pad: int, device: Any) -> "tuple[Tensor, Tensor]":
    """Ids (B, L), filled up on the right, and their mask."""
    import torch

    longest = max(len(one.ids) for one in inputs)
    ids = [one.ids + [pad] * (longest - len(one.ids)) for one in inputs]
    mask = [[1] * len(one.ids) + [0] * (longest - len(one.ids)) for one in inputs]
    return torch.tensor(ids, device=device), torch.tensor(mask, device=device)


def _joined(inputs: list[Input], model: Any) -> "dict[str, Tensor]":
    """The media of all inputs one after the other; sounds are filled up to the longest."""
    import torch
    import torch.nn.functional as F

    joined: dict[str, Tensor] = {}
    for name in inputs[0].media:
        parts = [one.media[name] for one in inputs]
        if name.startswith("input_features"):
            longest = max(part.shape[1] for part in parts)
            parts = [
                F.pad(part, [0, 0] * (part.ndim - 2) + [0, longest - part.shape[1]])
                for part in parts
            ]
        values = torch.cat(parts).to(model.device)
        joined[name] = values.to(model.dtype) if values.is_floating_point() else values
    return joined


_FAMILIES: dict[str, type[_Gemma | _Qwen]] = {"embedding_gemma2": _Gemma, "qwen3_vl": _Qwen}

"""Dual encoders of transformers, loaded by `AutoModel`: CLIP (Radford et al., 2021), ALIGN (Jia et
al., 2021), SigLIP 2 (Tschannen et al., 2025), CLAP (Wu et al., 2023), X-CLIP (Ni et al., 2022) and
VideoPrism's video-text model (Zhao et al., 2024).

Two towers that end in one space: words, and pictures, sounds or videos. Where the checkpoint has a
tower for pictures only, a video is the mean of its frames' unit vectors.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from encoders.batches import FRAMES
from encoders.embedding import EMBEDDER_TOOLS, Embedder, embed_all, monaural, prepare_ahead
from encoders.reading import read_whole
from medley.backend import Control, ModelSpec, Request, Result
from medley.checkpoints import dtype_for, folder_of, loading, place
from medley.errors import Unavailable
from medley.media.values import Audio, Video

if TYPE_CHECKING:
    from torch import Tensor

PIECE_SECONDS = 10.0
"""The longest sound given to a tower at once when its extractor names none."""
TEXT_PLACES = 77
"""Tokens of a text at most when the configuration does not say."""
_FULL_LENGTH = {"siglip", "siglip2", "videoprism"}
"""Model types trained on texts padded to full length: their pooled place is the last one."""
_TRAINED_PLACES = {"align": 64}
"""Tokens of a text in training, where the tower has room for more."""
_PIXELS = ("pixel_values", "pixel_attention_mask", "spatial_shapes")


class DualEncoderBackend:
    """Serves `embed` for words and whichever of pictures, video and sounds the checkpoint has a
    tower for.
    """

    tools = EMBEDDER_TOOLS

    def __init__(self) -> None:
        self._model: Any = None
        self._tokenizer: Any = None
        self._images: Any = None
        self._extractor: Any = None
        self._embedder: Embedder | None = None

    def load(self, model: ModelSpec, device: str) -> None:
        """Read weights and processors. Raises `Unavailable` when they are not there or have no two
        towers, `OutOfMemory` when too big.
        """
        folder, device = folder_of(model), place(device)
        with loading(model, device):
            from transformers import AutoModel

            dtype = dtype_for(model, device, accelerated="float16")
            loaded = read_whole(AutoModel, model, folder, dtype)
            if not hasattr(loaded, "get_text_features"):
                raise Unavailable(f"{model.id} is no dual encoder: it has no text tower.")
            self._model = loaded.to(device)
            self._read_processors(folder)
        prepare: dict[str, Callable[[Any], Any]] = {"text": str}
        tower: dict[str, Callable[[list[Any]], Tensor]] = {"text": self._texts}
        if hasattr(loaded, "get_video_features"):
            prepare["video"], tower["video"] = self._clip, self._clips
        elif hasattr(loaded, "get_image_features"):
            prepare["video"], tower["video"] = self._video, self._pictures
        if hasattr(loaded, "get_image_features"):
            prepare["image"], tower["image"] = self._image, self._pictures
        if hasattr(loaded, "get_audio_features"):
            prepare["audio"], tower["audio"] = self._audio, self._sounds
        self._embedder = Embedder(model.space or model.id, prepare, tower)

    def run(self, batch: Sequence[Request], control: Control) -> list[Result]:
        """One `embedding` (unit vector) per request. Items that cannot be used fail alone."""
        if self._embedder is None:
            raise Unavailable("The encoder is not loaded.")
        return embed_all(self._embedder, batch, control)

    def prepare(self, request: Request) -> Request:
        """The request with its medium as tensors."""
        return prepare_ahead(self._embedder, request)

    def unload(self) -> None:
        """Free the weights."""
        self._model = self._tokenizer = self._images = self._extractor = self._embedder = None

    def _read_processors(self, folder: Path) -> None:
        from transformers import AutoProcessor, AutoTokenizer, CLIPImageProcessor

        if self._type != "videoprism":
            processor = AutoProcessor.from_pretrained(folder)
            self._tokenizer = processor.tokenizer
            self._images = getattr(processor, "image_processor", None)
            self._extractor = getattr(processor, "feature_extractor", None)
            return
        # Its own video processor wants torchvision for what is a bicubic resize to [0, 1].
        size = self._model.config.vision_config.image_size
        height, width = (size, size) if isinstance(size, int) else size
        self._tokenizer = AutoTokenizer.from_pretrained(folder)
        self._images = CLIPImageProcessor(
            size={"height": height, "width": width}, do_center_crop=False, do_normalize=False
        )

    @property
    def _type(self) -> str:
        return str(self._model.config.model_type)

    def _pixels(self, pictures: Sequence[Any]) -> dict[str, "Tensor"]:
        found = self._images([one.convert("RGB") for one in pictures], return_tensors="pt")
        return {name: found[name] for name in _PIXELS if name in found}

    def _image(self, picture: Any) -> dict[str, "Tensor"]:
        return self._pixels([picture])

    def _video(self, video: Video) -> dict[str, "Tensor"]:
        from medley.media.video import frames

        return self._pixels(list(frames(video, count=FRAMES)))

    def _clip(self, video: Video) -> "Tensor":
        """(1, T, 3, H, W), T as many frames as the tower was trained on."""
        from medley.media.video import frames

        count = getattr(self._model.config.vision_config, "num_frames", FRAMES)
        return self._pixels(list(frames(video, count=count)))["pixel_values"].unsqueeze(0)

    def _audio(self, sound: Audio) -> list[Any]:
        """The sound in pieces as long as the tower hears at once: left to itself it would pick one
        by chance.
        """
        rate = self._extractor.sampling_rate
        mono = monaural(sound, rate)
        longest = int(getattr(self._extractor, "max_length_s", PIECE_SECONDS) * rate)
        return [mono[first : first + longest] for first in range(0, len(mono), longest)]

    def _texts(self, texts: list[str]) -> "Tensor":
        padding = "max_length" if self._type in _FULL_LENGTH else True
        config = getattr(self._model.config, "text_config", None)
        limit = getattr(config, "max_position_embeddings", None) or TEXT_PLACES
        if self._type == "clap":  # RoBERTa counts its places from the padding id on
            limit -= 2
        limit = min(limit, _TRAINED_PLACES.get(self._type, limit))
        if self._type == "siglip2":  # trained on lower case only
            texts = [text.lower() for text in texts]
        tokens = self._tokenizer(
            texts, padding=padding, truncation=True, max_length=limit, return_tensors="pt"
        )
        if self._type in ("siglip", "siglip2"):  # whose padding was seen in training, not masked
            tokens.pop("attention_mask", None)
        return self._unit(self._model.get_text_features(**tokens.to(self._model.device)))

    def _pictures(self, items: list[dict[str, "Tensor"]]) -> "Tensor":
        import torch

        joined = {name: torch.cat([item[name] for item in items]) for name in items[0]}
        joined = {name: values.to(self._model.device) for name, values in joined.items()}
        joined["pixel_values"] = joined["pixel_values"].to(self._model.dtype)
        vectors = self._unit(self._model.get_image_features(**joined))
        return self._means(vectors, [len(item["pixel_values"]) for item in items])

    def _clips(self, items: "list[Tensor]") -> "Tensor":
        import torch

        pixels = torch.cat(items).to(self._model.device, self._model.dtype)
        # VideoPrism pools into one place and leaves it as an axis: (B, 1, D).
        return self._unit(self._model.get_video_features(pixels)).flatten(1)

    def _sounds(self, items: list[list[Any]]) -> "Tensor":
        import torch

        rate = self._extractor.sampling_rate
        pieces = [piece for item in items for piece in item]
        features = self._extractor(pieces, sampling_rate=rate, return_tensors="pt")
        features = {k: v.to(self._model.device) for k, v in features.items()}
        features["input_features"] = features["input_features"].to(self._model.dtype)
        if "is_longer" in features:  # CLAP marks a piece by chance when none is too long
            features["is_longer"] = torch.zeros_like(features["is_longer"])
        vectors = self._unit(self._model.get_audio_features(**features))
        return self._means(vectors, [len(item) for item in items])

    @staticmethod
    def _means(vectors: "Tensor", counts: list[int]) -> "Tensor":
        """(B, D): of each item the mean over its pieces."""
        import torch

        return torch.stack([part.mean(dim=0) for part in vectors.split(counts)])

    @staticmethod
    def _unit(output: Any) -> "Tensor":
        """Features are an output object in transformers 5, and of some models a tensor."""
        import torch.nn.functional as F

        vectors: Tensor = getattr(output, "pooler_output", output)
        return F.normalize(vectors.float(), dim=-1)

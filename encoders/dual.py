"""Dual encoders of transformers: CLIP, SigLIP, CLAP, ALIGN and their like, loaded by `AutoModel`.

Two towers that end in one space: words, and pictures or sounds. A video is the mean of its frames'
unit vectors.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from encoders.embedding import EMBEDDER_TOOLS, Embedder, embed_all, folder_or_hub
from medley.backend import Control, ModelSpec, Request, Result
from medley.errors import Unavailable
from medley.media.values import Audio, Video

if TYPE_CHECKING:
    from torch import Tensor

FRAMES = 8
"""Pictures taken from a video."""
PIECE_SECONDS = 10.0
"""The longest sound given to a tower at once when its extractor names none."""


class DualEncoderBackend:
    """Serves `embed` for words and whichever of pictures, video and sounds the checkpoint has a
    tower for.
    """

    tools = EMBEDDER_TOOLS

    def __init__(self) -> None:
        self._model: Any = None
        self._processor: Any = None
        self._embedder: Embedder | None = None

    def load(self, model: ModelSpec, device: str) -> None:
        """Read weights and processor. Raises Unavailable when they are not there or have no two
        towers.
        """
        import torch
        from transformers import AutoModel, AutoProcessor

        source = folder_or_hub(model)
        revision = None if Path(source).is_dir() else model.revision or None
        dtype = torch.float32 if device == "cpu" else torch.float16
        try:
            loaded = AutoModel.from_pretrained(source, revision=revision, dtype=dtype)
            self._processor = AutoProcessor.from_pretrained(source, revision=revision)
        except (OSError, ValueError) as error:
            raise Unavailable(f"The weights of {model.id} cannot be read: {error}") from error
        if not hasattr(loaded, "get_text_features"):
            raise Unavailable(f"{model.id} is no dual encoder: it has no text tower.")
        self._model = loaded.to(device).eval()
        prepare: dict[str, Callable[[Any], Any]] = {"text": str}
        tower: dict[str, Callable[[list[Any]], Tensor]] = {"text": self._texts}
        if hasattr(loaded, "get_image_features"):
            prepare |= {"image": self._image, "video": self._video}
            tower |= {"image": self._pictures, "video": self._pictures}
        if hasattr(loaded, "get_audio_features"):
            prepare["audio"], tower["audio"] = self._audio, self._sounds
        self._embedder = Embedder(model.space or model.id, prepare, tower)

    def run(self, batch: Sequence[Request], control: Control) -> list[Result]:
        """One `embedding` (unit vector) per request. Items that cannot be used fail alone."""
        if self._embedder is None:
            raise Unavailable("The encoder is not loaded.")
        return embed_all(self._embedder, batch, control)

    def unload(self) -> None:
        """Free the weights."""
        self._model = self._processor = self._embedder = None

    def _image(self, picture: Any) -> "Tensor":
        pixels: Tensor = self._processor(images=[picture.convert("RGB")], return_tensors="pt")[
            "pixel_values"
        ]
        return pixels

    def _video(self, video: Video) -> "Tensor":
        import torch

        from medley.media.video import frames

        return torch.cat([self._image(picture) for picture in frames(video, count=FRAMES)])

    def _audio(self, sound: Audio) -> list[Any]:
        """The sound in pieces as long as the tower hears at once: left to itself it would pick one
        by chance.
        """
        import soxr

        extractor = self._processor.feature_extractor
        rate = extractor.sampling_rate
        mono = sound.samples.mean(axis=0)
        if mono.size == 0:
            raise ValueError("the sound is empty")
        mono = soxr.resample(mono, sound.rate, rate) if sound.rate != rate else mono
        longest = int(getattr(extractor, "max_length_s", PIECE_SECONDS) * rate)
        return [mono[first : first + longest] for first in range(0, len(mono), longest)]

    def _texts(self, texts: list[str]) -> "Tensor":
        tokenizer = self._processor.tokenizer
        # SigLIP was trained on texts padded to full length and looks at its last place.
        padding = "max_length" if "siglip" in self._model.config.model_type else True
        config = getattr(self._model.config, "text_config", None)
        limit = getattr(config, "max_position_embeddings", None) or 77
        if (
            self._model.config.model_type == "clap"
        ):  # RoBERTa counts its places from the padding id on
            limit -= 2
        tokens = tokenizer(
            texts, padding=padding, truncation=True, max_length=limit, return_tensors="pt"
        )
        return self._unit(self._model.get_text_features(**tokens.to(self._model.device)))

    def _pictures(self, items: "list[Tensor]") -> "Tensor":
        import torch

        pixels = torch.cat(items).to(self._model.device, self._model.dtype)
        vectors = self._unit(self._model.get_image_features(pixel_values=pixels))
        return torch.stack([part.mean(dim=0) for part in vectors.split([len(i) for i in items])])

    def _sounds(self, items: list[list[Any]]) -> "Tensor":
        import torch

        extractor = self._processor.feature_extractor
        pieces = [piece for item in items for piece in item]
        features = extractor(pieces, sampling_rate=extractor.sampling_rate, return_tensors="pt")
        features = {k: v.to(self._model.device) for k, v in features.items()}
        features["input_features"] = features["input_features"].to(self._model.dtype)
        if "is_longer" in features:  # CLAP marks a piece by chance when none is too long
            features["is_longer"] = torch.zeros_like(features["is_longer"])
        vectors = self._unit(self._model.get_audio_features(**features))
        return torch.stack([part.mean(dim=0) for part in vectors.split([len(i) for i in items])])

    @staticmethod
    def _unit(output: Any) -> "Tensor":
        """Features of transformers 5 are an output object; those of 4 were the tensor itself."""
        import torch.nn.functional as F

        vectors: Tensor = getattr(output, "pooler_output", output)
        return F.normalize(vectors.float(), dim=-1)

"""PE-AV, the perception encoder for sound, video and words (Vyas et al., 2025).

Sounds and videos lie in one space. Words enter it by one of three heads, each trained towards
sounds, videos, or both together: the option `text` says which, and so what they find. The tower of
pictures comes from timm, which wants torchvision; without it sounds and words are served.

The getters of the library's class fail in part (its video model's are defined inside `__init__`,
and its words ask for hidden states that they do not request), so the towers and heads are called
here one by one.
"""

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from encoders.batches import pictures
from encoders.embedding import EMBEDDER_TOOLS, Embedder, embed_all, monaural, prepare_ahead
from encoders.reading import read_whole
from medley.backend import Control, ModelSpec, Request, Result
from medley.checkpoints import config_of, dtype_for, folder_of, loading, place
from medley.errors import Unavailable
from medley.media.values import Audio, Video

if TYPE_CHECKING:
    from torch import Tensor

PLACES = 512
"""Tokens of a text at most."""
PIECE_SECONDS = 30.0
"""Seconds of sound heard at once; a longer one is the mean of its pieces."""
MOST_FRAMES = 64
"""Frames of a video at most, two for each second, where the checkpoint names no number."""
HEADS = {
    "audio": ("audio_model", "text_audio_head"),
    "video": ("video_model", "text_video_head"),
    "audio_video": ("", "text_audio_video_head"),
}
"""What the option `text` may say, and where that head is."""


class PeAvBackend:
    """Serves `embed` for words and sounds, and for pictures and videos where timm is installed."""

    tools = EMBEDDER_TOOLS

    def __init__(self) -> None:
        self._model: Any = None
        self._hearing: Any = None
        self._text_head: Any = None
        self._tokenizer: Any = None
        self._extractor: Any = None
        self._images: Any = None
        self._frames: int | None = None
        self._embedder: Embedder | None = None

    def load(self, model: ModelSpec, device: str) -> None:
        """Read weights and processors. Raises `Unavailable` when they are not there, are of another
        kind or need timm, `OutOfMemory` when too big.
        """
        folder, device = folder_of(model), place(device)
        if config_of(folder).get("model_type") != "pe_audio_video":
            raise Unavailable(f"{model.id} is no PE-AV.")
        toward = str(model.options.get("text", "audio"))
        sees = all(find_spec(name) is not None for name in ("timm", "torchvision"))
        if toward not in HEADS:
            raise Unavailable(f"{model.id}: `text` is one of {', '.join(HEADS)}, not {toward!r}.")
        if toward != "audio" and not sees:
            raise Unavailable(f"{model.id} needs timm and torchvision for its pictures.")
        with loading(model, device):
            from transformers import AutoFeatureExtractor, AutoTokenizer

            dtype = dtype_for(model, device)
            self._model = (_whole if sees else _without_pictures)(model, folder, dtype).to(device)
            self._tokenizer = AutoTokenizer.from_pretrained(folder)
            self._extractor = AutoFeatureExtractor.from_pretrained(folder)
            self._read_frames(folder)
        self._hearing = self._model.audio_model if sees else self._model
        part, head = HEADS[toward] if sees else ("", "text_audio_head")
        self._text_head = getattr(getattr(self._model, part) if part else self._model, head)
        prepare: dict[str, Callable[[Any], Any]] = {"text": str, "audio": self._audio}
        tower: dict[str, Callable[[list[Any]], Tensor]] = {
            "text": self._texts,
            "audio": self._sounds,
        }
        if sees:
            prepare |= {"image": self._image, "video": self._video}
            tower |= {"image": self._clips, "video": self._clips}
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
        self._model = self._hearing = self._text_head = self._embedder = None
        self._tokenizer = self._extractor = self._images = None

    def _read_frames(self, folder: Path) -> None:
        """What the checkpoint's video processor does to a frame, as an image processor."""
        from transformers import CLIPImageProcessor

        told = config_of(folder, "processor_config.json").get("video_processor", {})
        self._frames = told.get("num_frames")
        self._images = CLIPImageProcessor(
            size=told.get("size", {"height": 336, "width": 336}),
            resample=told.get("resample", 2),
            do_center_crop=False,
            image_mean=told.get("image_mean", [0.5] * 3),
            image_std=told.get("image_std", [0.5] * 3),
        )

    def _image(self, picture: Any) -> "Tensor":
        """A video of one frame, (1, 1, 3, H, W)."""
        return self._pixels(pictures(picture))

    def _video(self, video: Video) -> "Tensor":
        """(1, T, 3, H, W)."""
        count = self._frames or min(MOST_FRAMES, max(1, int(2 * video.seconds)))
        return self._pixels(pictures(video, count))

    def _pixels(self, shown: Sequence[Any]) -> "Tensor":
        pixels: Tensor = self._images(shown, return_tensors="pt")["pixel_values"]
        return pixels.unsqueeze(0)

    def _audio(self, sound: Audio) -> "list[Tensor]":
        """Pieces (1, 1, samples)."""
        rate = self._extractor.sampling_rate
        mono = monaural(sound, rate)
        longest = int(PIECE_SECONDS * rate)
        pieces = [mono[first : first + longest] for first in range(0, len(mono), longest)]
        heard = [
            self._extractor(piece, sampling_rate=rate, return_tensors="pt") for piece in pieces
        ]
        return [one["input_values"] for one in heard]

    def _texts(self, texts: list[str]) -> "Tensor":
        tokens = self._tokenizer(
            texts, padding=True, truncation=True, max_length=PLACES, return_tensors="pt"
        ).to(self._model.device)
        states = self._model.text_model(
            input_ids=tokens["input_ids"],
            attention_mask=tokens["attention_mask"],
            output_hidden_states=True,
        ).hidden_states
        found: Tensor = self._text_head(states[-1][:, 0])
        return found

    def _sounds(self, items: "list[list[Tensor]]") -> "Tensor":
        """One piece after the other: they differ in length, and the codec hears what fills up."""
        import torch
        import torch.nn.functional as F

        vectors = []
        for pieces in items:
            heard = [self._heard(piece) for piece in pieces]
            vectors.append(F.normalize(torch.cat(heard).float(), dim=-1).mean(dim=0))
        return torch.stack(vectors)

    def _heard(self, piece: "Tensor") -> "Tensor":
        values = piece.to(self._model.device, self._model.dtype)
        found: Tensor = self._hearing.audio_head(self._hearing.audio_encoder(values).pooler_output)
        return found

    def _clips(self, items: "list[Tensor]") -> "Tensor":
        import torch

        seeing = self._model.video_model
        vectors = []
        for pixels in items:
            values = pixels.to(self._model.device, self._model.dtype)
            vectors.append(seeing.video_head(seeing.video_encoder(values).pooler_output))
        return torch.cat(vectors)


def _whole(model: ModelSpec, folder: Path, dtype: Any) -> Any:
    from transformers import AutoModel

    return read_whole(AutoModel, model, folder, dtype)


def _without_pictures(model: ModelSpec, folder: Path, dtype: Any) -> Any:
    """The part for sounds and words of the whole checkpoint."""
    from transformers import PeAudioConfig, PeAudioModel

    told = config_of(folder)
    config = PeAudioConfig(
        text_config=told["text_config"], audio_config=told["audio_video_config"]["audio_config"]
    )
    # The rest of the checkpoint is left out on purpose; no word of it.
    kind = type("PeAudioModel", (PeAudioModel,), {"_keys_to_ignore_on_load_unexpected": [".*"]})
    renamed = {r"^audio_model\.": ""}
    return read_whole(kind, model, folder, dtype, config=config, key_mapping=renamed)

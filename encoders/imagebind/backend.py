"""ImageBind behind Medley's interface: serves `embed` for each modality whose tower the weights
have.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from encoders.embedding import EMBEDDER_TOOLS, Embedder, embed_all, prepare_ahead
from encoders.reading import read_whole
from medley.backend import Control, ModelSpec, Request, Result
from medley.checkpoints import dtype_for, folder_of, loading, place
from medley.errors import Unavailable
from medley.media.values import Audio, Video

if TYPE_CHECKING:
    from torch import Tensor

    from encoders.imagebind.modeling import ImageBindModel
    from encoders.imagebind.processing import ImageBindProcessor

TOWER_OF = {"image": "vision", "video": "vision", "audio": "audio", "text": "text"}


class ImageBindBackend:
    """The starter encoder, or a converted official checkpoint (non-commercial, opt-in)."""

    tools = EMBEDDER_TOOLS

    def __init__(self) -> None:
        self._model: ImageBindModel | None = None
        self._processor: ImageBindProcessor | None = None
        self._embedder: Embedder | None = None

    def load(self, model: ModelSpec, device: str) -> None:
        """Read config, weights and processor. Raises `Unavailable` when one of them is not there,
        `OutOfMemory` when too big.
        """
        folder, device = folder_of(model), place(device)
        with loading(model, device):
            from encoders.imagebind.modeling import ImageBindModel
            from encoders.imagebind.processing import ImageBindProcessor

            dtype = dtype_for(model, device, accelerated="float16")
            loaded = read_whole(ImageBindModel, model, folder, dtype)
            self._processor = ImageBindProcessor.from_pretrained(folder)
            self._model = loaded.to(device)
        served = [m for m, tower in TOWER_OF.items() if tower in loaded.config.modalities]
        every = {"text": str, "image": self._image, "audio": self._audio, "video": self._video}
        prepare: dict[str, Callable[[Any], Any]] = {m: every[m] for m in served}  # type: ignore[misc]
        tower = {m: (self._texts if m == "text" else self._pieces(TOWER_OF[m])) for m in served}
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
        self._model = self._processor = self._embedder = None

    def _image(self, picture: Any) -> "Tensor":
        return self._ready.images([picture])

    def _audio(self, sound: Audio) -> "Tensor":
        return self._ready.audio(sound.samples, sound.rate)

    def _video(self, video: Video) -> "Tensor":
        import numpy as np

        from medley.media.video import frames

        count = self._ready.video_frames
        if count == 1:
            pictures = frames(video, count=self._ready.video_clips)
            return self._ready.clips(
                [np.asarray(picture.convert("RGB"))[None] for picture in pictures]
            )
        clips = []
        for times in self._ready.clip_times(video.seconds):
            half = (times[1] - times[0]) / 2  # `frames` takes the middles of equal stretches
            pictures = frames(video, count=count, start=times[0] - half, end=times[-1] + half)
            clips.append(np.stack([np.asarray(picture.convert("RGB")) for picture in pictures]))
        return self._ready.clips(clips)

    @property
    def _ready(self) -> "ImageBindProcessor":
        if self._processor is None:
            raise Unavailable("The encoder is not loaded.")
        return self._processor

    def _texts(self, texts: list[str]) -> "Tensor":
        return self._encode("text", self._ready.text(texts))

    def _pieces(self, tower: str) -> "Callable[[list[Tensor]], Tensor]":
        """Embeds the pieces (pictures, clips) of all items at once, then averages each item's unit
        vectors.
        """

        def embed(items: list["Tensor"]) -> "Tensor":
            import torch

            vectors = self._encode(tower, torch.cat(items))
            return torch.stack(
                [part.mean(dim=0) for part in vectors.split([len(i) for i in items])]
            )

        return embed

    def _encode(self, tower: str, values: "Tensor") -> "Tensor":
        assert self._model is not None
        values = values.to(self._model.device)
        if values.is_floating_point():
            values = values.to(self._model.dtype)
        if values.ndim == 5:  # clips of pictures, each an item of its own
            values = values.unsqueeze(1)
        return self._model.encode(tower, values, finish="unit").embedding

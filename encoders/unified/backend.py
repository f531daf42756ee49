"""One transformer for every modality: media become soft tokens in the places of a sentence, and the
vector is the mean of all places (EmbeddingGemma 2) or the last one (Qwen3-VL-Embedding).

The checkpoints' own processors want torchvision for videos alone, so the pieces are put together
here: tokenizer, image processor and feature extractor, a video as its frames.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from encoders.embedding import EMBEDDER_TOOLS, Embedder, embed_all, prepare_ahead
from encoders.reading import read_whole
from encoders.unified.gemma import Gemma
from encoders.unified.inputs import Input
from encoders.unified.qwen import Qwen
from medley.backend import Control, ModelSpec, Request, Result
from medley.checkpoints import config_of, dtype_for, folder_of, loading, place
from medley.errors import Unavailable

if TYPE_CHECKING:
    from torch import Tensor

_FAMILIES: dict[str, type[Gemma | Qwen]] = {"embedding_gemma2": Gemma, "qwen3_vl": Qwen}


class UnifiedBackend:
    """Serves `embed` for all that the checkpoint has a tower for.

    The option `prompt` is put before words, `instruction` is what a chat template is told, and
    `dimensions` cuts vectors that were trained to be cut (Kusupati et al., 2022).
    """

    tools = EMBEDDER_TOOLS

    def __init__(self) -> None:
        self._family: Gemma | Qwen | None = None
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
        family: type[Gemma | Qwen] = _FAMILIES[str(kind)]
        with loading(model, device):
            import torch
            from transformers import AutoModel

            dtype = dtype_for(model, device)
            if dtype == torch.float16 and family is Gemma:
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

    def prepare(self, request: Request) -> Request:
        """The request with its medium as tensors."""
        return prepare_ahead(self._embedder, request)

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

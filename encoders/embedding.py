"""The loop that every embedder shares: group by modality, embed in batches, let a bad item fail
alone.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from medley.backend import Control, Request, Result
from medley.errors import BackendError, BadInput, MedleyError, OutOfMemory
from medley.media.values import Audio, Embedding, Value, Video

if TYPE_CHECKING:
    from torch import Tensor

BATCH = 16
"""Items that go through a tower at once."""


def kind(value: Value) -> str:
    """The modality of a decoded value. Raises BadInput for one that nobody embeds."""
    from PIL.Image import Image

    for known, name in ((str, "text"), (Audio, "audio"), (Video, "video"), (Image, "image")):
        if isinstance(value, known):
            return name
    raise BadInput(f"Cannot embed a value of type {type(value).__name__}.")


class Embedder:
    """What an encoder gives to `embed_all`: one preparing function and one tower for each modality
    it takes.

    `prepare` makes the tensors of one item, with a leading axis of pieces (the clips of a sound,
    the frames of a video; one for a picture or a text); `tower` embeds a list of such items into
    vectors (B, D), not yet unit.
    """

    def __init__(
        self,
        space: str,
        prepare: dict[str, Callable[[Any], Any]],
        tower: dict[str, Callable[[list[Any]], "Tensor"]],
    ) -> None:
        self.space, self.prepare, self.tower = space, prepare, tower


EMBEDDER_TOOLS = frozenset({"embed", "embed_list", "index"})
"""What `embed_all` serves."""


def embed_all(embedder: Embedder, batch: Sequence[Request], control: Control) -> list[Result]:
    """One result per request, in order: a unit vector, or the error of that item alone.

    A request of `index` has a list of media and gets a list of vectors as plain numbers, None
    where an item cannot be embedded. So does one of `embed_list`, which fails with its first bad
    item.
    """
    results: dict[int, Result] = {}
    plain: list[tuple[int, Request]] = []
    for place, request in enumerate(batch):
        if request.tool in ("index", "embed_list"):
            results[place] = _listed(embedder, request, control)
        else:
            plain.append((place, request))
    found = _embed_each(embedder, [request for _, request in plain], control)
    results |= {place: result for (place, _), result in zip(plain, found, strict=True)}
    return [results[place] for place in range(len(batch))]


def prepare_ahead(embedder: Embedder | None, request: Request) -> Request:
    """The request with the tensors of its medium. Texts stay as they are: nothing is won, and
    tokenizers must not be used by two threads. Raises `BadInput`.
    """
    media = request.inputs.get("media")
    if embedder is None or request.tool != "embed" or isinstance(media, str):
        return request
    return replace(request, ready=_prepare(embedder, request))


def _listed(embedder: Embedder, request: Request, control: Control) -> Result:
    singles = [
        Request(tool="embed", inputs={"media": item}, params={}, seed=0)
        for item in request.inputs["media"]
    ]
    found = _embed_each(embedder, singles, control)
    for place, result in enumerate(found):
        if request.tool == "embed_list" and result.error is not None:
            message = f"Number {place} of the list: {result.error.message}"
            return Result(error=type(result.error)(message))
    return Result(outputs={"vectors": [_numbers(result) for result in found]})


def _numbers(result: Result) -> list[float] | None:
    found = result.outputs.get("embedding")
    return [float(number) for number in found.vector] if isinstance(found, Embedding) else None


def _embed_each(embedder: Embedder, batch: Sequence[Request], control: Control) -> list[Result]:
    results: dict[int, Result] = {}
    prepared: dict[str, list[tuple[int, Any]]] = defaultdict(list)
    control.tick(0, len(batch))
    for index, request in enumerate(batch):
        try:
            modality, ready = _prepare(embedder, request)
        except MedleyError as error:
            results[index] = Result(error=error)
        else:
            prepared[modality].append((index, ready))
        control.tick(0, len(batch))
    for modality, items in prepared.items():
        for first in range(0, len(items), BATCH):
            part = items[first : first + BATCH]
            results |= _embed(embedder, modality, part)
            control.tick(len(results), len(batch))
    return [results[index] for index in range(len(batch))]


def _prepare(embedder: Embedder, request: Request) -> tuple[str, Any]:
    if request.ready is not None:
        modality, ready = request.ready
        return modality, ready
    value = request.inputs.get("media")
    modality = kind(value)
    if modality not in embedder.prepare:
        raise BadInput(f"This encoder takes {', '.join(sorted(embedder.prepare))}, not {modality}.")
    if modality == "text" and not str(value).strip():
        raise BadInput("The text is empty.")
    try:
        return modality, embedder.prepare[modality](value)
    except (ValueError, OSError) as error:
        raise BadInput(f"The {modality} cannot be embedded: {error}") from error


def _embed(
    embedder: Embedder, modality: str, items: Sequence[tuple[int, Any]]
) -> dict[int, Result]:
    vectors = _vectors(embedder, modality, [ready for _, ready in items])
    results = {}
    for (index, _), vector in zip(items, vectors, strict=True):
        length = float(np.linalg.norm(vector))
        if np.isfinite(length) and length > 0:
            value = Embedding(vector=(vector / length).astype(np.float32), space=embedder.space)
            results[index] = Result(outputs={"embedding": value})
        else:
            results[index] = Result(
                error=BackendError(f"The {modality} tower gave no finite vector.")
            )
    return results


def _vectors(embedder: Embedder, modality: str, ready: list[Any]) -> npt.NDArray[np.float32]:
    import torch

    try:
        with torch.inference_mode():
            vectors: npt.NDArray[np.float32] = embedder.tower[modality](ready).float().cpu().numpy()
    except torch.OutOfMemoryError as error:
        raise OutOfMemory(f"No room for {len(ready)} inputs of the {modality} tower.") from error
    return vectors


def monaural(sound: Audio, rate: int) -> npt.NDArray[np.float32]:
    """The mean of a sound's channels, (samples,) float32 at `rate` Hz. Raises ValueError when it is
    empty.
    """
    import soxr

    mono: npt.NDArray[np.float32] = sound.samples.mean(axis=0)
    if mono.size == 0:
        raise ValueError("the sound is empty")
    return soxr.resample(mono, sound.rate, rate) if sound.rate != rate else mono

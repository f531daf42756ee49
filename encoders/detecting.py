"""Open-vocabulary detection: where the named things are. Grounding DINO (Liu et al., 2023).

The things are put into one sentence, "a cat. a remote control.", and each box is compared with each
token of it. A box gets the thing whose best token it fits best; its score is that token's.
"""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from encoders.batches import make_ready, pictures, words
from encoders.reading import read_whole
from medley.backend import Control, ModelSpec, Request, Result
from medley.checkpoints import config_of, dtype_for, folder_of, loading, place
from medley.errors import BadInput, OutOfMemory, Unavailable

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

TYPES = frozenset({"grounding-dino", "mm-grounding-dino"})
THRESHOLD = 0.3
"""Least score of a box where the request names none."""


class DetectingBackend:
    """Serves `detect`: boxes [x0, y0, x1, y1] in pixels of the picture, best first."""

    tools = frozenset({"detect"})

    def __init__(self) -> None:
        self._model: Any = None
        self._processor: Any = None

    def load(self, model: ModelSpec, device: str) -> None:
        """Read weights and processor. Raises `Unavailable` when they are not there or are of
        another kind, `OutOfMemory` when too big.
        """
        folder, device = folder_of(model), place(device)
        kind = config_of(folder).get("model_type")
        if kind not in TYPES:
            raise Unavailable(f"{model.id} is no detector: its type is {kind!r}.")
        with loading(model, device):
            from transformers import AutoModelForZeroShotObjectDetection, AutoProcessor

            dtype = dtype_for(model, device, accelerated="float32")  # half precision moves boxes
            found = read_whole(AutoModelForZeroShotObjectDetection, model, folder, dtype)
            self._processor = AutoProcessor.from_pretrained(folder)
            self._model = found.to(device)

    def run(self, batch: Sequence[Request], control: Control) -> list[Result]:
        """One list of `boxes` per request. Each picture is looked at by itself: filled up to the
        size of others it would look different to the network.
        """
        if self._model is None:
            raise Unavailable("The detector is not loaded.")
        ready, results = make_ready(batch, control, self._prepare)
        for number, (index, (picture, things, tokens)) in enumerate(ready, start=1):
            threshold = float(batch[index].params.get("threshold", THRESHOLD))
            boxes = self._detect(picture, things, tokens, threshold)
            results[index] = Result(outputs={"boxes": boxes})
            control.tick(len(batch) - len(ready) + number, len(batch))
        return [results[index] for index in range(len(batch))]

    def unload(self) -> None:
        """Free the weights."""
        self._model = self._processor = None

    def _prepare(self, request: Request) -> "tuple[Image, list[str], Any]":
        (picture,) = pictures(request.inputs.get("image"), count=1)
        named = re.split("[,.?;\n]", words(request))  # full stop and "?" part things to the network
        things = list(dict.fromkeys(name.strip() for name in named if name.strip()))
        if not things:
            raise BadInput("The text names nothing to look for.")
        sentence = " ".join(f"{thing.lower()}." for thing in things)
        tokens = self._processor.tokenizer(sentence, return_tensors="pt")
        room = int(self._model.config.max_text_len)
        if tokens["input_ids"].shape[1] > room:
            raise BadInput(f"The text names more than fits into {room} tokens.")
        if len(spans := self._spans(tokens)) != len(things) or not all(spans):
            raise BadInput("The text has signs that cannot be looked for.")
        return picture, things, tokens

    def _detect(
        self, picture: "Image", things: list[str], tokens: Any, threshold: float
    ) -> list[dict[str, Any]]:
        import torch

        device = self._model.device
        looked = self._processor.image_processor([picture], return_tensors="pt").to(device)
        pixels = looked["pixel_values"].to(self._model.dtype)
        try:
            with torch.inference_mode():
                found = self._model(
                    pixel_values=pixels, pixel_mask=looked["pixel_mask"], **tokens.to(device)
                )
        except torch.OutOfMemoryError as error:
            raise OutOfMemory("No room for the picture.") from error
        by_token = found.logits[0].float().sigmoid().cpu()
        fits = torch.stack([by_token[:, s].amax(dim=1) for s in self._spans(tokens)], dim=1)
        scores, which = fits.max(dim=1)
        corners = _corners(found.pred_boxes[0].float().cpu(), picture.size)
        kept = [place for place in scores.argsort(descending=True) if scores[place] >= threshold]
        return [
            {
                "label": things[int(which[place])],
                "score": float(scores[place]),
                "box": [round(float(side), 2) for side in corners[place]],
            }
            for place in kept
        ]

    def _spans(self, tokens: Any) -> list[list[int]]:
        """For each thing the places of its tokens: what lies between the full stops."""
        ids = tokens["input_ids"][0].tolist()
        stop = self._processor.tokenizer.convert_tokens_to_ids(".")
        spans: list[list[int]] = [[]]
        for index, token in enumerate(ids[1:-1], start=1):
            if token == stop:
                spans.append([])
            else:
                spans[-1].append(index)
        return spans[:-1]


def _corners(boxes: "Tensor", size: tuple[int, int]) -> "Tensor":
    """(Q, 4) of centre and extent in [0, 1] as corners in pixels, inside the picture."""
    import torch

    width, height = size
    x, y, w, h = boxes.unbind(dim=-1)
    corners = torch.stack([x - w / 2, y - h / 2, x + w / 2, y + h / 2], dim=-1).clamp(0, 1)
    return corners * torch.tensor([width, height, width, height])

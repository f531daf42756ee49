"""Cross-encoders that say whether words fit a picture: image-text matching (ITM).

BLIP (Li et al., 2022), BLIP-2 (Li et al., 2023), ViLT (Kim et al., 2021) and BridgeTower (Xu et
al., 2023). Words and picture meet inside the network, so each pair costs a pass of its own: for
judging a few candidates closely, not for searching. LXMERT and VisualBERT look at regions that a
separate detector cut out and described; there is none here that gives those features, so they are
not served.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from encoders.batches import make_ready, pictures, words
from encoders.reading import read_whole
from medley.backend import Control, ModelSpec, Request, Result
from medley.checkpoints import config_of, dtype_for, folder_of, loading, place
from medley.errors import BackendError, OutOfMemory, Unavailable

if TYPE_CHECKING:
    from torch import Tensor

    Prepared = tuple[Tensor, str]

BATCH = 16
"""Pictures that go through the network at once."""


class MatchingBackend:
    """Serves `match`: the probability in [0, 1] that the words fit; of a video, the mean over its
    frames.
    """

    tools = frozenset({"match"})

    def __init__(self) -> None:
        self._model: Any = None
        self._processor: Any = None
        self._type = ""

    def load(self, model: ModelSpec, device: str) -> None:
        """Read weights and processor. Raises `Unavailable` when they are not there or have no
        matching head, `OutOfMemory` when too big.
        """
        folder, device = folder_of(model), place(device)
        self._type = str(config_of(folder).get("model_type"))
        if self._type not in _CLASSES:
            raise Unavailable(f"{model.id} is no matcher: its type is {self._type!r}.")
        with loading(model, device):
            import transformers

            kind = getattr(transformers, _CLASSES[self._type])
            found = read_whole(kind, model, folder, dtype_for(model, device))
            self._processor = transformers.AutoProcessor.from_pretrained(folder)
            self._model = found.to(device)

    def run(self, batch: Sequence[Request], control: Control) -> list[Result]:
        """One `score` per request. Items that cannot be used fail alone."""
        if self._model is None:
            raise Unavailable("The matcher is not loaded.")
        ready, results = make_ready(batch, control, self._prepare)
        for part in _alike(ready):
            results |= self._match(part)
            control.tick(len(results), len(batch))
        return [results[place] for place in range(len(batch))]

    def unload(self) -> None:
        """Free the weights."""
        self._model = self._processor = None

    def _prepare(self, request: Request) -> "Prepared":
        """Pixels (F, 3, H, W), one for each frame, and the words."""
        text = words(request)
        seen = pictures(request.inputs.get("media"))
        looked = self._processor(images=seen, return_tensors="pt")
        pixels: Tensor = looked["pixel_values"]
        return pixels, text

    def _match(self, part: "list[tuple[int, Prepared]]") -> dict[int, Result]:
        import torch

        device, dtype = self._model.device, self._model.dtype
        pixels = torch.cat([seen for _, (seen, _) in part]).to(device, dtype)
        texts = [text for _, (seen, text) in part for _ in seen]
        try:
            with torch.inference_mode():
                chances = _CALLS[self._type](self._model, pixels, self._tokens(texts))
        except torch.OutOfMemoryError as error:
            raise OutOfMemory(f"No room for {len(pixels)} pictures and their words.") from error
        means = [each.mean() for each in chances.float().split([len(s) for _, (s, _) in part])]
        return {place: _result(float(mean)) for (place, _), mean in zip(part, means, strict=True)}

    def _tokens(self, texts: list[str]) -> Any:
        config = self._model.config
        inner = getattr(config, "qformer_config", None) or getattr(config, "text_config", None)
        limit = int(getattr(config if inner is None else inner, "max_position_embeddings", 40))
        if self._type == "bridgetower":  # RoBERTa counts its places from the padding id on
            limit -= 2
        tokens = self._processor.tokenizer(
            texts, padding=True, truncation=True, max_length=limit, return_tensors="pt"
        )
        return tokens.to(self._model.device)


def _result(score: float) -> Result:
    if not 0.0 <= score <= 1.0:  # not a number
        return Result(error=BackendError("The matcher gave no number."))
    return Result(outputs={"score": {"score": score}})


def _alike(ready: "list[tuple[int, Prepared]]") -> "Iterator[list[tuple[int, Prepared]]]":
    """Batches of items whose pictures have one size, so that nothing has to be padded."""
    by_shape: dict[Any, list[tuple[int, Prepared]]] = {}
    for item in ready:
        by_shape.setdefault(item[1][0].shape[1:], []).append(item)
    for items in by_shape.values():
        part: list[tuple[int, Prepared]] = []
        for item in items:
            if part and sum(len(s) for _, (s, _) in part) + len(item[1][0]) > BATCH:
                yield part
                part = []
            part.append(item)
        yield part


def _blip(model: Any, pixels: "Tensor", tokens: Any) -> "Tensor":
    """The steps of its `forward`, whose mask of the picture would lie on the CPU."""
    seen = model.vision_model(pixel_values=pixels).last_hidden_state
    read = model.text_encoder(
        input_ids=tokens["input_ids"],
        attention_mask=tokens["attention_mask"],
        encoder_hidden_states=seen,
        encoder_attention_mask=seen.new_ones(seen.shape[:-1]).long(),
    ).last_hidden_state
    chances: Tensor = model.itm_head(read[:, 0]).float().softmax(dim=-1)[:, 1]
    return chances


def _blip2(model: Any, pixels: "Tensor", tokens: Any) -> "Tensor":
    ids, mask = tokens["input_ids"], tokens["attention_mask"]
    image_token = model.config.image_token_index
    if image_token is not None:  # it cuts off as many places as it has queries
        lead = ids.new_full((len(ids), model.config.num_query_tokens), image_token)
        ids, mask = _joined(lead, ids), _joined(lead.new_ones(lead.shape), mask)
    logits = model(
        pixel_values=pixels,
        input_ids=ids,
        attention_mask=mask,
        use_image_text_matching_head=True,
    ).logits_per_image
    chances: Tensor = logits.float().softmax(dim=-1)[:, 1]
    return chances


def _vilt(model: Any, pixels: "Tensor", tokens: Any) -> "Tensor":
    """Its head ranks with one number; the logistic function keeps the order."""
    logits: Tensor = model(pixel_values=pixels, **tokens).logits
    return logits.float().sigmoid()[:, 0]


def _bridgetower(model: Any, pixels: "Tensor", tokens: Any) -> "Tensor":
    logits: Tensor = model(pixel_values=pixels, **tokens).logits
    return logits.float().softmax(dim=-1)[:, 1]


def _joined(first: "Tensor", second: "Tensor") -> "Tensor":
    import torch

    return torch.cat([first, second], dim=1)


_CLASSES = {
    "blip": "BlipForImageTextRetrieval",
    "blip-2": "Blip2ForImageTextRetrieval",
    "vilt": "ViltForImageAndTextRetrieval",
    "bridgetower": "BridgeTowerForImageAndTextRetrieval",
}
_CALLS: dict[str, Callable[[Any, "Tensor", Any], "Tensor"]] = {
    "blip": _blip,
    "blip-2": _blip2,
    "vilt": _vilt,
    "bridgetower": _bridgetower,
}

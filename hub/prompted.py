"""Vision-language models without a chat template: BLIP, GIT, Kosmos-2, Florence-2 and their like,
asked as their authors ask them (`hub.families`).

A batch is decoded together, greedily: rows of one shape, and where the family masks padding rows of
any length. What has to stop leaves the batch, and the others go on.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hub.families import FAMILIES
from hub.families import Row as Tensors
from hub.generating import GuidedScores, Row, StopWhenOver, silent
from hub.locating import Written
from hub.looking import PADDED, Ask, Loaded, asks_of, known_of
from hub.streaming import streamed
from medley.backend import Control, ModelSpec, Request, Result
from medley.checkpoints import config_of, dtype_for, folder_of, loading, place
from medley.errors import BackendError, MedleyError, OutOfMemory, Unavailable

if TYPE_CHECKING:
    from torch import Tensor

BATCH = 16  #: rows decoded together


@dataclass(slots=True)
class FreeWords:
    """A guide that allows some tokens at each place, to an end token or the limit."""

    tokenizer: Any
    ends: frozenset[int]
    limit: int
    allowed: "Tensor"  # a row of an llguidance bitmask: int32 (words,)
    tokens: list[int]
    done: bool = False

    @property
    def text(self) -> str:
        """What was written so far, without control words."""
        return str(self.tokenizer.decode(self.tokens, skip_special_tokens=True))

    def mask(self, bitmask: "Tensor", row: int) -> None:
        """See `hub.decoding.Guide`. Scores beyond the last known token are never chosen."""
        words = min(len(self.allowed), bitmask.shape[1])
        bitmask[row].zero_()
        bitmask[row, :words] = self.allowed[:words]

    def take(self, token: int) -> None:
        """See `hub.decoding.Guide`."""
        if token in self.ends:
            self.done = True
            return
        self.tokens.append(token)
        self.done = len(self.tokens) >= self.limit


class NewTokens(GuidedScores):
    """Counts from where decoding starts, which is not the end of the prompt where a decoder has its
    own beginning. With `weighs` it keeps the log-probability of each chosen token.
    """

    def __init__(self, rows: Sequence[Row], pad: int, *, weighs: bool) -> None:
        super().__init__(rows, 0, pad)
        self.sure: list[list[float]] = [[] for _ in rows]
        self._weighs = weighs
        self._started = False
        self._last: Any = None

    def __call__(self, input_ids: "Tensor", scores: "Tensor") -> "Tensor":
        """See `GuidedScores`."""
        if not self._started:
            self._seen, self._started = input_ids.shape[1], True
        masked = super().__call__(input_ids, scores)
        if self._weighs:
            self._last = masked.float().log_softmax(dim=-1).cpu()
        return masked

    def follow(self, input_ids: "Tensor") -> None:
        """See `GuidedScores`."""
        if self._weighs:
            for number, tokens in enumerate(input_ids[:, self._seen :].tolist()):
                if tokens and not self.rows[number].over:
                    self.sure[number].append(float(self._last[number, tokens[-1]]))
        super().follow(input_ids)


class PromptedHub:
    """`describe`, and `read_text` and `detect` where the family has task tokens, by a folder (or
    hub id) of one of `hub.families`.

    Options: `caption`, `question`, `read`, `find` (prompts instead of the family's; "none" for what
    the checkpoint cannot do), `frames` (most pictures taken from a video), `dtype`.
    """

    tools = frozenset({"describe", "read_text", "detect"})

    def __init__(self) -> None:
        self._loaded: Loaded | None = None

    def load(self, model: ModelSpec, device: str) -> None:
        """Brings weights and processor into memory. Raises `Unavailable`, `OutOfMemory`."""
        folder = folder_of(model)
        name = str((config_of(folder).get("architectures") or ["none"])[0])
        if name not in FAMILIES:
            raise Unavailable(f"{model.id} is a {name}; this backend asks {', '.join(FAMILIES)}.")
        device = place(device)
        with loading(model, device):
            import transformers

            found: Any = getattr(transformers, name).from_pretrained(
                folder, dtype=dtype_for(model, device), use_safetensors=True
            )
            processor: Any = transformers.AutoProcessor.from_pretrained(folder)
            family = FAMILIES[name].with_options(model.options)
            self._loaded = known_of(model.id, family, found.to(device).eval(), processor)

    def unload(self) -> None:
        """Frees the weights."""
        self._loaded = None

    def run(self, batch: Sequence[Request], control: Control) -> list[Result]:
        """One result per request, in order. Raises `StepStopped` within one token of a stop."""
        if self._loaded is None:
            raise BackendError("The hub is not loaded.")
        results: dict[int, Result] = {}
        asks: list[Ask] = []
        for number, request in enumerate(batch):
            control.tick(0, max(len(batch), 1), message="looking")
            try:
                asks += asks_of(self._loaded, number, request)
            except MedleyError as error:
                results[number] = Result(error=error)
        together: dict[tuple[Any, ...], list[Ask]] = {}
        for ask in sorted(asks, key=lambda ask: ask.length):
            together.setdefault(ask.shape(self._loaded.family.pads), []).append(ask)
        parts: dict[int, list[Result]] = {}
        for group in together.values():
            for start in range(0, len(group), BATCH):
                some = group[start : start + BATCH]
                for ask, result in zip(some, self._answers(some, control), strict=True):
                    parts.setdefault(ask.place, []).append(result)
        results |= {number: _whole(found) for number, found in parts.items()}
        return [results[number] for number in range(len(batch))]

    def _answers(self, asks: list[Ask], control: Control) -> list[Result]:
        try:
            return self._decode(asks, control)
        except OutOfMemory:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a model throws fails its item alone
            if len(asks) > 1:  # one of them is bad: find out which
                return [result for ask in asks for result in self._answers([ask], control)]
            return [Result(error=BackendError(f"The hub failed: {error}"))]

    def _decode(self, asks: list[Ask], control: Control) -> list[Result]:
        import torch
        from transformers import LogitsProcessorList, StoppingCriteriaList

        known = self._loaded
        assert known is not None
        rows = [_row(known, ask, control) for ask in asks]
        scores = NewTokens(rows, known.pad, weighs=any(ask.tool == "detect" for ask in asks))
        ends = {} if known.family.own_ends else {"eos_token_id": None, "pad_token_id": known.pad}
        try:
            with torch.inference_mode():
                known.model.generate(
                    **_collated(known, asks),
                    do_sample=False,
                    num_beams=1,
                    forced_eos_token_id=None,  # it would count the tokens of the longest row
                    max_new_tokens=max(row.limit for row in rows),
                    logits_processor=LogitsProcessorList([scores]),
                    stopping_criteria=StoppingCriteriaList([StopWhenOver(scores, control, 0)]),
                    **ends,
                )
        except torch.OutOfMemoryError as error:
            raise OutOfMemory(f"No room to decode {len(asks)} rows.") from error
        return [
            _finish(known, ask, row, sure)
            for ask, row, sure in zip(asks, rows, scores.sure, strict=True)
        ]


def _collated(known: Loaded, asks: list[Ask]) -> Tensors:
    """The rows as one batch on the model's device, padded where they differ in length."""
    import torch
    import torch.nn.functional as F

    batch: Tensors = {}
    for name in asks[0].row:
        tensors = [ask.row[name] for ask in asks]
        longest = max(tensor.shape[1] if tensor.dim() > 1 else 0 for tensor in tensors)
        if name in PADDED:
            qformer = name.startswith("qformer")
            value = 0
            if name.endswith("input_ids"):
                value = known.processor.qformer_tokenizer.pad_token_id if qformer else known.pad
            for number, tensor in enumerate(tensors):
                gap = longest - tensor.shape[1]
                sides = (gap, 0) if known.left and not qformer else (0, gap)
                after = (0, 0) * (tensor.dim() - 2)
                tensors[number] = F.pad(tensor, (*after, *sides), value=value)
        whole = torch.cat(tensors).to(known.model.device)
        batch[name] = whole.to(known.model.dtype) if whole.is_floating_point() else whole
    return batch


def _row(known: Loaded, ask: Ask, control: Control) -> Row:
    words = ask.tool != "detect"
    heard: Callable[[str], None] = silent
    if words:
        heard = streamed(control, ask.place, str.lstrip)
    allowed = known.allowed if words else known.anything
    return Row(
        guide=FreeWords(known.tokenizer, known.ends, ask.limit, allowed, []),
        limit=ask.limit,
        place=ask.place,
        heard=heard,
        stopped=control.stopped(ask.place),
    )


def _finish(known: Loaded, ask: Ask, row: Row, sure: list[float]) -> Result:
    if row.stopped:
        return Result(error=BackendError("The step had to stop."))
    usage = {"input_tokens": float(ask.length), "output_tokens": float(row.written)}
    if ask.tool != "detect" or known.family.boxes is None:
        return Result(outputs={"text": row.guide.text.strip()}, usage=usage)
    tokens = row.guide.tokens  # type: ignore[attr-defined]
    written = Written(tokens=tokens, sure=sure[: len(tokens)], tokenizer=known.tokenizer)
    found = known.family.boxes(written, ask.name, ask.size)
    boxes = [box for box in found if box["score"] >= ask.threshold]
    return Result(outputs={"boxes": boxes}, usage=usage)


def _whole(parts: list[Result]) -> Result:
    """One result of a request out of those of its prompts."""
    failed = next((part for part in parts if part.error), None)
    if failed or len(parts) == 1:
        return failed or parts[0]
    boxes = [box for part in parts for box in part.outputs["boxes"]]
    usage = {name: sum(part.usage[name] for part in parts) for name in parts[0].usage}
    return Result(outputs={"boxes": boxes}, usage=usage)

"""The local hub: any causal language model of transformers, with or without a connector from an
embedding space.

It plans and answers under grammars, so that what it writes is well formed and names only what
exists, and describes an embedding by reading it as soft tokens between the words of its prompt. A
batch is decoded together, left-padded; what has to stop leaves it, and the others go on.
"""

from collections.abc import Callable, Sequence
from typing import Any

from hub.generating import Row, generate, has_plain_cache, silent
from hub.items import Item, answer_item, describe_item, plan_item
from hub.padding import alike, padded
from hub.prefix import Prefix
from hub.reading import Reading
from hub.streaming import streamed
from hub.talking import chat_item
from medley import checkpoints
from medley.backend import Control, ModelSpec, Request, Result
from medley.errors import BackendError, BadInput, MedleyError, OutOfMemory

BATCH = 16  #: rows decoded together
Maker = Callable[[Reading, Request], Item]


class LocalHub:
    """`plan`, `answer`, `chat` and `describe` by an `AutoModelForCausalLM` folder (or hub id).

    Options: `connector` (folder; default: `connector/` beside the weights), `wording` ("compact"
    for hubs trained on it, "chat" for all others; default: what the tokenizer knows),
    `chat_template` (Jinja, instead of the checkpoint's own), `max_steps`, `max_words`, `dtype`.
    """

    tools = frozenset({"plan", "answer", "chat", "describe"})
    _describe: Maker = staticmethod(describe_item)

    def __init__(self) -> None:
        self._reading: Reading | None = None
        self._model: Any = None
        self._prefix: Prefix | None = None

    def load(self, model: ModelSpec, device: str) -> None:
        """Brings weights and connector into memory. Raises `Unavailable`, `OutOfMemory`."""
        from transformers import AutoModelForCausalLM, AutoTokenizer

        from hub.connectors import connector_of

        folder, where = checkpoints.folder_of(model), checkpoints.place(device)
        with checkpoints.loading(model, where):
            tokenizer = AutoTokenizer.from_pretrained(folder)
            loaded: Any = AutoModelForCausalLM.from_pretrained(
                folder, dtype=checkpoints.dtype_for(model, where)
            )
            loaded = loaded.to(where).eval()
            connector = connector_of(model, folder, loaded)
            self._begin(loaded, Reading.of(tokenizer, loaded, connector, model.options))

    def _begin(self, loaded: Any, reading: Reading) -> None:
        self._reading, self._model = reading, loaded
        self._prefix = Prefix(loaded) if has_plain_cache(loaded) else None

    def unload(self) -> None:
        """Frees the weights."""
        self._reading = self._model = self._prefix = None

    def run(self, batch: Sequence[Request], control: Control) -> list[Result]:
        """One result per request, in order. Raises `StepStopped` within one token of a stop."""
        reading = self._reading
        if reading is None:
            raise BackendError("The hub is not loaded.")
        results: dict[int, Result] = {}
        items: dict[Any, list[tuple[int, Item]]] = {}
        for place, request in enumerate(batch):
            try:
                item = self._prepare(reading, request)
                if item.limit == 0:  # its tokens are to be counted, no more
                    results[place] = _finish(item, _row(item, place, control))
                    continue
                items.setdefault((request.tool, alike(item)), []).append((place, item))
            except MedleyError as error:
                results[place] = Result(error=error)
        for prepared in items.values():
            prepared.sort(key=lambda pair: pair[1].length)
            for start in range(0, len(prepared), BATCH):
                results |= self._together(dict(prepared[start : start + BATCH]), control)
        return [results[place] for place in range(len(batch))]

    def _together(self, items: dict[int, Item], control: Control) -> dict[int, Result]:
        try:
            return self._decode(items, control)
        except OutOfMemory:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a model throws fails its item alone
            if len(items) > 1:  # one of them is bad: find out which
                alone = (self._together({place: item}, control) for place, item in items.items())
                return {place: result for found in alone for place, result in found.items()}
            known = (
                error
                if isinstance(error, MedleyError)
                else BackendError(f"The hub failed: {error}")
            )
            return dict.fromkeys(items, Result(error=known))

    def _decode(self, items: dict[int, Item], control: Control) -> dict[int, Result]:
        import torch

        rows = [_row(item, place, control) for place, item in items.items()]
        try:
            with torch.inference_mode():
                inputs = padded(list(items.values()), self._model, self._known.pad, self._prefix)
            generate(self._model, inputs, rows, control, pad=self._known.pad)
        except torch.OutOfMemoryError as error:
            raise OutOfMemory(f"No room to decode {len(items)} rows.") from error
        return {row.place: _finish(items[row.place], row) for row in rows}

    @property
    def _known(self) -> Reading:
        if self._reading is None:
            raise BackendError("The hub is not loaded.")
        return self._reading

    def _prepare(self, reading: Reading, request: Request) -> Item:
        makers: dict[str, Maker] = {
            "plan": plan_item,
            "answer": answer_item,
            "chat": chat_item,
            "describe": self._describe,
        }
        maker = makers.get(request.tool)
        if maker is None:
            raise BadInput(f"A hub does not serve {request.tool!r}.")
        item = maker(reading, request)
        if item.length + 16 > reading.context:
            raise BadInput(
                f"The request is too long for this hub: {item.length} tokens of {reading.context}."
            )
        return item


def _row(item: Item, place: int, control: Control) -> Row:
    return Row(
        guide=item.guide(),
        limit=item.limit,
        place=place,
        temperature=item.temperature,
        top_p=item.top_p,
        seed=item.seed,
        heard=streamed(control, place, item.reading) if item.reading else silent,
        stopped=control.stopped(place),
    )


def _finish(item: Item, row: Row) -> Result:
    if row.stopped:
        return Result(error=BackendError("The step had to stop."))
    if not row.guide.done and not item.may_end_anywhere:
        return Result(
            error=BackendError(f"The hub did not come to an end within {item.limit} tokens.")
        )
    try:
        outputs = item.finish(row.guide)
    except MedleyError as error:
        return Result(error=error)
    usage = {"input_tokens": float(item.length), "output_tokens": float(row.written)}
    return Result(outputs=outputs, usage=usage)

"""Answers chosen from a list: a classifier over the answers that a dataset of questions knows
(ViLT on VQAv2, Kim et al., 2021). It reads pixels and a question together and writes nothing.
"""

from collections.abc import Sequence
from typing import Any

from medley.backend import Control, ModelSpec, Request, Result
from medley.checkpoints import config_of, dtype_for, folder_of, loading, place
from medley.errors import BackendError, BadInput, MedleyError, OutOfMemory, Unavailable

CLASS = "ViltForQuestionAnswering"
QUESTION = "What is in the picture?"
BATCH = 16  #: pictures looked at together


class ChoosingHub:
    """`describe` by a folder (or hub id) of a ViLT for question answering: the likeliest of its
    answers, in a word or two of English. Options: `dtype`.
    """

    tools = frozenset({"describe"})

    def __init__(self) -> None:
        self._model: Any = None
        self._processor: Any = None

    def load(self, model: ModelSpec, device: str) -> None:
        """Brings weights and processor into memory. Raises `Unavailable`, `OutOfMemory`."""
        folder = folder_of(model)
        if CLASS not in (config_of(folder).get("architectures") or []):
            raise Unavailable(f"{model.id} is no {CLASS}.")
        device = place(device)
        with loading(model, device):
            from transformers import AutoProcessor, ViltForQuestionAnswering

            found: Any = ViltForQuestionAnswering.from_pretrained(
                folder, dtype=dtype_for(model, device), use_safetensors=True
            )
            self._processor = AutoProcessor.from_pretrained(folder)
            self._model = found.to(device).eval()

    def unload(self) -> None:
        """Frees the weights."""
        self._model = self._processor = None

    def run(self, batch: Sequence[Request], control: Control) -> list[Result]:
        """One `text` per request, in order. Raises `StepStopped` between pictures."""
        if self._model is None:
            raise BackendError("The hub is not loaded.")
        results: dict[int, Result] = {}
        rows: list[tuple[int, dict[str, Any]]] = []
        for number, request in enumerate(batch):
            control.tick(0, len(batch))
            try:
                rows.append((number, self._row(request)))
            except MedleyError as error:
                results[number] = Result(error=error)
        for some in _alike(rows):
            control.tick(len(results), len(batch))
            results |= self._choose(some)
        control.tick(len(batch), len(batch))
        return [results[number] for number in range(len(batch))]

    def _row(self, request: Request) -> dict[str, Any]:
        """Tensors of one picture and its question. Raises `BadInput`."""
        from PIL import Image

        picture = request.inputs.get("media")
        if request.tool != "describe" or not isinstance(picture, Image.Image):
            raise BadInput("This model answers questions about pictures.")
        question = " ".join(str(request.params.get("question", "")).split()) or QUESTION
        try:
            row = dict(
                self._processor(
                    images=picture.convert("RGB"),
                    # no word of a question may pose as one of the model's own marks
                    text=question.replace("[", "( ").replace("]", " )"),
                    return_tensors="pt",
                )
            )
        except Exception as error:
            raise BadInput(f"The picture cannot be used: {error}") from error
        longest = self._model.config.max_position_embeddings
        if row["input_ids"].shape[1] > longest:
            raise BadInput(f"The question is too long for this model: {longest} tokens at most.")
        return row

    def _choose(self, rows: list[tuple[int, dict[str, Any]]]) -> dict[int, Result]:
        import torch

        together = {
            name: torch.cat([row[name] for _, row in rows]).to(self._model.device)
            for name in rows[0][1]
        }
        together["pixel_values"] = together["pixel_values"].to(self._model.dtype)
        try:
            with torch.inference_mode():
                scores = self._model(**together).logits
        except torch.OutOfMemoryError as error:
            raise OutOfMemory(f"No room for {len(rows)} pictures.") from error
        answers = self._model.config.id2label
        return {
            number: Result(
                outputs={"text": str(answers[int(best)])},
                usage={"input_tokens": float(row["input_ids"].shape[1]), "output_tokens": 0.0},
            )
            for (number, row), best in zip(rows, scores.argmax(dim=-1), strict=True)
        }


def _alike(rows: list[tuple[int, dict[str, Any]]]) -> list[list[tuple[int, dict[str, Any]]]]:
    """Rows whose tensors have the same shapes, at most `BATCH` together: nothing is padded."""
    groups: dict[tuple[Any, ...], list[tuple[int, dict[str, Any]]]] = {}
    for number, row in rows:
        shape = tuple((name, tuple(tensor.shape)) for name, tensor in row.items())
        groups.setdefault(shape, []).append((number, row))
    return [
        group[start : start + BATCH]
        for group in groups.values()
        for start in range(0, len(group), BATCH)
    ]

"""A row: a system of the literature, a tiny checkpoint of its class, and a job."""

import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import tests.tiny

#: The ids of the uploaded samples by modality: "image", "image2", "audio", "video".
Samples = Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Row:
    """What is built, how the catalogue describes it, and what is asked of it."""

    name: str  # of the test, such as "1 CLIP"
    like: str  # the entry of the catalogue whose family it is
    build: Callable[[Path], None]  # writes a tiny checkpoint into an empty folder
    body: Callable[[str, Samples], dict[str, Any]]  # the job, for the model's id and the samples
    gives: Mapping[str, str] = field(default_factory=dict)  # "s1.text" -> modality
    options: Mapping[str, Any] = field(default_factory=dict)  # instead of those of the entry
    space: str = ""  # instead of the entry's: that of the bundled encoder, where a job embeds first
    needs: tuple[str, ...] = ()  # modules without which it is skipped

    @property
    def id(self) -> str:
        """The tiny model's id in the catalogue of the test."""
        return "tiny/" + "".join(c if c.isalnum() else "-" for c in self.name.lower())


def step(tool: str, /, id: str = "s1", params: Any = None, **inputs: Any) -> Callable[..., Any]:
    """A body with one step of the model under test. A value "@image" is the sample of that name."""

    def body(model: str, samples: Samples) -> dict[str, Any]:
        bound = {name: _bound(value, samples) for name, value in inputs.items()}
        one = {"id": id, "tool": tool, "inputs": bound, "params": params or {}, "model": model}
        return {"plan": {"steps": [one], "reply": {"text": "Done."}}}

    return body


def asked(words: str, *files: str) -> Callable[..., Any]:
    """A body in words that the model under test plans and answers. "image" is that sample."""

    def body(model: str, samples: Samples) -> dict[str, Any]:
        parts: list[dict[str, Any]] = [{"type": "asset", "asset": samples[name]} for name in files]
        parts.append({"type": "text", "text": words})
        return {"input": parts, "options": {"models": {"plan": model, "answer": model}}}

    return body


def rows() -> list[Row]:
    """Every row of every family."""
    found: list[Row] = []
    for module in sorted(item.name for item in pkgutil.iter_modules(tests.tiny.__path__)):
        if module.startswith("rows_"):
            found.extend(import_module(f"tests.tiny.{module}").ROWS)
    return found


def _bound(value: Any, samples: Samples) -> Any:
    if isinstance(value, list):
        return [_bound(item, samples) for item in value]
    if isinstance(value, str) and value.startswith("@"):
        return {"asset": samples[value[1:]]}
    return value

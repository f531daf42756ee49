"""What every media tool works with: its checked inputs and parameters, a place for files, a way to
report.
"""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from medley.backend import Control, Request
from medley.errors import BadInput
from medley.tools import Params, Tool

P = TypeVar("P", bound=Params)
V = TypeVar("V")

#: A tool's function: from its work to outputs by port name.
Operation = Callable[["Work"], Mapping[str, Any]]

MAX_PIXELS = 64_000_000  #: of one resulting picture
MAX_FRAMES = 36_000  #: of one resulting video


@dataclass(frozen=True, slots=True)
class Work:
    """One request on its way through a tool."""

    request: Request
    tool: Tool
    control: Control

    def params(self, kind: type[P]) -> P:
        """The parameters, checked once more. Raises `BadInput`."""
        try:
            return kind.model_validate(dict(self.request.params))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise BadInput(f"Parameter {where or '?'}: {first['msg']}.") from error

    def one(self, name: str, kind: type[V]) -> V:
        """The value of an input port. Raises `BadInput` when it is missing or of another type."""
        value = self.maybe(name, kind)
        if value is None:
            raise BadInput(f"The input {name!r} is missing.")
        return value

    def maybe(self, name: str, kind: type[V]) -> V | None:
        """Like `one`, but None when nothing is bound to the port."""
        value = self.request.inputs.get(name)
        if value is not None and not isinstance(value, kind):
            raise BadInput(f"The input {name!r} is a {type(value).__name__}, not {kind.__name__}.")
        return value

    def many(self, name: str, kind: type[V]) -> list[V]:
        """The values of a port that takes a list: at least one, at most what it declares."""
        values = self.request.inputs.get(name, ())
        values = list(values) if isinstance(values, list | tuple) else [values]
        limit = self.tool.inputs[name].max_items
        if not 1 <= len(values) <= limit:
            raise BadInput(f"The input {name!r} takes 1 to {limit} values, not {len(values)}.")
        for value in values:
            if not isinstance(value, kind):
                raise BadInput(
                    f"{name!r} holds a {type(value).__name__}, not only {kind.__name__}."
                )
        return values

    def file(self, suffix: str) -> Path:
        """A new path in the scratch folder."""
        return self.control.scratch / f"{uuid.uuid4().hex}{suffix}"

    def ticker(self, total: int) -> Callable[[int], None]:
        """Reports how many of `total` pictures are done; raises `StepStopped` when the step should
        stop.
        """
        return lambda done: self.control.tick(min(done, total), total)

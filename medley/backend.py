"""Backends: what loads and runs a family of models. Encoders, hub and generators all stand behind
this interface.

A backend sees decoded media and plain values; it knows no ids of rows, no database, no broker
and no HTTP. `__init__` is cheap, weights come in `load`. Adding a model family is one file, one
registry line and the contract suite passing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

from medley.errors import MedleyError
from medley.media.values import Value
from medley.modality import Modality

#: exact: the system itself; reproduction: an accepted open one; successor: a later system of the
#: same line; built: the same topology put together from parts; stand-in: another model of the task.
Fidelity = Literal["exact", "reproduction", "successor", "built", "stand-in"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    """One model of the catalogue: weights (or none, for plain media tools) that serve one or more
    tools.
    """

    id: str
    backend: str  # key of the backend registry, such as "imagebind"
    tools: frozenset[str]
    source: str = ""  # a local folder or a hub id; empty for backends without weights
    revision: str = ""  # pinned revision or digest; part of the step cache's key
    licence: str = ""
    commercial: bool = True
    memory_bytes: int = 0
    about: str = ""
    space: str = ""  # the embedding space it writes or reads
    reads: Mapping[str, frozenset[Modality]] = field(
        default_factory=dict
    )  # "tool.port" -> what it takes, where less
    rank: int = 0  # of several models that serve a tool, the lowest rank is chosen
    options: Mapping[str, Any] = field(default_factory=dict)  # plain arguments of its backend
    outside: str = ""  # the attached server that it stands for; only for jobs that name it
    fallback: str = ""  # the model that runs its steps while it is unavailable
    family: str = ""  # the catalogue file that it stands in
    fidelity: Fidelity = "exact"  # how near it is to the systems that it is named for
    systems: tuple[str, ...] = ()  # those systems, as the literature calls them
    gated: bool = False  # its files are given only to who accepted terms
    parameters: int = 0  # number of weights
    files: tuple[str, ...] = ()  # patterns of its files, where not all of its source are wanted
    also: tuple[str, ...] = ()  # further repositories that it is loaded from
    needs: tuple[str, ...] = ()  # modules without which it cannot be loaded
    defaults: Mapping[str, Any] = field(default_factory=dict)  # "tool.param" -> its own default
    ranges: Mapping[str, tuple[float, float]] = field(
        default_factory=dict
    )  # "tool.param" -> smallest and largest value that it can use
    extras: frozenset[str] = frozenset()  # "tool.param" that it takes and not every model does

    def memory(self) -> dict[str, int]:
        """Bytes of the weights by dtype; empty where the number of parameters is not known."""
        sizes = {"float32": 4, "bfloat16": 2, "int8": 1} if self.parameters else {}
        return {dtype: self.parameters * size for dtype, size in sizes.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One item of a batch. `inputs` holds decoded values by port name (a list where the port says
    `many`); `params` is the tool's validated parameters as a plain dict with defaults filled in.
    """

    tool: str
    inputs: Mapping[str, Value | Sequence[Value]]
    params: Mapping[str, Any]
    seed: int = 0
    ready: Any = None  # what the backend's own `prepare` made of the inputs


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of one request: outputs by port name, or an error. Exactly one of them."""

    outputs: Mapping[str, Value | Sequence[Value]] = field(default_factory=dict)
    error: MedleyError | None = None
    usage: Mapping[str, float] = field(default_factory=dict)  # e.g. {"output_tokens": 12}


class Control(Protocol):
    """How a running backend reports, and hears that it should stop."""

    @property
    def scratch(self) -> Path:
        """A private folder for large intermediate files (video); emptied after the batch."""
        ...

    def tick(self, done: float, total: float, *, message: str = "", preview: Any = None) -> None:
        """Reports progress (`preview`: a PIL image) and raises `StepStopped` when the step should
        stop.

        Cheap enough to be called at every denoising or decoding step: reports are throttled inside.
        """
        ...

    def delta(self, text: str, place: int = 0) -> None:
        """Passes on newly generated text of the request at this place of the batch; also raises
        `StepStopped`.
        """
        ...

    def stopped(self, place: int) -> bool:
        """Whether the request at this place of the batch has to stop while others go on. Nobody
        reads its result; to stop it early only saves time.
        """
        ...


@runtime_checkable
class Backend(Protocol):
    """Loads and runs a family of models."""

    tools: frozenset[str]

    def load(self, model: ModelSpec, device: str) -> None:
        """Brings the weights into memory. Raises `Unavailable` when files are missing,
        `OutOfMemory` when too big.
        """
        ...

    def run(self, batch: Sequence[Request], control: Control) -> list[Result]:
        """One result per request, in order. A bad item fails alone, not its batch. Raises
        `StepStopped`.
        """
        ...

    def unload(self) -> None:
        """Frees what `load` took; may be loaded again."""
        ...


@runtime_checkable
class Preparing(Protocol):
    """A backend that can do the processor's part of a request before its batch runs."""

    def prepare(self, request: Request) -> Request:
        """The same request with `ready` filled in, or as it was where there is nothing to do.
        Called from another thread than `run`, and while that runs. Raises `MedleyError`.
        """
        ...

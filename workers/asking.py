"""Asking a model: a batch of requests goes to the backend of its steps' model, and, while that one
is away, to the model that its catalogue entry names as its fallback.

Nothing is raised for what a backend does: each request ends with a result, an error, or the reason
why it had to stop.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import cast

from medley.backend import Backend, ModelSpec, Request, Result
from medley.errors import BackendError, MedleyError, OutOfMemory, StepStopped, Unavailable
from medley.media.values import Embedding, Value
from medley.modality import Modality
from medley.tools import Toolbox
from orchestrator.engine import Lease
from orchestrator.routing import Policy, choose
from workers.control import StepControl
from workers.media import modality_of
from workers.pressure import EVICTED, HALVED, relieved
from workers.residency import Listener, Residency

log = logging.getLogger(__name__)

_RUNGS = {
    EVICTED: "No room on the device: the other models were unloaded.",
    HALVED: "No room on the device: trying fewer at once.",
}
AWAY_S = 60.0  #: so long a model that was away is not asked again, where another one can

Asked = Sequence[tuple[Lease, Request]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What became of one request: a result, an error, or a reason to stop. Exactly one of them.
    `usage` is what its backend says that it used.
    """

    model: str | None = None  # that ran, or should have run
    result: Result | None = None
    error: MedleyError | None = None
    stopped: str | None = None
    usage: Mapping[str, float] = field(default_factory=dict)

    @property
    def away(self) -> bool:
        """Whether its model is not there right now."""
        return isinstance(self.error, Unavailable)


class Asker:
    """Asks the models of this process."""

    def __init__(
        self,
        residency: Residency,
        tools: Toolbox,
        *,
        tell: Listener = lambda model, state: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._residency = residency
        self._tools = tools
        self._tell = tell
        self._clock = clock
        self._away: dict[str, float] = {}  # model -> until when

    def ask(self, asked: Asked, control: StepControl) -> list[Answer]:
        """One answer for each request; all are of one model."""
        model = asked[0][0].model
        fallback = self._fallback(model)
        if model is None or fallback is None:
            return self._noted(model, self._run(model, asked, control))
        if self._clock() < self._away.get(model, 0.0):
            away = Unavailable(f"{model} was away a moment ago.")
            found = [Answer(model=model, error=away)] * len(asked)
        else:
            found = self._noted(model, self._run(model, asked, control))
        missing = [place for place, answer in enumerate(found) if answer.away]
        if missing:
            log.warning("model.away model=%s fallback=%s", model, fallback.id)
            instead = self._instead(fallback, [asked[place] for place in missing], control)
            for place, answer in zip(missing, instead, strict=True):
                found[place] = found[place] if answer is None else answer
        return found

    def _fallback(self, model: str | None) -> ModelSpec | None:
        spec = self._residency.models.get(model or "")
        return self._residency.models.get(spec.fallback) if spec else None

    def _noted(self, model: str | None, found: list[Answer]) -> list[Answer]:
        """Writes down when a model goes away, and when it is back."""
        if model is not None and any(answer.away for answer in found):
            self._tell(model, "away")
            self._away[model] = self._clock() + AWAY_S
        elif model in self._away and any(answer.result for answer in found):
            del self._away[model]
            self._tell(model, "loaded")
        return found

    def _instead(
        self, fallback: ModelSpec, asked: Asked, control: StepControl
    ) -> list[Answer | None]:
        """The fallback's answers; None for what it cannot read."""
        found: list[Answer | None] = [None] * len(asked)
        ready: list[tuple[int, Lease, Request]] = []
        for place, (lease, request) in enumerate(asked):
            read = self._readable(fallback, lease, request, control)
            if isinstance(read, Request):
                ready.append((place, lease, read))
            else:
                found[place] = read
        if ready:
            answers = self._run(fallback.id, [(lease, read) for _, lease, read in ready], control)
            for (place, _, _), answer in zip(ready, answers, strict=True):
                found[place] = answer
        return found

    def _readable(
        self, model: ModelSpec, lease: Lease, request: Request, control: StepControl
    ) -> Request | Answer | None:
        """The request as this model reads it: media are embedded where it reads only embeddings.
        An answer where that had to stop; None where it cannot be done.
        """
        if request.tool not in model.tools:
            return None
        for port, declared in self._tools[request.tool].inputs.items():
            reads = model.reads.get(f"{request.tool}.{port}")
            value = request.inputs.get(port)
            if reads is None or value is None:
                continue
            if isinstance(value, list):
                if any(modality_of(item, declared) not in reads for item in value):
                    return None
                continue
            if modality_of(cast(Value, value), declared) in reads:
                continue
            encoder = choose("embed", self._residency.models, Policy(space=model.space))
            if Modality.EMBEDDING not in reads or encoder is None:
                return None
            embed = Request(tool="embed", inputs={"media": value}, params={})
            (answer,) = self._run(encoder.id, [(lease, embed)], control)
            if answer.result is None:
                return answer if answer.stopped else None
            read = modality_of(cast(Value, value), declared).value
            embedding = replace(cast(Embedding, answer.result.outputs["embedding"]), of=read)
            request = replace(request, inputs={**request.inputs, port: embedding})
        return request

    def _loaded(self, model: str | None, asked: Asked, control: StepControl) -> Backend:
        """The backend of a model, brought into memory where it is not yet; its steps say so."""
        if not self._residency.holds(model):
            control.serve([lease for lease, _ in asked])
            control.note(f"Loading {model}.", code="loading")
        backend = self._residency.backend(model)
        if backend is None:
            raise BackendError(f"{model} has no backend to run.")
        return backend

    def _run(self, model: str | None, asked: Asked, control: StepControl) -> list[Answer]:
        try:
            backend = self._loaded(model, asked, control)
            control.serve([lease for lease, _ in asked])
            control.tick(0, 1)

            def run(places: Sequence[int]) -> list[Result]:
                part = [asked[place] for place in places]
                control.serve([lease for lease, _ in part])
                results = backend.run([request for _, request in part], control)
                if len(results) != len(part):
                    raise BackendError("The backend gave too few results.")
                return results

            def tell(rung: int) -> None:
                control.serve([lease for lease, _ in asked])
                control.note(_RUNGS[rung], code="out_of_memory")

            results = relieved(run, len(asked), lambda: self._residency.only(model), tell)
            return [_answer(model, result) for result in results]
        except StepStopped as stop:
            reasons = (control.why_stopped(lease) or str(stop) for lease, _ in asked)
            return [Answer(model=model, stopped=reason) for reason in reasons]
        except BaseException as error:
            if isinstance(error, (KeyboardInterrupt, SystemExit)):
                raise
            found = as_medley_error(error)
            if isinstance(found, OutOfMemory) and model is not None:
                self._residency.forget(model)
            return [Answer(model=model, error=found)] * len(asked)


def _answer(model: str | None, result: Result) -> Answer:
    if result.error is not None:
        return Answer(model=model, error=result.error, usage=result.usage)
    return Answer(model=model, result=result, usage=result.usage)


def as_medley_error(error: BaseException) -> MedleyError:
    """Any exception as one of ours. What nobody expected is a `BackendError`, and is logged."""
    if isinstance(error, MedleyError):
        return error
    name = type(error).__name__
    if isinstance(error, MemoryError) or name in ("OutOfMemoryError", "CudaOutOfMemoryError"):
        return OutOfMemory("The device has no room for this.")
    log.error("step.unexpected error=%s", name, exc_info=error)
    return BackendError(f"{name}: {str(error)[:500]}")

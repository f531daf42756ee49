"""Residency: which models are in memory. Loaded when needed, kept while there is room, least used
goes first.
"""

import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from medley.backend import Backend, ModelSpec
from medley.errors import OutOfMemory, Unavailable
from workers.pressure import give_back
from workers.registry import WITHOUT_BACKEND, make_backend

log = logging.getLogger(__name__)

#: Told whenever a model's state changes: its id, and loading | loaded | failed | gone.
Listener = Callable[[str, str], None]


@dataclass
class _Resident:
    spec: ModelSpec
    backend: Backend


class Residency:
    """Backends of this process, within a memory budget in bytes."""

    def __init__(
        self,
        models: Mapping[str, ModelSpec],
        *,
        budget: int,
        device: str,
        make: Callable[[str], Backend] = make_backend,
        listener: Listener = lambda model, state: None,
    ) -> None:
        self._models = models
        self._budget = budget
        self._device = device
        self._make = make
        self._tell = listener
        self._residents: OrderedDict[str, _Resident] = OrderedDict()  # least recently used first

    @property
    def device(self) -> str:
        """Where models are loaded to."""
        return self._device

    @property
    def models(self) -> Mapping[str, ModelSpec]:
        """The catalogue."""
        return self._models

    def held(self) -> list[str]:
        """Ids of the models in memory."""
        return list(self._residents)

    def spec(self, model: str | None) -> ModelSpec:
        """The catalogue's entry. Raises `Unavailable`."""
        if model is None or model not in self._models:
            raise Unavailable(f"This worker does not know the model {model!r}.")
        return self._models[model]

    def backend(self, model: str | None) -> Backend | None:
        """The loaded backend of a model; None when nothing has to run for it.

        Raises `Unavailable` or `OutOfMemory` when it cannot be loaded.
        """
        spec = self.spec(model)
        if spec.backend in WITHOUT_BACKEND:
            return None
        found = self._residents.get(spec.id)
        if found is None:
            found = self._load(spec)
        self._residents.move_to_end(spec.id)
        return found.backend

    def holds(self, model: str | None) -> bool:
        """Whether a model can be run at once: it is in memory, or nothing has to be loaded."""
        spec = self._models.get(model or "")
        return spec is None or spec.backend in WITHOUT_BACKEND or spec.id in self._residents

    def only(self, model: str | None) -> bool:
        """Unloads every other model that takes up memory; whether there was one, or the device
        keeps memory that could be given back.
        """
        others = [
            name
            for name, item in self._residents.items()
            if name != model and item.spec.memory_bytes
        ]
        for name in others:
            self.forget(name)
        give_back()
        return bool(others) or self._device != "cpu"

    def forget(self, model: str) -> None:
        """Unloads one model, for instance after it ran out of memory."""
        resident = self._residents.pop(model, None)
        if resident is not None:
            resident.backend.unload()
            self._tell(model, "gone")

    def forget_all(self) -> None:
        """Unloads everything."""
        for model in list(self._residents):
            self.forget(model)

    def _load(self, spec: ModelSpec) -> _Resident:
        self._make_room(spec.memory_bytes)
        self._tell(spec.id, "loading")
        try:
            resident = _Resident(spec, self._loaded(spec))
        except OutOfMemory:
            # What is declared is an estimate: with everything else gone it may fit.
            if not self._residents:
                self._tell(spec.id, "failed")
                raise
            self.forget_all()
            resident = self._retry(spec)
        except BaseException:
            self._tell(spec.id, "failed")
            raise
        self._residents[spec.id] = resident
        self._tell(spec.id, "loaded")
        return resident

    def _retry(self, spec: ModelSpec) -> _Resident:
        try:
            return _Resident(spec, self._loaded(spec))
        except BaseException:
            self._tell(spec.id, "failed")
            raise

    def _loaded(self, spec: ModelSpec) -> Backend:
        log.info("model.loading model=%s device=%s", spec.id, self._device)
        backend = self._make(spec.backend)
        backend.load(spec, self._device)
        return backend

    def _make_room(self, wanted: int) -> None:
        while self._residents and self._used() + wanted > self._budget:
            heavy = [name for name, item in self._residents.items() if item.spec.memory_bytes]
            if not heavy:
                return
            self.forget(heavy[0])

    def _used(self) -> int:
        return sum(item.spec.memory_bytes for item in self._residents.values())


def is_metered(spec: ModelSpec, device: str) -> bool:
    """Whether the seconds of a model on this device are seconds of an accelerator."""
    return device != "cpu" and spec.memory_bytes > 0


def choose_device(wanted: str) -> str:
    """`auto` becomes the accelerator of this machine, or the CPU; anything else is taken as it
    stands.
    """
    if wanted != "auto":
        return wanted
    from pathlib import Path

    # Asking torch costs seconds of import; a machine without a device file has nothing to ask
    # about.
    if not any(Path("/dev").glob("nvidia[0-9]*")):
        return "cpu"
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"

"""Profiles against machines: which set of models one has room for, and what is there of it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from medley.backend import ModelSpec
from medley.errors import CallerError
from medley.machine import GB, Machine
from medley.weights import here
from orchestrator.catalogue import profiles

_NEARLY = 0.9  #: a machine "of 16 GB" shows less, and a card of 24 GB holds some back


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A set of models, and the memory that they want, in 10^9 bytes."""

    name: str
    about: str
    models: Sequence[ModelSpec]
    ram_gb: float
    vram_gb: float
    licences: Mapping[str, str] = field(default_factory=dict)  # what is known of them, by model

    def absent(self) -> list[ModelSpec]:
        """Its models whose files are not on this machine."""
        return [spec for spec in self.models if not here(spec)]

    def too_much(self, machine: Machine) -> Iterator[str]:
        """What a machine has too little of, in words; nothing where the profile fits."""
        if machine.ram < _NEARLY * self.ram_gb * GB:
            yield f"{self.ram_gb:g} GB of memory are wanted, {machine.ram / GB:.0f} are there"
        if machine.vram < _NEARLY * self.vram_gb * GB:
            card = f"{machine.vram / GB:.0f} are there" if machine.vram else "there is none"
            yield f"an accelerator of {self.vram_gb:g} GB is wanted, {card}"
        absent = size(self.absent())
        if machine.disk < absent:
            yield f"{absent / GB:.1f} GB of files are to come, {machine.disk / GB:.1f} GB are free"


def size(models: Sequence[ModelSpec]) -> int:
    """Bytes of their files: two for each weight, where nothing else is known."""
    return sum(spec.memory_bytes for spec in models)


def load_profile(name: str, known: Mapping[str, ModelSpec]) -> Profile:
    """A profile by its name. Raises `CallerError` for one that there is not."""
    found = load_profiles(known)
    if name not in found:
        raise CallerError(f"There is no profile {name!r}; there are: {', '.join(found)}.")
    return found[name]


def load_profiles(known: Mapping[str, ModelSpec]) -> dict[str, Profile]:
    """All profiles, by name, the smallest first."""
    return {name: _profile(name, entry, known) for name, entry in profiles().items()}


def _profile(name: str, entry: Mapping[str, Any], known: Mapping[str, ModelSpec]) -> Profile:
    return Profile(
        name=name,
        about=entry["about"],
        models=[known[model] for model in entry["models"]],
        ram_gb=entry["ram_gb"],
        vram_gb=entry["vram_gb"],
        licences=entry.get("licences", {}),
    )

"""The register: short ids (`a1`, `a2`, …) for the assets that the hub may talk about inside one
job. Pure.

Short ids keep prompts small and make it impossible to name an asset that is not in the register.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from medley.modality import Modality
from medley.tasks import KnownAsset

MARK = re.compile(r"\[(a[0-9]+)\]")  #: how words name an asset


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An asset that may be named."""

    asset: str  # its real id
    modality: Modality
    about: str = ""
    turn: int = 0
    step: str | None = None  # the step of this job that made it; None: it was given


class Register:
    """Entries in the order of their short ids; the same asset is entered once."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._by_short: dict[str, Entry] = {}
        self._short: dict[str, str] = {}
        for entry in entries:
            if entry.asset not in self._short:
                short = f"a{len(self._by_short) + 1}"
                self._by_short[short] = entry
                self._short[entry.asset] = short

    def known(self) -> list[KnownAsset]:
        """The register as the hub sees it."""
        return [
            KnownAsset(
                id=short,
                modality=entry.modality,
                about=entry.about,
                turn=entry.turn,
                step=entry.step,
            )
            for short, entry in self._by_short.items()
        ]

    def modalities(self) -> Mapping[str, Modality]:
        """Modality by short id."""
        return {short: entry.modality for short, entry in self._by_short.items()}

    def short(self, asset: str) -> str:
        """The short id of an asset. Raises `KeyError`."""
        return self._short[asset]

    def entry(self, short: str) -> Entry | None:
        """What a short id stands for."""
        return self._by_short.get(short)

    def lengthen(self, data: Any) -> Any:
        """Plan JSON with every `{"asset": "a1"}` replaced by the real id; unknown ids stay as they
        are.
        """
        if isinstance(data, dict):
            if set(data) == {"asset"} and isinstance(data["asset"], str):
                found = self._by_short.get(data["asset"])
                return {"asset": found.asset} if found else data
            return {key: self.lengthen(value) for key, value in data.items()}
        if isinstance(data, list):
            return [self.lengthen(item) for item in data]
        return data

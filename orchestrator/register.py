"""The register: short ids (`a1`, `a2`, …) for the assets that the hub may talk about inside one
job. Pure.

Short ids keep prompts small and make it impossible to name an asset that is not in the register.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from medley.modality import Modality
from medley.tasks import KnownAsset, StepFact

MARK = re.compile(r"\[(a[0-9]+)\]")  #: how words name an asset


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An asset that may be named."""

    asset: str  # its real id
    modality: Modality
    about: str = ""  # its file name, or the words that it was made from
    made_by: str = ""  # the tool that made it
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
                made_by=entry.made_by,
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

    def shorten(self, data: Any) -> Any:
        """Plan JSON with every `{"asset": …}` under its short id; unknown ids stay as they are."""
        if isinstance(data, Mapping):
            if set(data) == {"asset"}:
                return {"asset": self._short.get(data["asset"], data["asset"])}
            return {key: self.shorten(value) for key, value in data.items()}
        return [self.shorten(item) for item in data] if isinstance(data, list) else data

    def shortened(self, facts: Iterable[StepFact]) -> list[StepFact]:
        """Facts with short ids instead of real ones. Raises `KeyError` for an asset that is not
        entered.
        """
        return [
            fact.model_copy(
                update={
                    "assets": [self._short[asset] for asset in fact.assets],
                    "about": {port: self._word(bound) for port, bound in fact.about.items()},
                }
            )
            for fact in facts
        ]

    def _word(self, bound: Any) -> Any:
        if isinstance(bound, list):
            return [self._word(item) for item in bound]
        return self._short.get(bound, bound) if isinstance(bound, str) else bound

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

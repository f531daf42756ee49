"""Names in foreign plans: what its steps are called, by id, by number and by tool. Pure."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from medley.foreign_references import Reference, counted_from, numbers, reference
from medley.known import Known
from medley.plan import STEP_ID
from medley.tools import Tool

TOOL = ("tool", "tool_name", "name", "task", "action", "function")
ID = ("id", "step_id", "step", "node_id")
_USUAL = {"node": 0, "step": 1}  # "Step 1" is the first, <node-0> too


def first(step: Mapping[str, Any], keys: Iterable[str]) -> Any:
    """The first of these keys that says something."""
    return next((step[key] for key in keys if step.get(key) not in (None, "")), None)


def tool_name(step: Mapping[str, Any]) -> Any:
    """What a step calls its tool: the first of the usual keys with words in it, if any has."""
    said = [step[key] for key in TOOL if step.get(key) not in (None, "")]
    return next((name for name in said if isinstance(name, str)), said[0] if said else None)


def listed(value: Any) -> list[Any]:
    """A value as a list."""
    return value if isinstance(value, list) else [] if value is None else [value]


def squeezed(name: Any) -> str:
    """A name up to case, hyphens and spaces."""
    return re.sub(r"[\W_]+", "", str(name).lower())


@dataclass
class Names:
    """The names of the steps of one plan."""

    known: Known
    ids: list[str] = field(default_factory=list)
    tools: dict[str, Tool] = field(default_factory=dict)  # by step id
    alias: dict[str, str] = field(default_factory=dict)  # what a step was called -> its id
    using: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    start: dict[str, int | None] = field(default_factory=lambda: dict(_USUAL))

    def __post_init__(self) -> None:
        self._tools: dict[str, list[Tool]] = defaultdict(list)
        for tool in self.known.tools.values():
            self._tools[squeezed(tool.name)].append(tool)

    def tool(self, name: Any) -> Tool | None:
        """The tool that is called so, up to case, hyphens and spaces."""
        alike = self._tools.get(squeezed(name), [])
        exact = self.known.tools.get(str(name))
        return exact or (alike[0] if len(alike) == 1 else None)

    def add(self, place: int, step: Any) -> None:
        """Gives the step its id, and remembers what else it is called."""
        given = first(step, ID) if isinstance(step, Mapping) else None
        wanted = str(given).strip().lower() if isinstance(given, str | int) else ""
        fits = re.match(STEP_ID, wanted) and wanted not in self.ids
        step_id = wanted if fits else self._free(f"s{wanted}" if wanted.isdecimal() else "", place)
        self.ids.append(step_id)
        if wanted:
            self.alias.setdefault(wanted, step_id)
        name = tool_name(step) if isinstance(step, Mapping) else None
        tool = self.tool(name)
        if tool is not None:
            self.tools[step_id] = tool
        for called in {squeezed(name), squeezed(tool.name if tool else "")} - {""}:
            self.using[called].append(step_id)

    def _free(self, wanted: str, place: int) -> str:
        if re.match(STEP_ID, wanted) and wanted not in self.ids:
            return wanted
        return next(name for name in map("s{}".format, count(place + 1)) if name not in self.ids)

    def count_nodes(
        self, arguments: Iterable[Any], linked: Callable[[int, int], bool] | None
    ) -> None:
        """Finds out from where the numbers in the arguments of the steps are counted."""
        uses: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for place, given in enumerate(arguments):
            for found in numbers(given):
                if found.number is not None and not self._by_id(found):
                    uses[found.numbered].append((place, found.number))
        for kind, used in uses.items():
            self.start[kind] = counted_from(used, len(self.ids), _USUAL[kind], linked)

    def named(self, name: str) -> list[str]:
        """The ids of the steps that a name may mean: one by its id, or all that use a tool."""
        plain = name.strip().lower()
        if plain in self.ids or plain in self.alias:
            return [self.alias.get(plain, plain)]
        return list(self.using.get(squeezed(name), []))

    def meant(self, found: Reference) -> list[str]:
        """The ids of the steps that a reference may mean."""
        if found.number is None:
            return self.named(found.name)
        if by_id := self._by_id(found):
            return by_id
        start = self.start[found.numbered]
        place = -1 if start is None else found.number - start
        return [self.ids[place]] if 0 <= place < len(self.ids) else []

    def _by_id(self, found: Reference) -> list[str]:
        """The step whose own id a number is, alone or with its kind before it."""
        names = [found.name, *(f"{found.numbered}{sign}{found.name}" for sign in ("_", "-", ""))]
        plain = next((name for name in names if name in self.alias), None)
        return [] if plain is None else [self.alias[plain]]

    def called(self, name: Any) -> list[str]:
        """The ids of the steps that the end of a link may mean."""
        exact = self.named(str(name))
        found = None if exact else reference(str(name))
        return exact if found is None else self.meant(found)

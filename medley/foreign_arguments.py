"""Arguments of foreign plans: which input or parameter each of them is. Pure.

By the name that the tool declares; else by elimination, where the types leave one way only; else,
where nothing has a name, in the order of the inputs. What finds no place stays under the name that
it came with, for the gate to refuse. An argument that is null or empty says nothing.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice, permutations
from typing import Any

from medley.foreign_names import squeezed
from medley.foreign_values import BINDINGS, Values, read_json
from medley.gate_bindings import EMBEDDABLE
from medley.modality import Modality
from medley.tools import Port, Tool

Argument = tuple[str | None, Any]
MOST_MATCHED = 4  #: arguments that are placed by elimination
_PAIR = re.compile(r"\s*([\w -]{1,32}?)\s*:\s+(.+)", re.DOTALL)


def flat(given: Any, tool: Tool | None) -> Iterator[Argument]:
    """The arguments of a step, each with its name if it has one."""
    if isinstance(given, str):
        found = read_json(given)
        yield from [(None, given)] if isinstance(found, str) else flat(found, tool)
    elif isinstance(given, Mapping):
        if set(given) == {"name", "value"} and not (
            tool and {"name", "value"} & tool.inputs.keys()
        ):
            yield str(given["name"]), given["value"]
        else:
            yield from ((str(name), value) for name, value in given.items())
    elif isinstance(given, list):
        for item in given:
            yield from _of_list(item, tool)
    elif given is not None:
        yield None, given


def _of_list(item: Any, tool: Tool | None) -> Iterator[Argument]:
    """One argument of a list."""
    names = {} if tool is None else {squeezed(name): name for name in _declared(tool)}
    if isinstance(item, str):
        pair = _PAIR.fullmatch(item)
        if pair is not None and squeezed(pair[1]) in names:
            yield names[squeezed(pair[1])], pair[2]
        else:
            yield None, item
    elif isinstance(item, Mapping) and {"name", "value"} <= item.keys():
        yield str(item["name"]), item["value"]
        left = {name: value for name, value in item.items() if name not in ("name", "value")}
        yield from ((str(name), value) for name, value in left.items() if name not in ("type",))
    elif isinstance(item, Mapping) and (
        (len(item) == 1 and not item.keys() & BINDINGS)
        or (item and all(squeezed(name) in names for name in item))
    ):
        yield from ((str(name), value) for name, value in item.items())
    else:
        yield None, item


@dataclass
class Placing:
    """Puts the arguments of one step where they belong."""

    tool: Tool
    values: Values
    inputs: dict[str, Any] = field(default_factory=dict)
    params: dict[str, Any] = field(default_factory=dict)
    loose: list[Argument] = field(default_factory=list)

    def place(self, given: list[Argument]) -> None:
        """Places all of them."""
        for name, value in given:
            self._by_name(name, value)
        only = next(iter(self.tool.inputs.values()), None)
        if only is not None and len(self.tool.inputs) == 1 and only.many:
            self._gather(next(iter(self.tool.inputs)))
        if not self._by_type():
            self._in_order()
        for number, (name, value) in enumerate(self.loose, start=1):
            if not _blank(value):
                port = self.tool.inputs.get(name or "")
                put(self.inputs, name or f"argument_{number}", self.values.bound(value, port))

    def _by_name(self, name: str | None, value: Any) -> None:
        """What the tool declares goes there; the rest stays loose."""
        names = {squeezed(known): known for known in reversed(_declared(self.tool))}
        known = name if name in _declared(self.tool) else names.get(squeezed(name or ""))
        if name is None or known is None:
            bare = name == "name" and self.values.refers(value)  # {"name": "<node-0>"}
            self.loose.append((None if bare else name, value))
        elif known in self.tool.inputs:
            if known in self.inputs and self.inputs[known] != value:
                self.loose.append((name, value))
            elif not _blank(value):
                self.inputs[known] = self.values.bound(value, self.tool.inputs[known])
        else:
            put(self.params, known, value)

    def _gather(self, port: str) -> None:
        """All values without a name are items of the only input, a list."""
        items = [value for name, value in self.loose if name is None]
        self.loose = [(name, value) for name, value in self.loose if name is not None]
        if items:
            before = self.inputs.get(port, [])
            bound = self.values.bound(items, self.tool.inputs[port])
            own = before if isinstance(before, list) else [before]
            self.inputs[port] = [*own, *bound]

    def _by_type(self) -> bool:
        """By elimination: whether the types leave one way to place all that is loose."""
        given = [(name, value) for name, value in self.loose if not _blank(value)]
        if not given or len(given) > MOST_MATCHED or not all(map(self._placeable, given)):
            return False
        kinds = [self.values.kinds(value) for _, value in given]
        free = {name: port for name, port in self.tool.inputs.items() if name not in self.inputs}
        needed = {name: port for name, port in free.items() if port.required}
        for ports in (needed, free):
            ways = (
                chosen
                for chosen in permutations(islice(ports, 6), len(given))
                if all(fits(kind, ports[name]) for kind, name in zip(kinds, chosen, strict=True))
            )
            found = list(islice(ways, 2))
            if len(found) == 1:
                for (_, value), name in zip(given, found[0], strict=True):
                    self.inputs[name] = self.values.bound(value, self.tool.inputs[name])
                self.loose = []
                return True
        return False

    def _placeable(self, argument: Argument) -> bool:
        """Whether it can be nothing but an input: words under a name of their own can be a
        parameter that is spelt otherwise.
        """
        name, value = argument
        kinds = self.values.kinds(value)
        wordless = kinds is not None and Modality.TEXT not in kinds
        return name is None or not self.tool.params.model_fields or wordless

    def _in_order(self) -> None:
        """Values without names, in the order of the inputs that are left."""
        free = [name for name in self.tool.inputs if name not in self.inputs]
        left: list[Argument] = []
        for name, value in self.loose:
            if name is not None or not free:
                left.append((name, value))
                continue
            port = free.pop(0)
            if not _blank(value):
                self.inputs[port] = self.values.bound(value, self.tool.inputs[port])
        self.loose = left


def unread(given: list[Argument]) -> dict[str, Any]:
    """The arguments of a tool that is not known, as they came."""
    kept: dict[str, Any] = {}
    for number, (name, value) in enumerate(given, start=1):
        put(kept, name or f"argument_{number}", value)
    return kept


def put(target: dict[str, Any], name: str, value: Any) -> None:
    """Adds a value; a second one under the same name gets a number, so that none is lost."""
    free, number = name, 2
    while free in target and target[free] != value:
        free, number = f"{name}_{number}", number + 1
    target[free] = value


def fits(kinds: frozenset[Modality] | None, port: Port) -> bool:
    """Whether a value may go into a port; what it is may not be known."""
    if kinds is None or kinds & port.accepts:
        return True
    return Modality.EMBEDDING in port.accepts and bool(kinds & EMBEDDABLE)


def _declared(tool: Tool) -> list[str]:
    """Inputs first: a parameter of the same name is not meant."""
    return [*tool.inputs, *tool.params.model_fields, "seed"]


def _blank(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())

"""Links of foreign plans: edges that are listed beside the steps. Pure.

A link whose source is read by its target says nothing new. Otherwise it fills the one empty input
of its target that it fits, or else makes the target wait. A link that names no step, or could mean
several, stays in the plan, where the gate refuses it.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from medley.advice import LINKS
from medley.foreign_names import Names, listed, squeezed

_ENDS = frozenset({"", "none", "null", "output", "outputs", "finaloutput", "result", "end", "user"})
_STARTS = frozenset({"", "none", "null", "input", "inputs", "userinput", "start", "user"})

Step = dict[str, Any]
Edge = tuple[str, str]


def written(data: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Each link with the key that it is listed under."""
    for key in LINKS:
        for link in listed(data.get(key)):
            yield key, link


def ends(link: Any) -> list[tuple[Any, Any]] | None:
    """From where to where a link leads, by the names in it; None where that is no link."""
    if isinstance(link, str):
        link = re.split(r"\s*(?:->|→)\s*", link)
    if isinstance(link, Mapping) and {"source", "target"} <= link.keys():
        link = [link["source"], link["target"]]
    elif isinstance(link, Mapping) and {"from", "to"} <= link.keys():
        link = [link["from"], link["to"]]
    if not isinstance(link, list) or len(link) != 2:
        return None
    sources, targets = ([None] if end in (None, []) else listed(end) for end in link)
    return [(source, target) for source in sources for target in targets]


def place_links(data: Mapping[str, Any], steps: list[Any], names: Names) -> dict[str, list[Any]]:
    """Writes the links into the steps; what could not be placed, under its keys."""
    own = {step["id"]: step for step in steps if isinstance(step, dict)}
    reading = _Edges(own)
    left: dict[str, list[Any]] = {}
    unsure: list[tuple[str, Any, list[Edge]]] = []
    placed: list[Edge] = []
    for key, link in written(data):
        for source, target in ends(link) or [(link, link)]:
            if ends(link) is not None and (_is(source, _STARTS) or _is(target, _ENDS)):
                continue
            known = [end if isinstance(end, str | int) else "" for end in (source, target)]
            sources, targets = (names.called(end) for end in known)
            edges = [(one, other) for one in sources for other in targets]
            unsure.append((key, link, edges))
    # A link that can mean one thing only goes first: it may decide what the others mean.
    for key, link, edges in sorted(unsure, key=lambda item: len(item[2]) != 1):
        if reading.any(edges):
            continue
        possible = edges if len(edges) == 1 else [edge for edge in edges if not reading.turns(edge)]
        if len(possible) == 1:
            reading.add(possible[0])
            placed += possible
        elif link not in left.setdefault(key, []):
            left[key].append(link)
    _write(placed, own, names)
    return left


def pairs(data: Mapping[str, Any]) -> set[tuple[str, str]]:
    """The links by the squeezed names in them."""
    return {
        (squeezed(source), squeezed(target))
        for _, link in written(data)
        for source, target in ends(link) or []
        if isinstance(source, str) and isinstance(target, str)
    }


class _Edges:
    """Which step waits for which."""

    def __init__(self, steps: Mapping[str, Step]) -> None:
        self.needs = {name: read_by(step) for name, step in steps.items()}

    def any(self, edges: list[Edge]) -> bool:
        return any(source in self.needs.get(target, ()) for source, target in edges)

    def add(self, edge: Edge) -> None:
        self.needs.setdefault(edge[1], set()).add(edge[0])

    def turns(self, edge: Edge) -> bool:
        """Whether this edge would close a circle."""
        source, target = edge
        seen, ahead = set[str](), [source]
        while ahead:
            name = ahead.pop()
            if name == target:
                return True
            if name not in seen:
                seen.add(name)
                ahead += self.needs.get(name, ())
        return False


def read_by(step: Mapping[str, Any]) -> set[str]:
    """Ids of the steps that a step seems to wait for."""
    found = {str(name) for name in listed(step.get("after"))}
    inputs = step.get("inputs")
    values = list(inputs.values()) if isinstance(inputs, Mapping) else []
    for item in (item for value in values for item in listed(value)):
        if isinstance(item, Mapping) and "from" in item:
            found.add(str(item["from"]).partition(".")[0])
    return found


def _is(end: Any, marks: frozenset[str]) -> bool:
    """Whether an end of a link is a word for the beginning or the end of all."""
    return end is None or (isinstance(end, str) and squeezed(end) in marks)


def _write(edges: list[Edge], steps: Mapping[str, Step], names: Names) -> None:
    """Each edge as the input that it fills, or as a step to wait for."""
    for target, step in steps.items():
        sources = [source for source, end in edges if end == target]
        tool = names.tools.get(target)
        empty = {} if tool is None else _empty(step, tool.inputs)
        filling = [(source, *fill) for source in sources if (fill := _fill(source, empty, names))]
        for source in sources:
            mine = [fill for fill in filling if fill[0] == source]
            rivals = [fill for fill in filling if mine and fill[1] == mine[0][1]]
            if mine and len(rivals) == 1:
                step["inputs"] = {**step.get("inputs", {}), mine[0][1]: {"from": mine[0][2]}}
            elif source not in listed(step.get("after")):
                step["after"] = [*listed(step.get("after")), source]


def _empty(step: Step, ports: Mapping[str, Any]) -> dict[str, Any]:
    """Required inputs that nothing fills, in a step whose arguments all found their place."""
    given = step.get("inputs", {})
    if any(name not in ports for name in given):
        return {}
    return {name: port for name, port in ports.items() if port.required and name not in given}


def _fill(source: str, empty: Mapping[str, Any], names: Names) -> tuple[str, str] | None:
    """The one empty input that an output of this step fits, and the output."""
    tool = names.tools.get(source)
    found = [
        (name, f"{source}.{output}")
        for name, port in empty.items()
        for output, given in ({} if tool is None else tool.outputs).items()
        if given.accepts & port.accepts and given.many == port.many
    ]
    return found[0] if len(found) == 1 else None

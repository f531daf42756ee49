"""Agreement of a plan's graph with a gold graph, as TaskBench measures it (Shen et al. 2023). Pure.

Nodes are tools, edges are pairs of tools; F1 over both, summed over all plans. A tool that is used
twice counts twice.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

_NODE = re.compile(r"<node-(\d+)>")


@dataclass(frozen=True)
class Graph:
    """Tools, and which of them reads which."""

    nodes: Counter[str] = field(default_factory=Counter)
    edges: Counter[tuple[str, str]] = field(default_factory=Counter)


def plain(name: Any) -> str:
    """A tool's name up to case, hyphens and spaces."""
    return re.sub(r"[\W_]+", "", str(name).lower())


def written_graph(record: Mapping[str, Any]) -> Graph:
    """The graph that a record says, read as TaskBench does: the listed links, or where none are
    listed the references `<node-0>`, counted from 0. What has another shape is not seen.
    """
    record = record["result"] if isinstance(record.get("result"), Mapping) else record
    given = record.get("task_nodes")
    nodes = [node for node in given if isinstance(node, Mapping)] if isinstance(given, list) else []
    names = [plain(node.get("task")) for node in nodes]
    edges: set[tuple[str, str]] = set()
    links = record.get("task_links")
    if isinstance(links, list):
        edges = {
            (plain(link["source"]), plain(link["target"]))
            for link in links
            if isinstance(link, Mapping)
            and all(isinstance(link.get(end), str) for end in ("source", "target"))
        }
    else:
        for name, node in zip(names, nodes, strict=True):
            for number in map(int, _NODE.findall(str(node.get("arguments")))):
                if number < len(names):
                    edges.add((names[number], name))
    return Graph(Counter(names), Counter(edges))


def read_graph(plan: Any) -> Graph:
    """The graph of a plan in Medley's shape, accepted or not."""
    given = plan.get("steps") if isinstance(plan, Mapping) else None
    steps = [step for step in given if isinstance(step, Mapping)] if isinstance(given, list) else []
    tools = {str(step.get("id")): plain(step.get("tool")) for step in steps}
    edges = {
        (tools[source], plain(step.get("tool")))
        for step in steps
        for source in _needs(step)
        if source in tools
    }
    return Graph(Counter(plain(step.get("tool")) for step in steps), Counter(edges))


def _needs(step: Mapping[str, Any]) -> Iterable[str]:
    after = step.get("after")
    yield from (str(name) for name in (after if isinstance(after, list) else ()))
    inputs = step.get("inputs")
    for value in inputs.values() if isinstance(inputs, Mapping) else ():
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, Mapping) and "from" in item:
                yield str(item["from"]).partition(".")[0]


@dataclass
class Agreement:
    """Counts of what was found, of what was right, and of what was wanted."""

    right: int = 0
    found: int = 0
    wanted: int = 0

    def add(self, found: Counter[Any], wanted: Counter[Any]) -> None:
        """One more plan."""
        self.right += (found & wanted).total()
        self.found += found.total()
        self.wanted += wanted.total()

    @property
    def f1(self) -> float | None:
        """The harmonic mean of precision and recall; None where there is nothing to compare."""
        both = self.found + self.wanted
        return 2 * self.right / both if both else None

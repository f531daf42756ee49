"""Tools of others: the tool list of a public benchmark as declarations of ours, so that a plan can
be held against the tools that it was written for.

A `tool_desc.json` as TaskBench has it: `id`, `desc`, `input-type`, `output-type`. Tools without
types take and give nothing; `parameters` are words that may be left out.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from medley.modality import Modality
from medley.status import Lane
from medley.tools import Port, Tool, Toolbox, port

_KINDS = {kind.value: kind for kind in (Modality.IMAGE, Modality.AUDIO, Modality.VIDEO)}


def toolbox_of(described: Mapping[str, Any]) -> Toolbox:
    """The tools that are described. Raises `ValueError` when two have one name."""
    return Toolbox(_tool(item) for item in described.get("nodes", ()))


def name_of(given: str) -> str:
    """A name as our plans write it: `Image-to-Text` is `image_to_text`."""
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", given)
    plain = re.sub(r"[^a-z0-9]+", "_", apart.lower()).strip("_")[:32].rstrip("_")
    return plain if plain[:1].isalpha() else f"tool_{plain}"[:32]


def _tool(item: Mapping[str, Any]) -> Tool:
    inputs = _ports(item.get("input-type") or ())
    for given in item.get("parameters") or ():
        about = str(given.get("desc", ""))
        inputs[name_of(str(given["name"]))] = port(Modality.TEXT, about=about, required=False)
    return Tool(
        name=name_of(str(item["id"])),
        about=str(item.get("desc", "")),
        inputs=inputs,
        outputs=_ports(item.get("output-type") or ()),
        lane=Lane.CPU,
    )


def _ports(types: Sequence[str]) -> dict[str, Port]:
    """One port for each type; two of a type are numbered. What is no medium is words."""
    names = [name_of(str(given)) for given in types]
    several, seen = Counter(names), Counter[str]()
    found: dict[str, Port] = {}
    for name in names:
        seen[name] += 1
        kind = _KINDS.get(name, Modality.TEXT)
        called = f"{name}_{seen[name]}" if several[name] > 1 else name
        found[called] = port(kind, about=f"{name}.")
    return found

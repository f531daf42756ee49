"""Plans that other language models wrote, and gold graphs, through the normaliser, the gate and
lowering.

Without arguments it reads the recorded plans in `tests/recorded`. It reads the public files as they
are, too: JSON lines with `task_nodes` and `task_links`, and the `tool_desc.json` beside them.

    python -m bench.recorded_plans [--plans FILE] [--tools FILE] [--gold FILE] [--json]

Fails when anything raises, when an unknown tool is not named, or when an accepted plan cannot be
lowered.
"""

import argparse
import json
import re
from ast import literal_eval
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from bench.agreement import Agreement, plain, read_graph, written_graph
from bench.foreign_tools import toolbox_of
from medley.backend import ModelSpec
from medley.errors import InvalidPlan
from medley.foreign import normalise
from medley.foreign_names import tool_name
from medley.gate import Fault, Known, check, parse_plan, unknown_tools
from medley.modality import Modality
from medley.plan import Plan
from medley.tools import Toolbox
from medley.toolset import toolbox
from orchestrator.lowering import lower
from orchestrator.routing import Policy

RECORDED = Path(__file__).resolve().parent.parent / "tests" / "recorded"
OWN = "medley"  #: the tool set that is ours
_FILES = re.compile(r"(?<![\w/.:-])[\w-]+\.(jpe?g|png|gif|wav|mp3|mp4|avi|txt)\b")
_MEDIA = {
    **dict.fromkeys(("jpg", "jpeg", "png", "gif"), Modality.IMAGE),
    **dict.fromkeys(("wav", "mp3"), Modality.AUDIO),
    **dict.fromkeys(("mp4", "avi"), Modality.VIDEO),
    "txt": Modality.TEXT,
}
#: What a fault says, without the names in it, for counting.
_REASONS = (
    ("unknown tool", r"There is no tool|may not stand in a plan"),
    ("reads a step whose tool is unknown", r"whose tool cannot be used"),
    ("no such step", r"There is no step|comes later"),
    ("no such file", r"There is no asset"),
    ("no such output", r" gives no "),
    ("input missing", r"^The input .* is missing"),
    ("no such input", r" has no input "),
    ("wrong type", r"^Got "),
    ("list or single", r"Takes one value|is a list|no list here"),
    ("circle", r"circle"),
    ("links name no step", r"^These links"),
    ("no binding", r"^This is no binding"),
)


@dataclass(frozen=True)
class Recorded:
    """One plan as it was written, and the files that its request comes with."""

    record: Mapping[str, Any]
    files: Mapping[str, Modality]
    tools: str  # the set that it was written for
    by: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """What a gold graph of the same request has in common with it."""
        return self.tools, str(self.record.get("id"))


@dataclass
class Outcome:
    """What became of one plan."""

    read: Any = None  # as the normaliser left it
    plan: Plan | None = None  # accepted
    faults: list[Fault] = field(default_factory=list)
    unknown: set[str] = field(default_factory=set)
    unnamed: set[str] = field(default_factory=set)  # unknown tools that no fault names
    lowered: bool = False
    error: str = ""  # an exception: never


def load(path: Path, tools: str = "") -> list[Recorded]:
    """The plans of a file: recorded here, or as they are public."""
    return [_recorded(row, tools) for row in _rows(path.read_text(encoding="utf-8"))]


def _rows(text: str) -> Iterator[Any]:
    """JSON lines, or one JSON list."""
    if text.lstrip().startswith("["):
        yield from json.loads(text)
    else:
        yield from (json.loads(line) for line in text.splitlines() if line.strip())


def _recorded(row: Mapping[str, Any], tools: str) -> Recorded:
    record = row["plan"] if isinstance(row.get("plan"), Mapping) and "set" in row else row
    said = " ".join(str(record.get(key, "")) for key in ("user_request", "instruction"))
    names = row["files"] if record is not row else [found[0] for found in _FILES.finditer(said)]
    files = {name: _MEDIA.get(name.rpartition(".")[2], Modality.TEXT) for name in names}
    return Recorded(record, files, tools or row.get("set", OWN), row.get("by", ""))


@cache
def tools_of(where: str) -> Toolbox:
    """A tool set: ours, one that is recorded here, or a file."""
    if where == OWN:
        return toolbox().planned()
    path = Path(where) if where.endswith(".json") else RECORDED / "tools" / f"{where}.json"
    return toolbox_of(json.loads(path.read_text(encoding="utf-8")))


def judge(recorded: Recorded, tools: Toolbox) -> Outcome:
    """Everything that happens to a plan before it would run."""
    outcome = Outcome()
    try:
        _judge(recorded, tools, outcome)
    except Exception as error:  # noqa: BLE001 - counting them is what this is for
        outcome.error = f"{type(error).__name__}: {error}"
    return outcome


def _judge(recorded: Recorded, tools: Toolbox, outcome: Outcome) -> None:
    known = Known(tools=tools, assets=recorded.files)
    outcome.read = normalise(recorded.record, known)
    try:
        plan = parse_plan(outcome.read)
        outcome.faults = check(plan, known)
    except InvalidPlan as error:
        malformed = [Fault(**item) for item in error.errors]
        outcome.faults = [*malformed, *unknown_tools(outcome.read, known)]
    outcome.unknown = set(_asked(recorded.record)) - {plain(name) for name in tools}
    told = {plain(found) for fault in outcome.faults for found in _quoted(fault)}
    outcome.unnamed = outcome.unknown - told
    if not outcome.faults:
        outcome.plan = plan
        model = ModelSpec(id="any", backend="none", tools=frozenset(tools))
        lowered, faults = lower(plan, known, {"any": model}, Policy())
        outcome.lowered = not faults and len(lowered.steps) >= len(plan.steps)


def _quoted(fault: Fault) -> list[str]:
    """The tool that a fault names with a suggestion."""
    found = re.fullmatch(r"There is no tool (.*)\.", fault.reason, re.DOTALL)
    return [str(literal_eval(found[1]))] if found and fault.suggestion else []


def _asked(record: Mapping[str, Any]) -> Iterator[str]:
    inside = record["result"] if isinstance(record.get("result"), Mapping) else record
    nodes = inside.get("task_nodes")
    for node in nodes if isinstance(nodes, list) else ():
        if isinstance(node, Mapping) and isinstance(name := tool_name(node), str):
            yield plain(name)


def reason_of(fault: Fault) -> str:
    """The kind of a fault."""
    return next((name for name, form in _REASONS if re.search(form, fault.reason)), "malformed")


def measure(plans: list[Recorded], gold: list[Recorded], tools: str = "") -> dict[str, Any]:
    """All plans against one tool set, or each against its own; plain JSON."""
    wanted = {item.key: written_graph(item.record) for item in gold}
    counts: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    scores: dict[str, Agreement] = defaultdict(Agreement)
    errors: list[str] = []
    for item in plans:
        outcome = judge(item, tools_of(tools or item.tools))
        counts.update(
            plans=1,
            exceptions=bool(outcome.error),
            accepted=outcome.plan is not None,
            refused=bool(outcome.faults),
            executable=outcome.lowered,
            unknown_tools=len(outcome.unknown),
            unknown_tools_unnamed=len(outcome.unnamed),
        )
        reasons.update({reason_of(fault) for fault in outcome.faults})
        if outcome.error:
            errors.append(f"{item.by} {item.record.get('id')}: {outcome.error}")
        if item.key in wanted and not outcome.error:
            counts["with_gold"] += 1
            graphs = {"written": written_graph(item.record), "read": read_graph(outcome.read)}
            if outcome.plan is not None:
                graphs |= {f"accepted, {name}": graph for name, graph in graphs.items()}
            for name, graph in graphs.items():
                scores[f"{name}: nodes"].add(graph.nodes, wanted[item.key].nodes)
                scores[f"{name}: edges"].add(graph.edges, wanted[item.key].edges)
    return {
        **counts,
        "refused_by_reason": dict(reasons.most_common()),
        "f1": {name: score.f1 for name, score in scores.items()},
        "errors": errors,
    }


def table(title: str, found: Mapping[str, Any]) -> str:
    """The figures for people."""
    lines = [title]
    for name, value in found.items():
        if isinstance(value, int):
            lines.append(f"  {name.replace('_', ' '):38} {value:6}")
    lines += [
        f"    refused: {name:27} {count:8}" for name, count in found["refused_by_reason"].items()
    ]
    lines += [
        f"  F1 {name:35} {'none' if score is None else format(score, '6.3f'):>6}"
        for name, score in found["f1"].items()
    ]
    return "\n".join([*lines, *(f"  EXCEPTION {error}" for error in found["errors"])])


def main() -> None:
    """Prints the figures; fails when a rule is broken."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--plans", type=Path, help="JSON lines of plans; default: the recorded")
    parser.add_argument("--tools", default="", help=f"a tool_desc.json, or {OWN!r}")
    parser.add_argument("--gold", type=Path, help="JSON lines of gold graphs, matched by id")
    parser.add_argument("--json", action="store_true", help="figures as JSON")
    asked = parser.parse_args()
    if asked.plans is not None:
        tools = asked.tools or OWN
        gold = load(asked.gold, tools) if asked.gold else []
        runs = {str(asked.plans): measure(load(asked.plans, tools), gold)}
    else:
        plans, gold = load(RECORDED / "plans.jsonl"), load(RECORDED / "gold.jsonl")
        runs = {
            "Recorded plans, the tools that they were written for": measure(plans, gold),
            "Gold graphs, the tools that they were written for": measure(gold, gold),
            "Recorded plans and gold graphs, Medley's tools": measure([*plans, *gold], [], OWN),
        }
    print(
        json.dumps(runs, indent=2)
        if asked.json
        else "\n\n".join(table(title, found) for title, found in runs.items())
    )
    broken = ("exceptions", "unknown_tools_unnamed")
    failed = any(
        any(found[name] for name in broken) or found["accepted"] != found["executable"]
        for found in runs.values()
    )
    raise SystemExit(1 if failed else 0)


if __name__ == "__main__":
    main()

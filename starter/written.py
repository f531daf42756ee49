"""Requests written by hand, with their plans: the part of the training that no pattern makes up.

A file of them holds two lines for each, and blank lines and `#` comments between them:

    i a"dog.wav" :: What is in the picture? Then draw what you hear.
    -> describe(a1); embedding_to_image(a2)

The first line names the files that come with the request (`i` picture, `a` sound, `v` video, `-`
none; a digit is how many turns ago it came, a name in quotes is its file name), then the request.
The second is the plan, as Python calls: `a1` is the first file, `s1` the main output of the first
step, a string is a piece of the request, a keyword is an input or a parameter.

    python -m starter.written FILE…      checks files and says what is wrong in them
"""

import ast
import random
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from medley.gate import Known, check, parse_plan
from medley.modality import Modality
from medley.tools import Tool
from medley.toolset import toolbox
from starter.concepts import HERE
from starter.requests import _OPEN, PREFIX, Sample, Writer, _Value, finish
from starter.requests_slips import slip
from starter.tools import starter_tools

FOLDER = HERE / "written"
_FILE = re.compile(r'([iav])(\d?)(?:"([^"]+)")?')
_ORDERED = re.compile(
    r"\b(first|1st|second|2nd|third|3rd|fourth|last|former|latter|middle|next|previous|other|"
    r"one|two|three|four|rest|top|bottom|front|end|initial|final|opening|closing|left|right)\b"
    r"|[第前后上下头末中另其剩]",
    re.IGNORECASE,
)
_CHINESE = re.compile(r"[\u4e00-\u9fff]")
_MODALITY = {letter: name for name, letter in PREFIX.items()}


@dataclass(frozen=True)
class Written:
    """A request whose quotable pieces are marked, its files and its steps."""

    marked: str
    assets: tuple[_Value, ...]
    steps: list[dict[str, Any]]
    pieces: int

    @property
    def language(self) -> str:
        """ "en" or "zh"."""
        return "zh" if _CHINESE.search(self.marked) else "en"

    def sample(self, rng: random.Random | None = None) -> Sample:
        """As it was written; given dice, as somebody in a hurry may type it, and where names alone
        tell the files apart, with the files in another order.
        """
        text = slip(rng, self.marked) if rng and self.language == "en" else self.marked
        assets, steps = list(self.assets), self.steps
        if rng and self._named() and rng.random() < 0.5:
            rng.shuffle(assets)
            ids = {str(old.binding["asset"]): f"a{n}" for n, old in enumerate(assets, start=1)}
            assets = [
                replace(old, binding={"asset": f"a{n}"}) for n, old in enumerate(assets, start=1)
            ]
            steps = _renamed(steps, ids)
        writer = Writer(rng or random.Random(0), self.language, assets)
        writer.steps, writer.spans = steps, self.pieces
        return finish(writer, text)

    def _named(self) -> bool:
        """Whether names alone tell the files apart: then their order says nothing."""
        names = {asset.name for asset in self.assets}
        old = any(asset.turn for asset in self.assets)
        distinct = len(names) == len(self.assets) > 1 and "" not in names
        tools = [step["tool"] for step in self.steps]
        each = len(set(tools)) < len(tools) or any(
            isinstance(value, list) for step in self.steps for value in step["inputs"].values()
        )
        return distinct and not old and not each and not _ORDERED.search(self.marked)


def _renamed(node: Any, ids: Mapping[str, str]) -> Any:
    if isinstance(node, list):
        return [_renamed(item, ids) for item in node]
    if isinstance(node, dict):
        return {
            key: ids[value] if key == "asset" else _renamed(value, ids)
            for key, value in node.items()
        }
    return node


def read(first: str, second: str) -> Written:
    """One request from its two lines.

    Raises:
        ValueError: what is wrong with them.
    """
    scene, found, request = first.partition(" :: ")
    if not found or not second.startswith("->"):
        raise ValueError("a request is `files :: words`, the next line `-> calls`")
    reader = _Reader(request.strip())
    steps = [
        reader.step(place, call) for place, call in enumerate(_calls(second[2:].strip()), start=1)
    ]
    written = Written(reader.marked(), _files(scene.strip()), steps, len(reader.pieces))
    sample = written.sample()
    known = Known(
        tools=starter_tools(),
        assets={asset["id"]: Modality(asset["modality"]) for asset in sample.assets},
    )
    faults = check(parse_plan({"steps": sample.steps}), known) if steps else []
    if faults:
        raise ValueError("; ".join(f"{fault.pointer}: {fault.reason}" for fault in faults))
    return written


def _files(scene: str) -> tuple[_Value, ...]:
    if scene == "-":
        return ()
    if re.sub(_FILE, "", scene).strip():
        raise ValueError(f"{scene!r} does not name files")
    return tuple(
        _Value({"asset": f"a{place}"}, _MODALITY[letter], name=name, turn=int(turn or 0))
        for place, (letter, turn, name) in enumerate(_FILE.findall(scene), start=1)
    )


def _calls(line: str) -> Sequence[ast.Call]:
    try:
        body = ast.parse(line).body
    except SyntaxError as error:
        raise ValueError(f"the plan cannot be read: {error.msg}") from None
    calls = [node.value for node in body if isinstance(node, ast.Expr)]
    known = [call for call in calls if isinstance(call, ast.Call)]
    if len(known) < len(body):
        raise ValueError("a plan is calls of tools, parted by semicolons")
    return known


class _Reader:
    """Turns calls into steps, and remembers which pieces of the request they quote."""

    def __init__(self, request: str) -> None:
        self.request = request
        self.pieces: list[str] = []
        self.outputs: dict[str, str] = {}

    def step(self, place: int, call: ast.Call) -> dict[str, Any]:
        name = ast.unparse(call.func)
        tool = toolbox().get(name)
        if tool is None or not tool.planned:
            raise ValueError(f"there is no tool {name}")
        given = dict(zip(tool.inputs, call.args, strict=False))
        if len(given) < len(call.args):
            raise ValueError(f"{name} has fewer inputs than that")
        params: dict[str, Any] = {}
        for keyword in call.keywords:
            key = str(keyword.arg)
            if key in tool.inputs:
                given[key] = keyword.value
            else:
                value = ast.literal_eval(keyword.value)
                params[key] = self._quote(value) if key == "question" else value
        self.outputs[f"s{place}"] = next(iter(tool.outputs))
        inputs = {key: self._inputs(node, tool, key) for key, node in given.items()}
        step: dict[str, Any] = {"id": f"s{place}", "tool": name, "inputs": inputs}
        return {**step, "params": params} if params else step

    def marked(self) -> str:
        """The request with a pair of private characters around each quoted piece."""
        marks: list[tuple[int, int, str]] = []
        for number, piece in enumerate(self.pieces):
            start = self.request.index(piece)
            marks.append((start, -len(piece), chr(_OPEN + 2 * number)))
            marks.append((start + len(piece), -len(self.request), chr(_OPEN + 2 * number + 1)))
        text, end = [], 0
        for place, _, mark in sorted(marks):
            text += [self.request[end:place], mark]
            end = place
        return "".join(text) + self.request[end:]

    def _inputs(self, node: ast.expr, tool: Tool, key: str) -> Any:
        if isinstance(node, ast.List):
            return [self._binding(item) for item in node.elts]
        return [self._binding(node)] if tool.inputs[key].many else self._binding(node)

    def _binding(self, node: ast.expr) -> dict[str, Any]:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return self._quote(node.value)
        word = ast.unparse(node)
        if re.fullmatch(r"a\d+", word):
            return {"asset": word}
        if word in self.outputs:
            return {"from": f"{word}.{self.outputs[word]}"}
        raise ValueError(f"{word!r} is neither a file, an earlier step nor a piece of the request")

    def _quote(self, piece: str) -> dict[str, Any]:
        if not piece or piece not in self.request:
            raise ValueError(f"{piece!r} is no piece of the request")
        if piece not in self.pieces:
            self.pieces.append(piece)
        return {"text": self.pieces.index(piece)}


def load(files: Sequence[Path] = (), faults: list[str] | None = None) -> list[Written]:
    """All requests of these files, or of those that are part of the training.

    Raises:
        ValueError: a request is wrong, unless a list is given that takes what is wrong.
    """
    found = []
    for file in files or sorted(FOLDER.glob("*.txt")):
        lines = [line.strip() for line in file.read_text(encoding="utf-8").splitlines()]
        numbered = [(n, s) for n, s in enumerate(lines, 1) if s and not s.startswith("#")]
        place = 0
        while place < len(numbered):
            number, first = numbered[place]
            second = numbered[place + 1][1] if place + 1 < len(numbered) else ""
            place += 2 if second.startswith("->") else 1
            try:
                found.append(read(first, second))
            except (ValueError, LookupError) as error:
                if faults is None:
                    raise ValueError(f"{file.name}:{number}: {error}") from error
                faults.append(f"{file.name}:{number}: {error}")
    return found


def main() -> int:
    """Checks files: says what is wrong in them, and how many requests use each tool."""
    faults: list[str] = []
    found = load([Path(name) for name in sys.argv[1:]], faults)
    counts: dict[str, int] = {}
    for item in found:
        for step in item.steps or [{"tool": "(nothing to do)"}]:
            counts[step["tool"]] = counts.get(step["tool"], 0) + 1
    print("\n".join(faults))
    print(f"{len(found)} requests;", ", ".join(f"{k} {v}" for k, v in sorted(counts.items())))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())

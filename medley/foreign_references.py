"""References in foreign plans: the many ways to write "what that step gives". Pure text.

A reference is marked (`<node-0>`, `<output of node-4>`, `${Step 1.output}`, `$[0].url`), or said
(`output of Image Downloader`, `transcribed text from step 4`). A marked one is never mere words:
where it leads nowhere the plan is refused. A said one counts only when it names a step by its
number, or a tool of the plan.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

LONGEST = 120  #: characters of a reference; what is longer is words
_QUOTES = "'\"`“”‘’ \t\n"
_OUTPUT = r"(?:[.#:\s_]+(?:outputs?|results?)\b)"
_NUMBERED = re.compile(
    r"<\s*(?P<kind>GENERATED|node|step)\s*>?[\s_-]*(?P<name>\w+)\s*>?(?:\.(?P<output>\w+))?",
    re.IGNORECASE,
)
_PLACE = re.compile(r"\$\[(?P<name>\d+)\](?:\.(?P<output>\w+))?\$?")
_MARKED = (
    re.compile(r"<([^<>]+)>(?:\.\w+)?"),
    re.compile(r"\$\{([^{}]+)\}"),
    re.compile(r"\{\{([^{}]+)\}\}"),
    re.compile(r"%\{([^{}%]+)[}%]{1,2}"),
    re.compile(r"\{([^{}:\"'\[\],]+)\}"),
    re.compile(r"\$([A-Z0-9_]{3,})\$"),
)
_SAID_STEP = re.compile(
    r"(?:[\w'-]+[\s_]+){0,8}?(?:(?:of|from|in|by)[\s_]+)?(?:the[\s_]+)?"
    r"(?P<kind>step|node|task)[\s_-]*(?P<name>\d+)(?:[.#:](?P<output>\w+))?",
    re.IGNORECASE,
)
_SAID_TOOL = re.compile(
    r"(?:the[\s_]+)?(?:outputs?|results?)(?:[\s_]+\w+){0,3}?[\s_]+(?:of|from)[\s_]+(?:the[\s_]+)?"
    r"(?P<name>.+)",
    re.IGNORECASE,
)
_TOOL_SAID = re.compile(rf"(?P<name>.+?){_OUTPUT}+[}}%]*", re.IGNORECASE)
_MENTION = re.compile(
    r"<\s*(?:node|step|GENERATED)[\s>_-]*\d|[<\[]\s*(?:the )?output[\s_]+(?:of|from)\s",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Reference:
    """A step by its number, or by a name: its id, or its tool."""

    name: str
    numbered: str = ""  # "node" or "step": which of them are counted
    output: str = ""
    marked: bool = True  # cannot be mere words

    @property
    def number(self) -> int | None:
        """The number that it gives."""
        short = self.name.isdecimal() and len(self.name) < 6
        return int(self.name) if self.numbered and short else None


def reference(text: str) -> Reference | None:
    """The reference that a whole text is; None where it is words."""
    text = text.strip(_QUOTES)
    if not text or len(text) > LONGEST:
        return None
    for pattern in (_NUMBERED, _PLACE):
        if found := pattern.fullmatch(text):
            kind = "step" if found.groupdict().get("kind", "").lower() == "step" else "node"
            return Reference(found["name"].lower(), kind, found["output"] or "")
    for pattern in _MARKED:
        if found := pattern.fullmatch(text):
            inside = found[1].strip()
            return _said(inside, marked=True) or Reference(inside)
    inside = text[1:-1] if text[0] + text[-1] == "[]" else text
    return _said(inside, marked=False)


def mentions(text: str) -> bool:
    """Whether a text that is no reference as a whole holds one."""
    return bool(_MENTION.search(text))


def _said(text: str, *, marked: bool) -> Reference | None:
    """A reference in words."""
    if found := _SAID_STEP.fullmatch(text):
        kind = "node" if found["kind"].lower() == "node" else "step"
        alone = text.lower().startswith(found["kind"].lower())
        # "step 2" alone may be words; "the text of step 2" is not.
        return Reference(found["name"], kind, found["output"] or "", marked or not alone)
    for pattern in (_SAID_TOOL, _TOOL_SAID):
        if found := pattern.fullmatch(text):
            return Reference(found["name"].strip(), marked=marked)
    return None


def numbers(value: Any, depth: int = 0) -> Iterator[Reference]:
    """The references by number in the arguments of a step, however they are nested."""
    if isinstance(value, str):
        found = reference(value)
        if found is not None and found.number is not None and found.marked:
            yield found
    elif depth < 8 and isinstance(value, Mapping):
        for item in value.values():
            yield from numbers(item, depth + 1)
    elif depth < 8 and isinstance(value, list):
        for item in value:
            yield from numbers(item, depth + 1)


def counted_from(
    uses: Collection[tuple[int, int]],
    count: int,
    usual: int,
    linked: Callable[[int, int], bool] | None,
) -> int | None:
    """Whether steps are counted from 0 or from 1; None where that is not certain.

    `uses`: each a place in the plan and the number that is written there. `linked` says whether the
    listed links lead from one place to another; None where none are listed. `usual` is how such
    numbers are counted where nothing speaks against it.
    """
    if any(number == 0 for _, number in uses):
        return 0
    possible = [
        start
        for start in (0, 1)
        if all(start <= number < count + start and number - start != at for at, number in uses)
    ]
    if len(possible) < 2:
        return possible[0] if possible else None
    if linked is None:
        return usual
    agreeing = [
        start for start in possible if all(linked(number - start, at) for at, number in uses)
    ]
    if len(agreeing) == 1:
        return agreeing[0]
    return usual if agreeing else None

"""A server's list of tools: what becomes a tool of Medley, and why the rest does not. Pure."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from pydantic import Field, ValidationError

from medley.mcp.declaration import MAX_ABOUT, Declaration, Parameter, Shape, one_line
from medley.mcp.schema import Untyped, read_schema

CALLED = r"^[A-Za-z0-9_./-]{1,64}$"
TEXTUAL = frozenset({"text", "query", "prompt", "input"})  #: names of arguments that are content
MAX_TOOLS = 32  #: of one server: more would only confuse a planner


class Offered(Shape):
    """A tool as it was when its server was attached. `called` is its name there, `digest` stands
    for everything that the server said about it.
    """

    called: str = Field(pattern=CALLED)
    digest: str = Field(pattern=r"^[0-9a-f]{64}$")
    declaration: Declaration


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Something that cannot be used: a tool, or one parameter of a tool that can."""

    name: str
    why: str


@dataclass(frozen=True, slots=True)
class Listing:
    """What came of a server's list."""

    tools: list[Offered]
    left_out: list[LeftOut]


def read_listing(
    server: str, listed: Sequence[Mapping[str, Any]], patterns: Sequence[str] = ()
) -> Listing:
    """The tools that can be typed, of those that fit one of the patterns (`*` and `?`; none: all).

    `listed` holds `digest` and `tool` (as MCP writes it) for each.
    """
    found = Listing([], [])
    for item in listed:
        tool = item["tool"]
        called = tool.get("name") if isinstance(tool, Mapping) else None
        if (
            isinstance(called, str)
            and patterns
            and not any(fnmatchcase(called, pattern) for pattern in patterns)
        ):
            continue
        try:
            offered, lost = _offered(server, tool, str(item["digest"]))
        except Untyped as why:
            found.left_out.append(LeftOut(one_line(str(called), 64), str(why)))
            continue
        found.tools.append(offered)
        found.left_out.extend(LeftOut(f"{called}, parameter {name}", why) for name, why in lost)
    return _without_doubles(found)


def _without_doubles(found: Listing) -> Listing:
    """Names that would mean two tools mean none."""
    count = Counter(item.declaration.name for item in found.tools)
    doubles = [item for item in found.tools if count[item.declaration.name] > 1]
    why = "another tool of this server has the same name here"
    return Listing(
        [item for item in found.tools if count[item.declaration.name] == 1],
        [*found.left_out, *(LeftOut(item.called, why) for item in doubles)],
    )


def _offered(
    server: str, tool: Mapping[str, Any], digest: str
) -> tuple[Offered, list[tuple[str, str]]]:
    called = tool.get("name")
    if not isinstance(called, str) or not re.fullmatch(CALLED, called):
        raise Untyped("its name is not made of letters, digits and _ - . /")
    read = read_schema(tool.get("inputSchema"))
    text = _text_of(read.params)
    about, hints = tool.get("description"), tool.get("annotations")
    hints = hints if isinstance(hints, Mapping) else {}
    try:
        declaration = Declaration(
            name=f"{server}.{re.sub('[-./]', '_', called).lower()}",
            about=one_line(about, MAX_ABOUT) if isinstance(about, str) else "",
            text=text,
            params=tuple(item for item in read.params if item is not text),
            again=hints.get("readOnlyHint") is True or hints.get("idempotentHint") is True,
        )
        return Offered(called=called, digest=digest, declaration=declaration), read.left_out
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise Untyped(f"its {place} cannot be used: {first['msg']}") from None


def _text_of(params: Sequence[Parameter]) -> Parameter | None:
    """The argument that surely is content: the only required one with such a name, and a string."""
    found = [
        item
        for item in params
        if item.required and item.name.lower() in TEXTUAL and item.kind == "string"
    ]
    if len(found) != 1 or found[0].many or found[0].options:
        return None
    return found[0]

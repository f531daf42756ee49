"""Options that several commands share, and how they print JSON and tables."""

import json
from collections.abc import Iterable, Sequence
from typing import Annotated, Any

import typer

from medley.settings import Settings

Json = Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else, on stdout.")]
Url = Annotated[
    str | None,
    typer.Option("--url", help="The service to talk to; otherwise MEDLEY_URL or a running one."),
]

ToolsFrom = Annotated[
    list[str] | None,
    typer.Option("--tools-from", help="An attached MCP server whose tools may be used."),
]


def settings_for(url: str | None = None, **changes: Any) -> Settings:
    """Settings of the environment with what the options change; None changes nothing."""
    given = {name: value for name, value in {"url": url, **changes}.items() if value is not None}
    return Settings(**given)


def print_json(data: Any) -> None:
    """The same JSON as the service gave."""
    typer.echo(json.dumps(data, indent=2, ensure_ascii=False))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Columns as wide as they must be; plain text, so that `grep` and `awk` can read it."""
    lines = [tuple(columns), *(tuple("" if c is None else str(c) for c in row) for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        typer.echo("  ".join(cells).rstrip())

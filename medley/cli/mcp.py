"""`medley mcp`: MCP servers whose tools Medley may use: attach, list, detach."""

import os
import re
import shlex
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from medley.cli.draw import say
from medley.cli.options import Json, print_json, print_table, settings_for
from medley.errors import CallerError, MedleyError
from medley.mcp.declaration import RESERVED, SERVER, one_line
from medley.mcp.listing import MAX_TOOLS, Listing, read_listing
from medley.mcp.snapshot import Server, Snapshot, files, load, remove, save

app = typer.Typer(help="MCP servers as further tools: attach, list, detach.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Short name of the server.", metavar="NAME")]


class NothingToUse(CallerError):
    """None of a server's tools, or too many of them, can be used."""

    code = "nothing_to_use"
    status = 422


@app.command()
def attach(
    name: Name,
    url: Annotated[str | None, typer.Option("--url", help="Its address (streamable HTTP).")] = None,
    command: Annotated[
        str | None, typer.Option("--command", help="What starts it here; it speaks on its pipes.")
    ] = None,
    token: Annotated[
        typer.FileText | None,
        typer.Option("--token-file", help="A file with the token of its address; - reads it here."),
    ] = None,
    patterns: Annotated[
        list[str] | None,
        typer.Option("--tool", help="Only its tools of such names; * and ? stand for others."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Look at a server's tools once and keep what can be typed. Attach it again to look again.

    A command runs as you, here and in each worker, with a bare environment.
    """
    server = _server(name, url, command, token.read(9000).strip() if token else None)
    from medley.mcp.asking import list_tools

    listing = read_listing(name, list_tools(server), patterns or ())
    if not as_json:
        for item in listing.left_out:
            say(f"left out  {item.name}: {item.why}")
    _require_some(listing, name)
    try:
        snapshot = Snapshot.of(name, server, listing.tools)
    except ValidationError as error:
        raise NothingToUse(error.errors()[0]["msg"]) from None
    save(settings_for().home, snapshot)
    if as_json:
        left_out = [{"name": item.name, "why": item.why} for item in listing.left_out]
        print_json({**_shown(snapshot), "left_out": left_out})
        return
    for tool in snapshot.tools:
        typer.echo(f"{tool.declaration.name}  {tool.declaration.about}".rstrip())
    say(
        f"Jobs may use them when they say so: --tools-from {name}, or options.tools_from. "
        "A running service learns of them within seconds."
    )


@app.command("list")
def list_servers(as_json: Json = False) -> None:
    """The attached servers and their tools."""
    found = []
    for path in files(settings_for().home):
        try:
            found.append(_shown(load(path)))
        except MedleyError as error:
            found.append({"name": path.stem, "error": error.message})
    if as_json:
        print_json({"object": "list", "data": found})
        return
    print_table(
        ("NAME", "ATTACHED", "SERVER", "TOOLS"),
        (
            (
                item["name"],
                str(item.get("attached_at", ""))[:19],
                one_line(str(item.get("server", item.get("error"))), 60),
                ", ".join(tool["name"].partition(".")[2] for tool in item.get("tools", ())),
            )
            for item in found
        ),
    )


@app.command()
def detach(name: Name, as_json: Json = False) -> None:
    """Forget a server; no step calls it any more."""
    remove(settings_for().home, name)
    print_json({"name": name, "detached": True}) if as_json else typer.echo(f"{name}  detached")


def _server(name: str, url: str | None, command: str | None, token: str | None) -> Server:
    if not re.fullmatch(SERVER, name) or name in RESERVED:
        raise typer.BadParameter(
            f"{name!r} cannot be a name: a small letter, then small letters, digits, - and _, "
            f"20 at most; not {', '.join(sorted(RESERVED))}"
        )
    if (url is None) == (command is None):
        raise typer.BadParameter("give either --url or --command")
    try:
        words = shlex.split(command or "")
        return Server(
            url=url, command=tuple(words), folder=os.getcwd() if words else "", token=token
        )
    except ValidationError:
        raise typer.BadParameter(
            "an address is http:// or https:// without a user name; a command has a word at least; "
            "a token is one word, for an address that is https:// or of this machine"
        ) from None
    except ValueError as error:
        raise typer.BadParameter(f"{command!r} cannot be read: {error}") from None


def _require_some(listing: Listing, name: str) -> None:
    found = len(listing.tools)
    if not found:
        raise NothingToUse(f"{name} has no tool that can be used here; nothing is attached.")
    if found > MAX_TOOLS:
        raise NothingToUse(
            f"{name} has {found} tools; at most {MAX_TOOLS} are attached. Choose some with --tool."
        )


def _shown(snapshot: Snapshot) -> dict[str, Any]:
    return {
        "name": snapshot.name,
        "server": str(snapshot.server),
        "attached_at": snapshot.attached_at.isoformat(),
        "hash": snapshot.hash,
        "tools": [
            {"name": tool.declaration.name, "about": tool.declaration.about}
            for tool in snapshot.tools
        ],
    }

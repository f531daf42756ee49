"""`medley models`: which models serve which tools here."""

from collections.abc import Sequence

import typer

from medley.cli.options import Json, Url, print_json, print_table, settings_for
from medley.cli.service import service

app = typer.Typer(help="Models: what is there, and what serves what.", no_args_is_help=True)


@app.command("list")
def list_models(as_json: Json = False, url: Url = None) -> None:
    """The models of the catalogue."""
    with service(settings_for(url)) as client:
        page = client.get("/v1/models")
    if as_json:
        print_json(page)
        return
    print_table(
        ("MODEL", "STATUS", "LICENCE", "TOOLS"),
        (
            (m["id"], m.get("status"), m.get("licence"), _few(m.get("tools") or ()))
            for m in page["data"]
        ),
    )


def _few(tools: Sequence[str]) -> str:
    """The first tools by name; `--json` has them all."""
    shown = ", ".join(tools[:6])
    return shown if len(tools) <= 6 else f"{shown}, and {len(tools) - 6} more"

"""`medley doctor`: what this machine has, and with `--invariants` whether the database keeps the
engine's promises.
"""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from medley.cli.exits import Exit
from medley.cli.options import Json, print_json, settings_for
from medley.errors import MedleyError, Unavailable

if TYPE_CHECKING:
    from medley.doctor import Finding
    from medley.settings import Settings


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command()(doctor)


def doctor(
    invariants: Annotated[
        bool, typer.Option("--invariants", help="Check the database's invariants instead.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Look at this machine and say what is missing. Changes nothing."""
    if invariants:
        _invariants(as_json)
    from medley.doctor import Level, examine

    settings = settings_for()
    findings = [*examine(settings), *_of_profiles(settings)]
    unsound = any(finding.level is Level.FAULT for finding in findings)
    if as_json:
        print_json({"sound": not unsound, "findings": [asdict(finding) for finding in findings]})
        raise typer.Exit(Exit.UNSOUND if unsound else Exit.OK)
    marks = {Level.OK: "✓", Level.NOTE: "·", Level.FAULT: "✗"}
    for finding in findings:
        typer.echo(f"{marks[finding.level]} {finding.check:<10} {finding.says}")
        if finding.level is Level.FAULT and finding.helps:
            typer.echo(f"{'':<13}→ {finding.helps}")
    raise typer.Exit(Exit.UNSOUND if unsound else Exit.OK)


def _of_profiles(settings: "Settings") -> "list[Finding]":
    from medley.cli.fitting import profile_findings
    from medley.doctor import Finding, Level

    try:
        return profile_findings(settings)
    except (MedleyError, OSError) as error:
        return [Finding(check="profile", level=Level.FAULT, says=str(error))]


def _invariants(as_json: bool) -> None:
    from medley.doctor import database_url

    settings = settings_for()
    url = database_url(settings)
    if url is None:
        raise Unavailable("no database: set MEDLEY_DATABASE_URL, or start `medley up`")
    from orchestrator.assets import FolderStore
    from orchestrator.database import connect
    from orchestrator.invariants import check

    store = FolderStore(settings.asset_folder)
    with connect(url) as connection:
        broken = [found.to_data() for found in check(connection, has_bytes=store.exists)]
    if as_json:
        print_json({"sound": not broken, "broken": broken})
    else:
        for item in broken:
            typer.echo(f"✗ {item['rule']}  {item['about']}  {item['detail']}")
        if not broken:
            typer.echo("✓ every invariant holds")
    raise typer.Exit(Exit.UNSOUND if broken else Exit.OK)

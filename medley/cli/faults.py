"""Errors of a command become one message on standard error and one exit code; never a trace for the
caller's fault.
"""

import json
import sys
from typing import Any

import typer
from typer.core import TyperGroup

from medley.cli.exits import Exit
from medley.client import Refused
from medley.errors import CallerError, MedleyError, Unavailable


class Commands(TyperGroup):
    """The group of all commands."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command; turn the errors that we know into exit codes."""
        try:
            return super().invoke(ctx)
        except MedleyError as error:
            _report(error)
            raise typer.Exit(_exit_code(error)) from None
        except KeyboardInterrupt:
            sys.stderr.write("\ninterrupted\n")
            raise typer.Exit(Exit.INTERRUPTED) from None


def _exit_code(error: MedleyError) -> Exit:
    if isinstance(error, Unavailable):
        return Exit.UNAVAILABLE
    if isinstance(error, Refused):
        return Exit.REFUSED if error.http_status < 500 else Exit.UNAVAILABLE
    return Exit.REFUSED if isinstance(error, CallerError) else Exit.FAILED


def _report(error: MedleyError) -> None:
    if "--json" in sys.argv:
        data = error.problem if isinstance(error, Refused) else error.to_data()
        sys.stdout.write(json.dumps({"error": data}) + "\n")
        return
    sys.stderr.write(f"medley: {error.message}\n")

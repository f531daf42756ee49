"""`medley`: the commands, and what their errors look like."""

import typer

from medley.cli import (
    align,
    doctor,
    jobs,
    keys,
    mcp,
    models,
    recipe,
    run,
    serve,
    webhooks,
    workflows,
)
from medley.cli.exits import EPILOG
from medley.cli.faults import Commands

app = typer.Typer(
    name="medley",
    cls=Commands,
    help="Words, pictures, sound and video in; a plan; words, pictures, sound and video out.",
    epilog=EPILOG,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
serve.register(app)
run.register(app)
recipe.register(app)
align.register(app)
app.add_typer(jobs.app, name="jobs")
app.add_typer(workflows.app, name="workflows")
app.add_typer(models.app, name="models")
app.add_typer(mcp.app, name="mcp")
app.add_typer(keys.app, name="keys")
app.add_typer(webhooks.app, name="webhooks")
doctor.register(app)


@app.command()
def version() -> None:
    """Print the version."""
    from importlib.metadata import version as installed

    typer.echo(installed("medley-orchestrator"))

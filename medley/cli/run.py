"""`medley run`: one request from words and files to answer and files."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from medley.cli.draw import say
from medley.cli.exits import Exit
from medley.cli.options import Json, ToolsFrom, Url, print_json, settings_for
from medley.cli.outcome import finish, interrupted, watch
from medley.cli.service import service_or_own
from medley.client import Job, Medley
from medley.recipe import NoRecipe


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command()(run)


def run(
    words: Annotated[
        str | None, typer.Argument(help="What you want, in your own words.", show_default=False)
    ] = None,
    made: Annotated[
        Path | None,
        typer.Option(
            "--from",
            exists=True,
            dir_okay=False,
            help="A produced file: makes it again, with its models and seeds.",
        ),
    ] = None,
    inputs: Annotated[
        list[Path] | None,
        typer.Option("--input", "-i", exists=True, dir_okay=False, help="A file to send along."),
    ] = None,
    folder: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder for the produced files.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Plan only; run nothing.")] = False,
    approve: Annotated[
        bool, typer.Option("--approve", help="Show the plan and ask before it runs.")
    ] = False,
    seed: Annotated[int | None, typer.Option("--seed", help="Seed of what is generated.")] = None,
    best_of: Annotated[
        int, typer.Option("--best-of", min=1, max=8, help="Draw so many and take the best.")
    ] = 1,
    min_score: Annotated[
        float | None,
        typer.Option("--min-score", min=-1, max=1, help="Cosine that a drawing should reach."),
    ] = None,
    redraws: Annotated[
        int, typer.Option("--redraws", min=0, max=8, help="How often to draw once more below it.")
    ] = 0,
    models: Annotated[
        list[str] | None,
        typer.Option("--model", "-m", metavar="TOOL=MODEL", help="Which model serves a tool."),
    ] = None,
    max_gpu_seconds: Annotated[
        float | None, typer.Option("--max-gpu-seconds", min=0.001, help="Budget of the job.")
    ] = None,
    max_output_tokens: Annotated[
        int | None,
        typer.Option("--max-output-tokens", min=1, help="Of each step of the language model."),
    ] = None,
    commercial_only: Annotated[
        bool, typer.Option("--commercial-only", help="Only models whose licence permits it.")
    ] = False,
    tools_from: ToolsFrom = None,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """Send a request, watch its plan run, print the answer and write the produced files.

    Without a running service one is started for this command alone.
    """
    wanted = {
        "seed": seed,
        "approve": "plan" if approve else None,
        "best_of": best_of if best_of > 1 else None,
        "min_score": min_score,
        "max_redraws": redraws or None,
        "models": _pairs(models or []),
        "max_gpu_seconds": max_gpu_seconds,
        "max_output_tokens": max_output_tokens,
        "commercial_only": commercial_only or None,
        "tools_from": tools_from or None,
    }
    options: dict[str, Any] = {name: value for name, value in wanted.items() if value is not None}
    talks = not as_json and sys.stdin.isatty()
    if not talks:
        options["ask"] = False  # nobody is there to answer
    if (words is None) == (made is None):
        raise typer.BadParameter("Say what you want, or name a file with --from: one of them.")
    with service_or_own(settings_for(url), quiet=as_json) as client:
        if made is not None:
            plan = _again(client, made, inputs or [])
            if dry_run:
                _show_plan(client.post("/v1/plans", {"plan": plan, "options": options}), as_json)
                return
            job = client.run_plan(plan, options=options)
        elif dry_run:
            _show_plan(client.plan(words or "", inputs or [], options=options), as_json)
            return
        else:
            job = client.run(words or "", inputs or [], options=options)
        try:
            ended = _attend(client, job, approve=approve, talks=talks, quiet=as_json)
        except KeyboardInterrupt:
            interrupted(client, job.id)
            raise typer.Exit(Exit.INTERRUPTED) from None
        raise finish(client, ended, folder=folder, as_json=as_json)


def _again(client: Medley, made: Path, inputs: list[Path]) -> dict[str, Any]:
    """The plan that makes this file again; `inputs` are sent first, it may need them.

    Raises `NoRecipe` when it cannot be made here.
    """
    for file in inputs:
        client.upload(file)
    found = client.read_recipe(made)
    for note in found["notes"]:
        say(note)
    if found["missing"]:
        names = {key: item.get("name") for key, item in found["recipe"].get("inputs", {}).items()}
        lines = [f"  {names.get(key) or 'a file'}, SHA-256 {key}" for key in found["missing"]]
        reads = "\n".join(["It reads files that are not here; send them with -i:", *lines])
        raise NoRecipe(f"{made.name} cannot be made again yet. {reads}")
    if found["job"] is None:
        raise NoRecipe(f"The recipe in {made.name} names no steps.")
    plan: dict[str, Any] = found["job"]["plan"]
    return plan


def _pairs(given: list[str]) -> dict[str, str] | None:
    """`tool=model` as the API takes it."""
    found = {}
    for item in given:
        tool, _, model = item.partition("=")
        if not (tool and model):
            raise typer.BadParameter(f"{item!r} is not TOOL=MODEL.", param_hint="--model")
        found[tool] = model
    return found or None


def _attend(client: Medley, job: Job, *, approve: bool, talks: bool, quiet: bool) -> dict[str, Any]:
    """Watch the job; where it waits for approval or for an answer, ask."""
    found = watch(client, job.id, quiet=quiet)
    while found["status"] == "waiting":
        waits = found["waiting_for"]
        if waits["what"] == "input" and talks:
            job.reply(typer.prompt(waits["question"], err=True))
        elif waits["what"] == "approval" and approve:
            if typer.confirm("Run this plan?", default=True, err=True):
                job.approve()
            else:
                job.cancel()
        else:
            break
        found = watch(client, job.id, quiet=quiet)
    return found


def _show_plan(answer: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(answer)
        return
    from rich.console import Console

    from medley.cli.draw import plan_tree
    from medley.client.view import JobView

    view = JobView("plan", status="not run")
    view.read({"status": "not run", "plan": answer["plan"]})
    Console(highlight=False).print(plan_tree(view))
    estimate = (answer.get("estimate") or {}).get("seconds") or {}
    if estimate.get("p50") is not None:
        say(f"Takes about {estimate['p50']:.0f} s.")

"""`medley jobs`: list, show, watch, plan, approve, reply, cancel and retry."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from medley.cli.exits import Exit
from medley.cli.options import Json, Url, print_json, print_table, settings_for
from medley.cli.outcome import finish, interrupted, save_outputs, tell, watch
from medley.cli.service import service
from medley.client import Medley

app = typer.Typer(
    help="Jobs: list, show, watch, plan, approve, reply, cancel, retry.", no_args_is_help=True
)

JobId = Annotated[str, typer.Argument(help="Id of the job, job_…", metavar="JOB")]
Folder = Annotated[
    Path | None, typer.Option("--output", "-o", help="Folder for the produced files.")
]


@app.command("list")
def list_jobs(
    status: Annotated[str | None, typer.Option(help="Only jobs in this state.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100, help="How many.")] = 20,
    after: Annotated[str | None, typer.Option(help="Go on after this job.")] = None,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """The newest jobs first."""
    with service(settings_for(url)) as client:
        page = client.get("/v1/jobs", status=status, limit=limit, after=after)
    if as_json:
        print_json(page)
        return
    print_table(
        ("JOB", "STATUS", "STEPS", "CREATED", "REQUEST"),
        (
            (j["id"], j["status"], _steps(j), str(j["created_at"])[:19], _words(j))
            for j in page["data"]
        ),
    )


@app.command()
def show(job_id: JobId, folder: Folder = None, as_json: Json = False, url: Url = None) -> None:
    """One job: its plan, its answer, and with -o its files."""
    with service(settings_for(url)) as client:
        job = client.job(job_id).data
        files = save_outputs(client, job, folder) if folder else {}
    if as_json:
        print_json(job)
        return
    from rich.console import Console

    from medley.cli.draw import plan_tree
    from medley.client.view import JobView

    view = JobView(job_id)
    view.read(job)
    Console(highlight=False).print(plan_tree(view))
    tell(job, files)


@app.command("watch")
def watch_job(job_id: JobId, folder: Folder = None, as_json: Json = False, url: Url = None) -> None:
    """Follow a job to its end."""
    with service(settings_for(url)) as client:
        _follow(client, job_id, folder, as_json)


@app.command("plan")
def show_plan(
    job_id: JobId,
    change: Annotated[
        Path | None,
        typer.Option(
            "--change", exists=True, dir_okay=False, help="JSON: a whole plan, or what to change."
        ),
    ] = None,
    url: Url = None,
) -> None:
    """Print a job's plan as JSON; with --change, give a waiting job another one first."""
    path = f"/v1/jobs/{job_id}/plan"
    with service(settings_for(url)) as client:
        print_json(client.get(path) if change is None else client.patch(path, _read(change)))


@app.command()
def approve(job_id: JobId, folder: Folder = None, as_json: Json = False, url: Url = None) -> None:
    """Let a waiting job run its plan, and follow it."""
    with service(settings_for(url)) as client:
        client.job(job_id).approve()
        _follow(client, job_id, folder, as_json)


@app.command()
def reply(
    job_id: JobId,
    words: Annotated[str, typer.Argument(help="The answer to what the job asks.")],
    inputs: Annotated[
        list[Path] | None,
        typer.Option("--input", "-i", exists=True, dir_okay=False, help="A file to send along."),
    ] = None,
    folder: Folder = None,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """Answer the question that a job waits with, and follow it."""
    with service(settings_for(url)) as client:
        client.job(job_id).reply(words, inputs or [])
        _follow(client, job_id, folder, as_json)


@app.command()
def cancel(job_id: JobId, as_json: Json = False, url: Url = None) -> None:
    """Ask a job to stop; a running step ends at its next tick."""
    with service(settings_for(url)) as client:
        job = client.job(job_id).cancel().data
    print_json(job) if as_json else typer.echo(f"{job['id']}  {job['status']}")


@app.command()
def retry(
    job_id: JobId,
    start: Annotated[str, typer.Option("--from", help="A step's id, or: failed.")] = "failed",
    follow: Annotated[bool, typer.Option("--watch/--no-watch", help="Follow it.")] = True,
    folder: Folder = None,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """Run a finished job again as a new one; steps that succeeded are not paid for twice."""
    with service(settings_for(url)) as client:
        job = client.job(job_id).retry(start).data
        if follow:
            _follow(client, job["id"], folder, as_json)
    print_json(job) if as_json else typer.echo(f"{job['id']}  {job['status']}")


def _read(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise typer.BadParameter(f"{file} is not JSON: {error}") from None


def _follow(client: Medley, job_id: str, folder: Path | None, as_json: bool) -> None:
    try:
        job = watch(client, job_id, quiet=as_json)
    except KeyboardInterrupt:
        interrupted(client, job_id)
        raise typer.Exit(Exit.INTERRUPTED) from None
    raise finish(client, job, folder=folder, as_json=as_json)


def _steps(job: dict[str, Any]) -> str:
    progress = job.get("progress") or {}
    return f"{progress.get('steps_done', 0)}/{progress.get('steps_total', 0)}"


def _words(job: dict[str, Any]) -> str:
    """The request's words on one short line; for a workflow or plan, its kind."""
    given = job.get("input") or ()
    texts = [given] if isinstance(given, str) else [p["text"] for p in given if p.get("text")]
    words = " ".join(" ".join(texts).split()) or f"({job.get('kind', 'job')})"
    return words if len(words) <= 60 else words[:59] + "…"

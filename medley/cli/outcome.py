"""Following a job to its end on the terminal, and writing what it made into a folder."""

import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import typer

from medley.cli.draw import display, say
from medley.cli.exits import exit_of
from medley.cli.options import print_json
from medley.client import Medley
from medley.client.files import free_name
from medley.client.view import JobView
from medley.status import JobStatus


def watch(client: Medley, job_id: str, *, quiet: bool) -> dict[str, Any]:
    """Show the job until it ends, or waits for approval; gives the job as it is then."""
    view = JobView(job_id)
    with display(quiet) as shown:
        for event in client.events(job_id):
            if view.apply(event):
                view.read(client.job(job_id).data)
            shown.show(view)
            if view.status == JobStatus.WAITING:
                break
        job = client.job(job_id).data
        view.read(job)
        shown.show(view)
    return job


def finish(
    client: Medley, job: Mapping[str, Any], *, folder: Path | None, as_json: bool
) -> typer.Exit:
    """Write the outputs, print the answer or the JSON; gives the exit to raise."""
    files = save_outputs(client, job, folder) if folder else {}
    if as_json:
        print_json({**job, **({"files": {k: str(v) for k, v in files.items()}} if folder else {})})
        return typer.Exit(exit_of(job["status"]))
    tell(job, files)
    return typer.Exit(exit_of(job["status"]))


def tell(job: Mapping[str, Any], files: Mapping[str, Path]) -> None:
    """The answer on standard output; everything else about the end on standard error."""
    for text in answer_texts(job):
        typer.echo(text)
    for asset, path in files.items():
        say(f"{asset} -> {path}")
    if job["status"] == JobStatus.WAITING:
        waits = job["waiting_for"]
        if waits["what"] == "input":
            say(f'{waits["question"]}\nAnswer with: medley jobs reply {job["id"]} "…"')
        else:
            say(f"The plan waits for approval: medley jobs approve {job['id']}")
    if job.get("error"):
        error = job["error"]
        say(f"medley: {job['status']}: {error.get('message', '')} ({error.get('code', '')})")
        for fault in error.get("errors") or ():
            say(f"  {fault.get('pointer', '')}: {fault.get('reason', '')}")
    elif job["status"] in (JobStatus.CANCELED, JobStatus.EXPIRED):
        say(f"medley: the job was {job['status']}")


def answer_texts(job: Mapping[str, Any]) -> list[str]:
    """The answer's words; without an answer, the words among the outputs."""
    answer = job.get("answer") or {}
    if answer.get("text"):
        return [str(answer["text"])]
    return [str(o["text"]) for o in job.get("outputs") or () if o.get("type") == "text"]


def save_outputs(client: Medley, job: Mapping[str, Any], folder: Path) -> dict[str, Path]:
    """Write each produced asset into the folder, replacing nothing; gives asset id -> file."""
    folder.mkdir(parents=True, exist_ok=True)
    written: dict[str, Path] = {}
    for output in job.get("outputs") or ():
        asset = output.get("asset")
        if not asset or asset in written:
            continue
        choose = partial(free_name, folder, str(output.get("name") or asset))
        url = output.get("url") or f"/v1/assets/{asset}/content"
        written[asset] = client.download(url, choose)
    return written


def interrupted(client: Medley, job_id: str) -> None:
    """Ctrl+C while waiting: the job goes on; say how to see or stop it."""
    sys.stderr.write("\n")
    say(f"The job goes on: medley jobs watch {job_id}   or stop it: medley jobs cancel {job_id}")

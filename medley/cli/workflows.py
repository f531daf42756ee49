"""`medley workflows`: the saved ones, and running one from a file or by its id."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from medley.cli.exits import Exit
from medley.cli.options import Json, ToolsFrom, Url, print_json, print_table, settings_for
from medley.cli.outcome import finish, interrupted, watch
from medley.cli.service import service, service_or_own

app = typer.Typer(help="Workflows: saved plans with typed inputs.", no_args_is_help=True)


@app.command("list")
def list_workflows(as_json: Json = False, url: Url = None) -> None:
    """The saved workflows."""
    with service(settings_for(url)) as client:
        page = client.get("/v1/workflows", limit=100)
    if as_json:
        print_json(page)
        return
    print_table(
        ("WORKFLOW", "VERSION", "NAME", "INPUTS"),
        (
            (w["id"], w["version"], w["name"], ", ".join(w.get("inputs") or {}))
            for w in page["data"]
        ),
    )


@app.command()
def publish(
    workflow: Annotated[str, typer.Argument(help="Id of a saved workflow, wf_…")],
    name: Annotated[
        str | None, typer.Argument(help="The tool it becomes, such as flow.postcard.")
    ] = None,
    withdraw: Annotated[bool, typer.Option("--withdraw", help="It is no tool any more.")] = False,
    url: Url = None,
) -> None:
    """Make a saved workflow a tool that plans may use, also those that the hub writes."""
    if withdraw == (name is not None):
        raise typer.BadParameter("give a name, or --withdraw")
    here = f"/v1/workflows/{workflow}/tool"
    with service(settings_for(url)) as client:
        client.delete(here) if name is None else client.put(here, {"name": name})
    typer.echo(f"{workflow}  {name or 'withdrawn'}")


@app.command()
def run(
    workflow: Annotated[
        str, typer.Argument(help="A file (JSON), or the id of a saved one: wf_… or wf_…@2.")
    ],
    inputs: Annotated[
        list[str] | None,
        typer.Option(
            "--input",
            "-i",
            help="name=words, name=@FILE or name=asset_…; repeat a name for a list.",
        ),
    ] = None,
    folder: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder for the produced files.")
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Seed of what is generated.")] = None,
    tools_from: ToolsFrom = None,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """Run a workflow, watch it, print its words and write its files.

    A value that names an existing file is sent as that file; `name=@FILE` insists on it.
    """
    values, document = bind(inputs or []), read_workflow(workflow)
    options = {
        **({} if seed is None else {"seed": seed}),
        **({"tools_from": tools_from} if tools_from else {}),
    }
    with service_or_own(settings_for(url), quiet=as_json) as client:
        job_id = client.run_workflow(document, values, options=options).id
        try:
            job = watch(client, job_id, quiet=as_json)
        except KeyboardInterrupt:
            interrupted(client, job_id)
            raise typer.Exit(Exit.INTERRUPTED) from None
        raise finish(client, job, folder=folder, as_json=as_json)


def read_workflow(named: str) -> Any:
    """The id as it is, or the document in the file."""
    if named.startswith("wf_") and not Path(named).exists():
        return named
    try:
        return json.loads(Path(named).read_text())
    except FileNotFoundError:
        raise typer.BadParameter(f"there is no file {named!r}") from None
    except ValueError as error:
        raise typer.BadParameter(f"{named} is not JSON: {error}") from None


def bind(given: list[str]) -> dict[str, Any]:
    """`name=value` options as workflow inputs: words, assets, and paths of files."""
    values: dict[str, list[Any]] = {}
    for item in given:
        name, equals, value = item.partition("=")
        if not equals or not name:
            raise typer.BadParameter(f"{item!r} is not name=value")
        path = Path(value.removeprefix("@"))
        if value.startswith("@") and not path.is_file():
            raise typer.BadParameter(f"there is no file {str(path)!r}")
        if value.startswith("@") or (len(value) < 4096 and path.is_file()):
            values.setdefault(name, []).append(path)
        elif value.startswith("asset_"):
            values.setdefault(name, []).append({"asset": value})
        else:
            values.setdefault(name, []).append(value)
    return {name: v[0] if len(v) == 1 else v for name, v in values.items()}

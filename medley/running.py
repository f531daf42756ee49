"""What `medley up` leaves in its home while it runs, so that other commands find its servers."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A running `medley up`. `started` tells its process from a later one with the same id."""

    url: str
    database_url: str
    redis_url: str
    pid: int
    started: float

    def alive(self) -> bool:
        """Whether that very process still runs."""
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.started) < 1.0
            return same and process.status() != psutil.STATUS_ZOMBIE
        except psutil.Error:
            return False


def _file(home: Path) -> Path:
    return home / "run" / "up.json"


def announce(home: Path, *, url: str, database_url: str, redis_url: str) -> None:
    """Say that this process runs the service of this home. Readable for its owner alone."""
    me = psutil.Process()
    running = Running(
        url=url,
        database_url=database_url,
        redis_url=redis_url,
        pid=me.pid,
        started=me.create_time(),
    )
    path = _file(home)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.touch(mode=0o600)
    part.write_text(json.dumps(asdict(running)))
    part.replace(path)


def withdraw(home: Path) -> None:
    """Take the announcement back, if it is ours."""
    running = running_here(home)
    if running and running.pid == os.getpid():
        _file(home).unlink(missing_ok=True)


def running_here(home: Path) -> Running | None:
    """The `medley up` of this home, if there is one."""
    try:
        running = Running(**json.loads(_file(home).read_text()))
    except (OSError, ValueError, TypeError):
        return None
    return running if running.alive() else None

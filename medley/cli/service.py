"""Which service a command talks to: a named one, a running one, or one that is started for this
command alone.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from medley.cli.draw import say
from medley.client import Medley
from medley.errors import Unavailable
from medley.running import running_here
from medley.settings import Settings


def find(settings: Settings) -> Medley | None:
    """The named service, or the one of this home, or whatever answers at the usual address."""
    if settings.url:
        return Medley(settings.url, settings.api_key)
    running = running_here(settings.home)
    urls = [running.url] if running else []
    urls.append(f"http://{settings.host}:{settings.port}")
    for url in urls:
        client = Medley(url, settings.api_key)
        if client.alive():
            return client
        client.close()
    return None


@contextmanager
def service(settings: Settings) -> Iterator[Medley]:
    """A client of the service; raises `Unavailable` when none is named and none answers."""
    client = find(settings)
    if client is None:
        raise Unavailable(
            f"no service answers at http://{settings.host}:{settings.port}; "
            "start one with `medley up`, or name one with MEDLEY_URL"
        )
    with client:
        yield client


@contextmanager
def service_or_own(settings: Settings, *, quiet: bool = False) -> Iterator[Medley]:
    """Like `service`, but starts one for the time of this command when none answers."""
    client = find(settings)
    if client is not None:
        with client:
            yield client
        return
    from medley.supervisor import Supervisor

    if not quiet:
        say("No service is running: starting one for this command. `medley up` keeps one running.")
    with Supervisor(settings.model_copy(update={"port": 0})) as own:
        own.watch_in_background()
        with Medley(own.url, settings.api_key) as client:
            yield client

"""The Celery app of the workers. `python -m workers` runs it; `celery -A workers.app worker` works
too.

The main process runs a relay and a reaper beside its children and loads no model.
"""

import logging
from typing import Any

from celery import Celery, signals
from sqlalchemy import Engine

from medley.errors import Unavailable
from medley.settings import Settings
from orchestrator.broker import queue_of
from orchestrator.database import create_engine
from orchestrator.reaper import Reaper
from orchestrator.relay import Relay, make_app
from workers.leaving import Leaving

log = logging.getLogger(__name__)


def worker_app(settings: Settings) -> Celery:
    """The app with its one task and the queues of these settings' lanes."""
    app = make_app(settings)
    app.conf.include = ["workers.task"]
    return app


class MainProcess:
    """What runs beside the children: relay and reaper."""

    def __init__(self, settings: Settings) -> None:
        if settings.database_url is None:
            raise Unavailable("Set MEDLEY_DATABASE_URL.")
        self._leaving = Leaving.arrange()
        self._engine: Engine = create_engine(settings.database_url, pool_size=2, max_overflow=1)
        self._relay = Relay(self._engine, settings)
        self._reaper = Reaper(self._engine, settings)

    def start(self) -> None:
        """Begins to relay and to reap."""
        self._relay.start()
        self._reaper.start()

    def leave(self) -> None:
        """Tells the children that no more is to be claimed."""
        self._leaving.ask()

    def stop(self) -> None:
        """Ends the threads."""
        self._reaper.stop()
        self._relay.stop()
        self._engine.dispose()
        self._leaving.clear()


def serve(settings: Settings) -> int:
    """Runs a worker until it is told to stop; its exit status."""
    app = worker_app(settings)
    main = MainProcess(settings)
    # Celery keeps weak references to receivers: these live as long as this call.
    started: Any = lambda **_: main.start()  # noqa: E731
    leaving: Any = lambda **_: main.leave()  # noqa: E731
    stopped: Any = lambda **_: main.stop()  # noqa: E731
    signals.worker_ready.connect(started)
    signals.worker_shutting_down.connect(leaving)
    signals.worker_shutdown.connect(stopped)
    worker = app.Worker(
        concurrency=settings.worker_processes,
        queues=[queue_of(lane) for lane in settings.lanes],
        pool="prefork",
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
        loglevel="WARNING",
        optimization="fair",
        quiet=True,
    )
    worker.start()
    return int(worker.exitcode or 0)

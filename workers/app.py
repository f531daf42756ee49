"""The Celery app of the workers. `python -m workers` runs it; `celery -A workers.app worker` works
too.

The main process runs a relay, a reaper and a watchdog beside its children and loads no model.
"""

import os
import signal
import threading
import time
from typing import Any

import psycopg
from celery import Celery, signals
from sqlalchemy import Engine

from medley.errors import Unavailable
from medley.settings import Settings
from orchestrator.broker import queue_of
from orchestrator.database import connect, create_engine
from orchestrator.reaper import Reaper
from orchestrator.relay import Relay, make_app
from orchestrator.tracing.export import TraceExporter
from workers.leaving import Leaving, name_of_main
from workers.watchdog import Watchdog

LONGEST_S = 20.0  #: a departure; by then children have given back what they run


def worker_app(settings: Settings) -> Celery:
    """The app with its one task and the queues of these settings' lanes."""
    app = make_app(settings)
    app.conf.include = ["workers.task"]
    return app


class MainProcess:
    """What runs beside the children: relay, reaper, watchdog, and the departure.

    Celery's own soft shutdown sleeps its whole time if anything ran when it was asked. Here the
    main process looks whether a child still runs a step, and ends Celery as soon as none does.
    """

    def __init__(self, settings: Settings) -> None:
        if settings.database_url is None:
            raise Unavailable("Set MEDLEY_DATABASE_URL.")
        self._url = settings.database_url
        self._leaving = Leaving.arrange()
        self._engine: Engine = create_engine(settings.database_url, pool_size=1)
        self._relay = Relay(self._engine, settings)
        self._reaper = Reaper(self._engine, settings)
        self._traces = TraceExporter(self._engine, settings)
        self._watchdog = Watchdog(settings)
        self._departing = False

    def start(self) -> None:
        """Begins to relay, to reap and to watch, and takes the signals over from Celery."""
        self._relay.start()
        self._reaper.start()
        self._traces.start()
        self._watchdog.start()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._depart)

    def _depart(self, number: int, frame: object) -> None:
        """Asked once: lets steps finish. Asked again: ends at once."""
        if self._departing:
            os.kill(os.getpid(), signal.SIGQUIT)
            return
        self._departing = True
        self._watchdog.stop()
        self._leaving.ask()
        threading.Thread(target=self._see_off, name="departure", daemon=True).start()

    def _see_off(self) -> None:
        until = time.monotonic() + LONGEST_S
        while time.monotonic() < until and self._children_run():
            time.sleep(0.2)
        os.kill(os.getpid(), signal.SIGQUIT)

    def _children_run(self) -> bool:
        """Whether a child runs a step. A database that does not answer is not waited for."""
        query = (
            "SELECT EXISTS (SELECT FROM steps s JOIN workers w ON w.id = s.worker"
            " WHERE s.status = 'running' AND w.facts->>'main' = %s)"
        )
        try:
            with connect(self._url) as conn:
                row = conn.execute(query, [name_of_main(os.getpid())]).fetchone()
        except psycopg.Error:
            return False
        return row is not None and bool(row[0])

    def stop(self) -> None:
        """Ends the threads."""
        self._watchdog.stop()
        self._reaper.stop()
        self._relay.stop()
        self._traces.stop()
        self._engine.dispose()
        self._leaving.clear()


def serve(settings: Settings) -> int:
    """Runs a worker until it is told to stop; its exit status."""
    app = worker_app(settings)
    main = MainProcess(settings)
    # Celery keeps weak references to receivers: this one lives as long as this call.
    started: Any = lambda **_: main.start()  # noqa: E731
    signals.worker_ready.connect(started)
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
    try:
        worker.start()
    finally:
        main.stop()
    return int(worker.exitcode or 0)

"""A worker child: the runner of this process and all that it needs, made once.

`medley.settings` is read here, in the process itself: children are fresh interpreters.
"""

import logging
import os
import signal
import socket
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from celery import Celery
from psycopg.types.json import Jsonb

from medley.backend import ModelSpec
from medley.errors import Unavailable
from medley.ids import new_id
from medley.machine import model_memory, this_machine
from medley.media.facts import Limits
from medley.settings import Settings
from orchestrator.assets import FolderStore
from orchestrator.crashes import crash_point
from orchestrator.events import Announcer
from orchestrator.hooks import Hook, hooks
from orchestrator.installation import Current, Installed, read_served
from orchestrator.relay import send
from orchestrator.tally import Tally
from workers.asking import Asker
from workers.batch import Kitchen
from workers.gauges import Gauges
from workers.keeper import ROW
from workers.keeping import Keeping
from workers.larder import Larder
from workers.leaving import Leaving, name_of_main
from workers.link import Link
from workers.offering import Offering
from workers.residency import Residency, choose_device, is_metered
from workers.runner import Runner
from workers.testhooks import test_hooks
from workers.tracing import Tracing
from workers.upkeep import upkeep_hooks

log = logging.getLogger(__name__)

_runner: Runner | None = None


def runner(app: Celery) -> Runner:
    """The runner of this process."""
    global _runner
    if _runner is None:
        _runner = make_runner(Settings(), app)
    return _runner


def make_runner(settings: Settings, app: Celery) -> Runner:
    """A runner with its own connection, keeper and models."""
    if settings.database_url is None:
        raise Unavailable("Set MEDLEY_DATABASE_URL.")
    worker = new_id("worker")
    link = Link(settings.database_url)
    announcer = Announcer(settings.redis_url)
    leaving = Leaving.of_environment()
    device = choose_device(settings.device)
    offering = Offering(settings=settings, current=Current(settings, read_served).now)
    tools, models = offering.installed.tools, offering.installed.models
    budget = settings.memory_budget_bytes or model_memory(
        this_machine(), accelerated=device != "cpu", processes=settings.worker_processes
    )
    row = {**offering.row(), "models": [], "facts": facts_of(models, device, budget)}
    # The keeper first: a child that dies from here on leaves no row behind.
    keeping = Keeping(
        database_url=settings.database_url, worker=worker, ttl=settings.lease_ttl_s, row=row
    )
    # Before the first claim: a plan is made of what live workers serve, us included.
    link.call(lambda conn: enter(conn, worker, row))
    crash_point("worker.after_entry")

    tracing = Tracing()
    gauges = Gauges(worker, device, Tally(on=settings.metrics)) if settings.metrics else None

    def changed(model: str, state: str) -> None:
        keeping.loading(state == "loading")
        tracing.loading(model, state)
        if gauges is not None:
            gauges.changed(model, state)
        link.call(lambda conn: note_model(conn, worker, model, state))
        keeping.models(residency.held())

    def hooks_of(found: Installed) -> Mapping[str, Hook]:
        own = hooks(found.tools, found.models)
        return {**own, **upkeep_hooks(residency), **test_hooks(found.tools)}

    def restock(found: Installed) -> None:
        residency.know(found.models)
        kitchen.tools = kitchen.asker.tools = found.tools
        kitchen.hooks = hooks_of(found)

    residency = Residency(models, budget=budget, device=device, listener=changed)
    kitchen = Kitchen(
        tools=tools,
        hooks=hooks_of(offering.installed),
        residency=residency,
        asker=Asker(residency, tools, tell=changed),
        store=FolderStore(settings.asset_folder),
        limits=Limits.of(settings),
        scratch=Path(tempfile.gettempdir()),
    )
    kitchen.larder = Larder(
        database_url=settings.database_url,
        worker=worker,
        batch=lambda: offering.offer.batch,
        prepare=kitchen.prepare,
    )
    return Runner(
        worker=worker,
        offering=offering,
        link=link,
        kitchen=kitchen,
        keeping=keeping,
        announcer=announcer,
        wake=lambda wakes: send(app, wakes),
        restock=restock,
        leaving=leaving.asked,
        overdue=leaving.overdue,
        tracing=tracing,
        gauges=gauges,
    )


def facts_of(models: Mapping[str, ModelSpec], device: str, budget: int) -> dict[str, Any]:
    """What this process says of itself."""
    return {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "main": name_of_main(os.getppid()),
        "device": device,
        "memory_budget_bytes": budget,
        # For attempts that end without a word of this process.
        "metered": [spec.id for spec in models.values() if is_metered(spec, device)],
    }


def enter(conn: Any, worker: str, row: Mapping[str, Any]) -> None:
    """Writes down that this worker is here and what it serves; its keeper keeps that fresh."""
    conn.execute(
        f"INSERT INTO workers (id, {', '.join(ROW)}) VALUES (%s{', %s' * len(ROW)})"
        " ON CONFLICT (id) DO NOTHING",
        [worker, *(Jsonb(row[name]) for name in ROW)],
    )


def announce(conn: Any, main: str, offering: Offering) -> None:
    """Writes down what the children of a main process serve, where something else stands there."""
    row = offering.row()
    said = [Jsonb(row[name]) for name in ("tools", "serves", "lacks")]
    conn.execute(
        "UPDATE workers SET tools = %s, serves = %s, lacks = %s WHERE facts->>'main' = %s"
        " AND (tools, serves, lacks) IS DISTINCT FROM (%s, %s, %s)",
        [*said, main, *said],
    )


def note_model(conn: Any, worker: str, model: str, state: str) -> None:
    """Writes down which model is where."""
    if state == "gone":
        conn.execute("DELETE FROM models WHERE id = %s AND worker = %s", [model, worker])
        return
    conn.execute(
        "INSERT INTO models (id, worker, state) VALUES (%s, %s, %s)"
        " ON CONFLICT (id, worker) DO UPDATE SET state = excluded.state,"
        " updated_at = clock_timestamp()",
        [model, worker, state],
    )


def leave() -> None:
    """This process ends in order."""
    global _runner
    if _runner is not None:
        _runner.keeping.leave()
        _runner.keeping.close()
        if _runner.kitchen.larder is not None:
            _runner.kitchen.larder.close()
        _runner.link.drop()
        _runner.tracing.close()
        _runner = None


def ignore_terminal() -> None:
    """Ctrl+C belongs to the main process, which stops its children in order."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

"""A worker child: the runner of this process and all that it needs, made once.

`medley.settings` is read here, in the process itself: children are fresh interpreters.
"""

import logging
import os
import signal
import socket
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from celery import Celery
from psycopg.types.json import Jsonb

from medley.backend import ModelSpec
from medley.errors import Unavailable
from medley.ids import new_id
from medley.media.facts import Limits
from medley.settings import Settings
from medley.status import Lane
from medley.tools import Toolbox
from medley.toolset import installed
from orchestrator.assets import FolderStore
from orchestrator.catalogue import load_catalogue
from orchestrator.engine import Offer
from orchestrator.events import Announcer
from orchestrator.hooks import hooks
from orchestrator.relay import send
from workers.asking import Asker
from workers.batch import Kitchen
from workers.keeping import Keeping
from workers.leaving import Leaving, name_of_main
from workers.link import Link
from workers.residency import Residency, choose_device
from workers.runner import Runner
from workers.testhooks import test_hooks

log = logging.getLogger(__name__)

#: How many steps of one model run at once, by lane; `batch` in a model's options says otherwise.
BATCH = {Lane.ENCODE: 16, Lane.HUB: 4, Lane.GENERATE: 4, Lane.CPU: 1}

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
    tools = installed(settings)
    models = load_catalogue(settings)
    link = Link(settings.database_url)
    announcer = Announcer(settings.redis_url)
    leaving = Leaving.of_environment()
    device = choose_device(settings.device)
    offer = make_offer(settings, tools, models)
    facts = {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "main": name_of_main(os.getppid()),
        "device": device,
    }
    row = {"lanes": list(offer.lanes), "tools": list(offer.tools), "models": [], "facts": facts}
    # Before the first claim: a plan is made of the tools that live workers serve, us included.
    link.call(lambda conn: enter(conn, worker, row))
    keeping = Keeping(
        database_url=settings.database_url, worker=worker, ttl=settings.lease_ttl_s, row=row
    )

    def changed(model: str, state: str) -> None:
        keeping.loading(state == "loading")
        link.call(lambda conn: note_model(conn, worker, model, state))
        keeping.models(residency.held())

    residency = Residency(
        models, budget=settings.memory_budget_bytes, device=device, listener=changed
    )
    kitchen = Kitchen(
        tools=tools,
        hooks={**hooks(tools, models), **test_hooks(tools)},
        residency=residency,
        asker=Asker(residency, tools, tell=changed),
        store=FolderStore(settings.asset_folder),
        limits=Limits.of(settings),
        scratch=Path(tempfile.gettempdir()),
    )
    return Runner(
        worker=worker,
        offer=offer,
        link=link,
        kitchen=kitchen,
        keeping=keeping,
        announcer=announcer,
        wake=lambda wakes: send(app, wakes),
        leaving=leaving.asked,
        overdue=leaving.overdue,
    )


def make_offer(settings: Settings, tools: Toolbox, models: Mapping[str, ModelSpec]) -> Offer:
    """What this worker can run: the tools of its lanes that a model of the catalogue serves."""
    lanes: Sequence[str] = settings.lanes
    served: dict[str, int] = {}
    for spec in models.values():
        for name in spec.tools:
            if name in tools and tools[name].lane in lanes:
                most = int(spec.options.get("batch", BATCH.get(tools[name].lane, 1)))
                served[name] = min(most, served.get(name, most))
    return Offer(
        lanes=list(lanes),
        tools=sorted(f"{name}@{tools[name].version}" for name in served),
        # Indexing reads what nobody has embedded yet: two at once would embed the same twice.
        batch={name: most for name, most in served.items() if most > 1 and name != "index"},
        ttl=settings.lease_ttl_s,
    )


def enter(conn: Any, worker: str, row: Mapping[str, Any]) -> None:
    """Writes down that this worker is here and what it serves; its keeper keeps that fresh."""
    conn.execute(
        "INSERT INTO workers (id, lanes, tools, models, facts) VALUES (%s, %s, %s, %s, %s)"
        " ON CONFLICT (id) DO NOTHING",
        [worker, *(Jsonb(row[name]) for name in ("lanes", "tools", "models", "facts"))],
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
        _runner.link.drop()
        _runner = None


def ignore_terminal() -> None:
    """Ctrl+C belongs to the main process, which stops its children in order."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

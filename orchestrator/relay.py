"""The relay: sends wake-ups for ready steps, again and again until somebody claims. The only
sender.

A ready row whose `wake_at` has come is an unsent wake-up. Any number of relays may run: each takes
rows that no other holds and puts them off by a growing back-off before it sends. Whatever is lost
on the way is sent again; whatever arrives twice claims nothing.
"""

import logging
from collections.abc import Mapping

from celery import Celery
from kombu.entity import Queue
from sqlalchemy import Engine

from medley.settings import Settings
from medley.status import Lane
from orchestrator.broker import WAKE, broker_config, queue_of
from orchestrator.crashes import crash_point
from orchestrator.database import Raw
from orchestrator.rounds import DatabaseRounds
from orchestrator.tally import Tally

log = logging.getLogger(__name__)

BATCH = 200
MOST_PER_LANE = 8  #: wake-ups of one batch: each drains a lane, so more would only find nothing
POLL_S = (
    0.2  #: what becomes ready later by itself waits so long; all else is nudged or sent at once
)


def make_app(settings: Settings) -> Celery:
    """The Celery app that sends, and below workers receives."""
    app = Celery("medley")
    app.conf.update(broker_config(settings))
    names = dict.fromkeys((*(lane.value for lane in Lane), *settings.lanes))
    app.conf.task_queues = [Queue(queue_of(name), durable=True) for name in names]  # type: ignore[no-untyped-call]
    app.conf.task_default_queue = queue_of(Lane.CPU.value)
    return app


def send(app: Celery, wakes: Mapping[str, int]) -> bool:
    """Sends up to a few wake-ups per lane. False: the broker did not take them; they will be due
    again.
    """
    try:
        for lane, number in wakes.items():
            for _ in range(min(number, MOST_PER_LANE)):
                app.send_task(WAKE, args=[lane], queue=queue_of(lane), ignore_result=True)
    except Exception as error:  # noqa: BLE001 - each transport has its own kinds
        log.warning("wake-ups not sent error=%s", error)
        return False
    return True


def relay_once(conn: Raw, app: Celery, tally: Tally | None = None) -> int:
    """Sends the wake-ups that are due; how many rows that were. Expects autocommit: first the rows
    are put off, then it is sent.
    """
    rows = conn.execute("SELECT lane, wakes FROM medley_due_wakes(%s)", [BATCH]).fetchall()
    if not rows:
        return 0
    crash_point("relay.after_update_before_publish")
    send(app, dict(rows))
    for lane, count in rows:
        if tally is not None:
            tally.add("medley_wakeups_total", count, queue=lane)
    return sum(count for _, count in rows)


class Relay(DatabaseRounds):
    """Relays. `nudge` it after a commit that made steps ready."""

    name = "relay"

    def __init__(self, engine: Engine, settings: Settings) -> None:
        super().__init__(engine.url.render_as_string(hide_password=False), every_s=POLL_S)
        self._app = make_app(settings)
        self._tally = Tally(on=settings.metrics)

    def round(self) -> float | None:
        """Sends what is due; at once again where there may be more."""
        sent = relay_once(self.conn, self._app, self._tally)
        self._tally.write(self.conn)
        return 0.0 if sent >= BATCH else None

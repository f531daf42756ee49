"""The sender: posts the messages that are due. Any number may run, beside the API and apart from
media work.

One thread talks with the database; each message is posted by a thread of its own, so that who
answers slowly holds up nobody else, and an endpoint has few of them at a time. What a process that
dies had on its way is due again after its lease: a message comes at least once, and `webhook-id`
says when it comes twice.
"""

import logging
import queue
import random
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from psycopg.rows import class_row
from psycopg.types.json import Jsonb
from sqlalchemy import Engine

from medley.errors import CallerError
from medley.net.policy import Policy
from medley.net.post import POST_S, post
from medley.settings import Settings
from orchestrator.crashes import crash_point
from orchestrator.database import Raw
from orchestrator.rounds import DatabaseRounds
from orchestrator.tally import Tally
from orchestrator.webhooks import message

log = logging.getLogger(__name__)

EACH = 2  #: messages to one endpoint that are on their way at a time, over all processes
LEASE_S = 60.0  #: longer than an attempt takes
POLL_S = 0.5
GONE = 410


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message that is ours to send."""

    id: str
    token: int
    attempt: int
    type: str
    payload: dict[str, Any]
    url: str
    secret: str | None = field(repr=False)
    old_secret: str | None = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of an attempt. `delay`: seconds until the next one; None: there is none."""

    id: str
    token: int
    outcome: str  # delivered | failed | gone
    attempt: dict[str, Any]
    delay: float | None


def claim(conn: Raw, most: int) -> list[Message]:
    """Takes up to `most` messages that are due."""
    with conn.cursor(row_factory=class_row(Message)) as cursor:
        return cursor.execute(
            "SELECT * FROM medley_messages(%s, %s, %s)", [most, EACH, LEASE_S]
        ).fetchall()


def send(due: Message, policy: Policy) -> Outcome:
    """Posts one message, and judges the answer: 2xx is taken, 410 ends the endpoint."""
    content = message.body(due.payload)
    began, now = time.monotonic(), datetime.now(UTC)
    attempt: dict[str, Any] = {"at": now.isoformat(timespec="milliseconds")}
    outcome = "failed"
    try:
        headers = message.headers(due.id, content, [due.secret, due.old_secret], now)
        answer = post(due.url, content, headers, policy)
        attempt |= {"status": answer.status, "answer": answer.text}
        if 200 <= answer.status < 300:
            outcome = "delivered"
        elif answer.status == GONE:
            outcome = "gone"
    except CallerError as error:
        attempt["error"] = error.message
    except Exception:
        log.exception("webhook failed delivery=%s", due.id)
        attempt["error"] = "Something went wrong here."
    attempt["ms"] = round((time.monotonic() - began) * 1000)
    delay = message.retry_in(due.attempt, random.Random()) if outcome == "failed" else None
    return Outcome(id=due.id, token=due.token, outcome=outcome, attempt=attempt, delay=delay)


def settle(conn: Raw, done: Outcome) -> str:
    """Writes an attempt down. 'fenced': the lease was over, and somebody else sends it again."""
    row = conn.execute(
        "SELECT medley_sent(%s, %s, %s, %s, %s)",
        [done.id, done.token, done.outcome, Jsonb(done.attempt), done.delay],
    ).fetchone()
    assert row is not None
    return str(row[0])


class Sender(DatabaseRounds):
    """Claims and settles, with further threads that post. `nudge` it when something may be due."""

    name = "webhooks"

    def __init__(self, engine: Engine, settings: Settings) -> None:
        super().__init__(engine.url.render_as_string(hide_password=False), every_s=POLL_S)
        self._policy = Policy.of(settings, plain=settings.webhook_plain)
        self._room = settings.webhook_senders
        self._done: queue.SimpleQueue[Outcome] = queue.SimpleQueue()
        self._unsettled: Outcome | None = None
        self._tally = Tally(on=settings.metrics)

    def start(self) -> None:
        """Begins to send, where that is wanted of this process."""
        if self._room > 0:
            super().start()

    def round(self) -> None:
        """Writes down what came of the messages that were sent, and sends those that are due."""
        self._settle_all(self.conn)
        self._send_due(self.conn)
        self._tally.write(self.conn)

    def last(self) -> None:
        """What is on its way is not waited for; it is sent again."""
        self._settle_all(self.conn)

    def _settle_all(self, conn: Raw) -> None:
        while True:
            if self._unsettled is None:
                try:
                    self._unsettled = self._done.get_nowait()
                except queue.Empty:
                    return
                self._room += 1
            settle(conn, self._unsettled)  # may raise; then it is settled the next time
            self._tally.add("medley_webhook_deliveries_total", result=self._unsettled.outcome)
            self._unsettled = None

    def _send_due(self, conn: Raw) -> None:
        if self._room <= 0:
            return
        for due in claim(conn, self._room):
            self._room -= 1
            threading.Thread(target=self._post, args=(due,), name="webhook", daemon=True).start()

    def _post(self, due: Message) -> None:
        done = send(due, self._policy)
        crash_point("webhook.after_send_before_mark")
        self._done.put(done)
        self.nudge()


assert LEASE_S > 2 * POST_S

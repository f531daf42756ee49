"""Senders that die, and senders side by side: a message comes at least once, and says when it comes
twice.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from medley.net.policy import Policy
from medley.settings import Settings
from orchestrator.database import connect, create_engine, transaction
from orchestrator.webhooks import endpoints
from orchestrator.webhooks.endpoints import Hook
from orchestrator.webhooks.sender import EACH, Sender, claim, send, settle
from tests.rude_server import answer, rude

_ROOT = Path(__file__).resolve().parents[2]
_SENDER = """
import os, time
from medley.settings import Settings
from orchestrator.database import create_engine
from orchestrator.webhooks.sender import Sender
settings = Settings()
sender = Sender(create_engine(settings.database_url), settings)
sender.start()
time.sleep(60)
"""
LOOPBACK = Policy(networks=(ip_network("127.0.0.0/8"),), ports=frozenset())


@pytest.fixture
def db(database_url: str) -> Iterator[Engine]:
    found = create_engine(database_url, pool_size=2)
    yield found
    found.dispose()


def tell(db: Engine, url: str, number: int = 1) -> str:
    """An endpoint with so many messages that are due; its id."""
    with db.begin() as conn:
        endpoint = endpoints.create(conn, "default", name="", url=url, events=["job.*"])
        conn.execute(text("INSERT INTO jobs (id, tenant, status) VALUES ('job_1', 'default', 'x')"))
        for seq in range(number):
            row = text("INSERT INTO events (job, seq, type) VALUES ('job_1', :seq, 'job.failed')")
            conn.execute(row, {"seq": seq})
    return endpoint.id


def rows(db: Engine) -> list[Any]:
    """All messages."""
    with db.connect() as conn:
        return list(conn.execute(text("SELECT * FROM webhook_deliveries ORDER BY id")))


def end_leases(db: Engine) -> None:
    """Lets a minute pass for those who died."""
    with db.begin() as conn:
        conn.execute(text("UPDATE webhook_deliveries SET due_at = now(), leased_until = now()"))


def test_a_sender_that_dies_between_sending_and_writing_it_down_sends_again(
    db: Engine, database_url: str, tmp_path: Path
) -> None:
    with rude(answer()) as receiver:
        tell(db, receiver.url)
        environment = {
            **os.environ,
            "PYTHONPATH": str(_ROOT),
            "MEDLEY_HOME": str(tmp_path),
            "MEDLEY_DATABASE_URL": database_url,
            "MEDLEY_URL_NETWORKS": '["127.0.0.0/8"]',
            "MEDLEY_URL_PORTS": "[]",
            "MEDLEY_CRASH_AT": "webhook.after_send_before_mark",
        }
        died = subprocess.run(
            [sys.executable, "-c", _SENDER], env=environment, timeout=60, check=False
        )
        assert died.returncode == -signal.SIGKILL
        (row,) = rows(db)
        assert (row.status, row.attempts, len(receiver.seen)) == ("pending", [], 1)
        with connect(database_url) as conn:
            assert claim(conn, 10) == []
            end_leases(db)
            (due,) = claim(conn, 10)
            assert settle(conn, send(due, LOOPBACK)) == "delivered"
        first, second = (raw.lower().split(b"webhook-id: ")[1].split()[0] for raw in receiver.seen)
        assert first == second == row.id.encode()


def test_who_was_too_slow_cannot_write_over_the_other_one(db: Engine, database_url: str) -> None:
    with rude(answer()) as receiver, connect(database_url) as conn:
        tell(db, receiver.url)
        (slow,) = claim(conn, 1)
        end_leases(db)
        (quick,) = claim(conn, 1)
        assert settle(conn, send(quick, LOOPBACK)) == "delivered"
        assert settle(conn, send(slow, LOOPBACK)) == "fenced"
        (row,) = rows(db)
        assert (row.status, len(row.attempts)) == ("delivered", 1)


def test_an_endpoint_has_few_messages_on_their_way_over_all_senders(
    db: Engine, database_url: str
) -> None:
    with connect(database_url) as one, connect(database_url) as two:
        tell(db, "http://127.0.0.1:9/", 10)
        taken = [*claim(one, 10), *claim(two, 10), *claim(one, 10)]
        assert len(taken) == len({due.id for due in taken}) == EACH
        assert settle(one, send(taken[0], LOOPBACK)) == "failed"
        assert claim(two, 10) == [], "who failed last gets one at a time"


def test_a_tenant_whose_jobs_all_have_webhooks_leaves_room_for_others(
    db: Engine, database_url: str
) -> None:
    job = text("INSERT INTO jobs (id, tenant, status) VALUES (:id, :tenant, 'x')")
    event = text("INSERT INTO events (job, seq, type) VALUES (:id, 1, 'job.failed')")
    hook = Hook(url="https://slow.example", events=["job.*"])
    with db.begin() as conn:
        for number, tenant in enumerate(["greedy"] * 40 + ["other"]):
            endpoints.add_for_job(conn, tenant, f"job_{number}", hook)
            conn.execute(job, {"id": f"job_{number}", "tenant": tenant})
            conn.execute(event, {"id": f"job_{number}"})
    with connect(database_url) as conn:
        taken = [due.payload["data"]["job"] for due in [*claim(conn, 32), *claim(conn, 8)]]
    assert len(taken) == 17
    assert "job_40" in taken


def test_a_deleted_endpoint_gets_nothing_more(db: Engine, database_url: str) -> None:
    with connect(database_url) as conn:
        endpoint = tell(db, "http://127.0.0.1:9/")
        (due,) = claim(conn, 1)
        with db.begin() as deleting:
            endpoints.remove(deleting, "default", endpoint)
        assert settle(conn, send(due, LOOPBACK)) == "fenced"
        assert claim(conn, 1) == []


def test_an_endpoint_that_is_being_deleted_does_not_hinder_the_job(db: Engine) -> None:
    endpoint = tell(db, "http://127.0.0.1:9/", 0)
    failed = text("INSERT INTO events (job, seq, type) VALUES ('job_1', 7, 'job.failed')")
    with db.connect() as deleting, ThreadPoolExecutor(1) as other:
        endpoints.remove(deleting, "default", endpoint)

        def end_the_job() -> None:
            with db.begin() as conn:
                conn.execute(failed)

        ended = other.submit(end_the_job)
        wait([ended], timeout=0.3)
        deleting.commit()
        ended.result(60)
    assert rows(db) == []


def test_many_senders_send_each_message_once(db: Engine, database_url: str, tmp_path: Path) -> None:
    with rude(answer()) as receiver:
        settings = Settings(
            home=tmp_path,
            database_url=database_url,
            url_networks=(ip_network("127.0.0.0/8"),),
            url_ports=(),
        )
        senders = [Sender(db, settings) for _ in range(3)]
        for sender in senders:
            sender.start()
        tell(db, receiver.url, 30)
        for _ in range(600):
            if {row.status for row in rows(db)} == {"delivered"}:
                break
            for sender in senders:
                sender.nudge()
        for sender in senders:
            sender.stop()
        assert len(receiver.seen) == 30
        assert {len(row.attempts) for row in rows(db)} == {1}


def test_a_sender_outlives_its_database_connection(
    db: Engine, database_url: str, tmp_path: Path
) -> None:
    with rude(answer()) as receiver:
        settings = Settings(
            home=tmp_path,
            database_url=database_url,
            url_networks=(ip_network("127.0.0.0/8"),),
            url_ports=(),
        )
        sender = Sender(db, settings)
        sender.start()
        with transaction(db) as conn:
            conn.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        tell(db, receiver.url)
        for _ in range(200):
            if rows(db)[0].status == "delivered":
                break
            sender.nudge()
            sender._thread.join(0.05)
        sender.stop()
        assert rows(db)[0].status == "delivered"

"""Sharing: steps go to workers that hold their model, or that they are set aside for."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from orchestrator import engine, invariants
from orchestrator.database import Raw, connect
from orchestrator.engine import Claimed, Commit, NewJob, NewStep, Offer
from orchestrator.reaper import reap_once
from workers.child import enter, note_model

OFFER = Offer(lanes=["cpu"], tools=["test.echo@1"], batch={"test.echo": 4})
WARM = replace(OFFER, held=["m"])
DONE = Commit(outputs={"out": {"type": "text", "text": "words"}})


@pytest.fixture
def conn(database_url: str) -> Iterator[Raw]:
    """A connection to a database with two workers, of which `warm` holds the model `m`."""
    with connect(database_url) as conn:
        for name in ("warm", "cold"):
            row = {"lanes": ["cpu"], "tools": ["test.echo@1"], "models": [], "serves": ["m"]}
            enter(conn, name, {**row, "lacks": {}, "facts": {}})
        note_model(conn, "warm", "m", "loaded")
        yield conn
        assert invariants.check(conn) == []


def submit(conn: Raw, **fields: Any) -> str:
    """A job of one step that needs `m`."""
    step = NewStep(id="s1", **({"tool": "test.echo", "lane": "cpu", "model": "m"} | fields))
    return engine.submit(conn, NewJob(tenant="t", steps=[step]))


def later(conn: Raw) -> None:
    """What became ready did so a second earlier, and what is set aside is so a minute less."""
    conn.execute(
        "UPDATE steps SET ready_at = ready_at - interval '1 s',"
        " not_before = not_before - interval '1 min' WHERE status = 'ready'"
    )


def cold(conn: Raw) -> Claimed:
    return engine.try_claim(conn, "cold", OFFER)


def jobs(found: Claimed) -> list[str]:
    return [lease.job for lease in found.leases]


def test_a_step_is_left_to_an_idle_worker_that_holds_its_model(conn: Raw) -> None:
    job = submit(conn)
    assert cold(conn) == Claimed(leases=[], elsewhere="cpu")
    assert jobs(engine.try_claim(conn, "warm", WARM)) == [job]


def test_it_is_left_for_a_moment_only(conn: Raw) -> None:
    job = submit(conn)
    later(conn)
    assert jobs(cold(conn)) == [job]


def test_other_work_is_done_meanwhile(conn: Raw) -> None:
    submit(conn)
    other = submit(conn, model="n")
    assert jobs(cold(conn)) == [other]


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE workers SET beat_at = beat_at - interval '1 min' WHERE id = 'warm'",
        "UPDATE workers SET lanes = '[\"hub\"]' WHERE id = 'warm'",
        "UPDATE models SET state = 'loading'",
        "DELETE FROM models",
    ],
)
def test_it_is_not_left_to_a_worker_that_cannot_run_it_now(conn: Raw, change: str) -> None:
    job = submit(conn)
    conn.execute(change.encode())
    assert jobs(cold(conn)) == [job]


def test_it_is_not_left_to_a_worker_that_is_busy(conn: Raw) -> None:
    first = submit(conn)
    assert jobs(engine.try_claim(conn, "warm", WARM)) == [first]
    second = submit(conn)
    assert jobs(cold(conn)) == [second]


def test_a_job_goes_on_where_the_model_of_its_next_step_is(conn: Raw) -> None:
    steps = [
        NewStep(id="a", tool="test.echo", lane="cpu", model="n"),
        NewStep(id="b", tool="test.echo", lane="cpu", model="m", after=["a"]),
    ]
    job = engine.submit(conn, NewJob(tenant="t", steps=steps))
    (lease,) = cold(conn).leases
    done = engine.commit_steps(conn, "cold", [(lease, DONE)], replace(OFFER, go_on=True))
    assert (done.leases, done.elsewhere, done.wakes) == ([], "cpu", {"cpu": 1})
    assert jobs(engine.try_claim(conn, "warm", WARM)) == [job]


def test_a_step_for_one_worker_is_run_by_no_other(conn: Raw) -> None:
    job = submit(conn, worker="warm")
    later(conn)
    assert cold(conn) == Claimed(leases=[], elsewhere="cpu")
    assert jobs(engine.try_claim(conn, "warm", OFFER)) == [job]


def test_a_step_for_a_worker_that_lacks_the_model_is_not_left_to_a_holder(conn: Raw) -> None:
    job = submit(conn, worker="cold")
    assert engine.try_claim(conn, "warm", WARM).leases == []
    assert jobs(cold(conn)) == [job]


def test_a_step_for_a_busy_worker_is_no_reason_to_wait(conn: Raw) -> None:
    submit(conn, model="n")
    assert len(engine.try_claim(conn, "warm", OFFER).leases) == 1
    submit(conn, worker="warm")
    assert cold(conn) == Claimed(leases=[])


def test_a_step_for_a_worker_that_is_gone_is_anybodys(conn: Raw) -> None:
    first, second = submit(conn, worker="warm"), submit(conn, worker="warm")
    conn.execute("SELECT medley_forget_worker('warm')")
    assert jobs(cold(conn)) == [first, second]


def test_a_worker_that_was_silent_for_long_is_forgotten_with_what_was_set_aside(conn: Raw) -> None:
    job = submit(conn, worker="warm")
    conn.execute("UPDATE workers SET beat_at = beat_at - interval '1 hour' WHERE id = 'warm'")
    reap_once(conn)
    assert conn.execute("SELECT id FROM workers").fetchall() == [("cold",)]
    assert jobs(cold(conn)) == [job]


def test_what_is_prepared_is_set_aside_for_a_moment(conn: Raw) -> None:
    first = submit(conn)
    (running,) = engine.try_claim(conn, "warm", WARM).leases
    second, third = submit(conn), submit(conn)
    later(conn)
    aside = engine.set_aside(conn, "warm", running, 1, 20.0)
    assert [(lease.job, lease.attempt) for lease in aside] == [(second, 0)]
    assert jobs(cold(conn)) == [third]  # the other one is kept from it
    done = engine.commit_steps(conn, "warm", [(running, DONE)], WARM)
    assert [(lease.job, lease.attempt) for lease in done.leases] == [(second, 1)]
    assert first == running.job


def test_what_was_set_aside_and_not_claimed_is_anybodys_again_and_counts_for_nothing(
    conn: Raw,
) -> None:
    submit(conn)
    (running,) = engine.try_claim(conn, "warm", WARM).leases
    job = submit(conn)
    later(conn)
    assert len(engine.set_aside(conn, "warm", running, 4, 20.0)) == 1
    engine.lose_worker(conn, "warm")
    later(conn)
    claimed = {lease.job: lease.crashes for lease in cold(conn).leases}
    assert claimed == {running.job: 1, job: 0}


def test_only_what_is_like_the_running_step_and_waits_is_set_aside(conn: Raw) -> None:
    submit(conn)
    (running,) = engine.try_claim(conn, "warm", WARM).leases
    submit(conn, model="n")
    submit(conn, tool="test.sleep")
    submit(conn, worker="cold")
    stopped = submit(conn)
    conn.execute("UPDATE steps SET ready_at = ready_at - interval '1 s' WHERE status = 'ready'")
    engine.cancel_job(conn, "t", stopped)
    assert engine.set_aside(conn, "warm", running, 4, 20.0) == []

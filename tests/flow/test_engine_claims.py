"""Claiming and committing: order, fairness, batches, locks, budgets, lost answers."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from medley.backend import ModelSpec
from medley.errors import BackendError, Conflict, InvalidPlan, NotFound
from medley.settings import Settings
from medley.toolset import toolbox
from orchestrator import engine, invariants
from orchestrator.database import Raw, connect
from orchestrator.engine import Commit, NewAsset, NewJob, NewStep, Offer, Outcome, RevisionMoved
from orchestrator.events import read_events
from orchestrator.live import load_served
from orchestrator.reaper import reap_once
from orchestrator.relay import make_app
from workers.child import announce, enter, make_runner
from workers.offering import Offering
from workers.watchdog import take_look

OFFER = Offer(lanes=["cpu"], tools=["test.echo@1"])
DONE = Commit(outputs={"out": {"type": "text", "text": "words"}})


@pytest.fixture
def conn(database_url: str) -> Iterator[Raw]:
    """A connection; at the end every invariant holds."""
    with connect(database_url) as conn:
        yield conn
        assert invariants.check(conn) == []


def echo(name: str = "s1", *needs: str, **fields: Any) -> NewStep:
    """A step of the test tool."""
    inputs = {"texts": [{"from": f"{need}.out"} for need in needs]} if needs else {}
    given = {"tool": "test.echo", "lane": "cpu", "model": "test-tools", "inputs": inputs} | fields
    return NewStep(id=name, **given)


def submit(conn: Raw, *steps: NewStep, tenant: str = "t", **fields: Any) -> str:
    """A job of these steps."""
    return engine.submit(conn, NewJob(tenant=tenant, steps=steps or [echo()], **fields))


def claimed(conn: Raw, offer: Offer = OFFER) -> list[str]:
    """The jobs of the steps that a claim got."""
    return [lease.job for lease in engine.claim(conn, "w", offer)]


def value(conn: Raw, query: str, *values: Any) -> Any:
    """One value."""
    row = conn.execute(query.encode(), values).fetchone()
    assert row is not None
    return row[0]


def test_urgent_jobs_come_first_and_older_ones_before_younger(conn: Raw) -> None:
    old, young, urgent = submit(conn), submit(conn), submit(conn, priority=5)
    assert [claimed(conn) for _ in range(4)] == [[urgent], [old], [young], []]


def test_tenants_share_though_one_of_them_came_first_with_more(conn: Raw) -> None:
    many = [submit(conn, tenant="greedy") for _ in range(4)]
    one = submit(conn, tenant="modest")
    assert [claimed(conn) for _ in range(3)] == [[many[0]], [one], [many[1]]]


def test_steps_of_models_in_memory_come_first(conn: Raw) -> None:
    submit(conn, echo(model="cold"))
    warm = submit(conn, echo(model="warm"))
    assert claimed(conn, replace(OFFER, held=["warm"])) == [warm]


def test_a_batch_holds_one_tool_and_one_model(conn: Raw) -> None:
    jobs = [submit(conn, echo(model=model)) for model in ("a", "b", "a", "a")]
    offer = replace(OFFER, batch={"test.echo": 3})
    assert claimed(conn, offer) == [jobs[0], jobs[2], jobs[3]]


def test_a_worker_claims_only_versions_that_it_knows(conn: Raw) -> None:
    submit(conn, echo(tool_version=2))
    assert claimed(conn) == []
    assert len(claimed(conn, replace(OFFER, tools=["test.echo@2"]))) == 1


def test_a_commit_goes_on_with_its_own_job_only_when_it_is_told_to(conn: Raw) -> None:
    job = submit(conn, echo("a"), echo("b", "a"))
    other = submit(conn, priority=5)
    lease = engine.claim(conn, "w", replace(OFFER, lanes=["cpu"]))[0]
    assert lease.job == other
    engine.commit_step(conn, "w", lease, DONE)
    first = engine.claim(conn, "w", OFFER)[0]
    urgent = submit(conn, priority=5)
    assert engine.commit_steps(conn, "w", [(first, DONE)], OFFER).leases[0].job == urgent
    assert value(conn, "SELECT status FROM steps WHERE job = %s AND id = 'b'", job) == "ready"


def test_a_locked_job_is_passed_over_and_then_waited_for(conn: Raw, database_url: str) -> None:
    locked, free = submit(conn), submit(conn)
    with psycopg.connect(database_url) as other:
        other.execute("SELECT 1 FROM jobs WHERE id = %s FOR UPDATE", [locked])
        assert claimed(conn) == [free]
        threading.Timer(0.2, other.rollback).start()
        assert claimed(conn) == [locked]


def test_many_workers_never_claim_the_same_step(conn: Raw, database_url: str) -> None:
    jobs = {submit(conn) for _ in range(40)}
    found: list[str] = []

    def work(name: str) -> None:
        with connect(database_url) as own:
            while leases := engine.claim(own, name, OFFER):
                found.extend(lease.job for lease in leases)
                engine.commit_step(own, name, leases[0], DONE)

    threads = [threading.Thread(target=work, args=[f"w{number}"]) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == sorted(jobs)


def test_a_delayed_retry_is_not_claimed_before_its_time(conn: Raw) -> None:
    submit(conn)
    lease = engine.claim(conn, "w", OFFER)[0]
    assert engine.fail_step(conn, lease, BackendError("x"), delay=60.0) is Outcome.RETRIED
    assert claimed(conn) == []


def test_an_asset_with_bytes_that_are_there_takes_the_older_id(conn: Raw) -> None:
    outputs = []
    for number in range(2):
        job = submit(conn)
        lease = engine.claim(conn, "w", OFFER)[0]
        name = f"asset_{number}"
        part = {"type": "asset", "asset": name, "modality": "image", "media_type": "image/png"}
        asset = NewAsset(id=name, sha256="a" * 64, size=1, modality="image", media_type="image/png")
        engine.commit_step(conn, "w", lease, Commit(outputs={"out": part}, assets=[asset]))
        outputs.append(value(conn, "SELECT outputs FROM jobs WHERE id = %s", job))
    assert outputs[0] == outputs[1]
    assert value(conn, "SELECT count(*) FROM assets") == 1


def test_steps_over_the_budget_are_refused_and_nothing_is_written(conn: Raw) -> None:
    submit(conn, max_steps=2)
    lease = engine.claim(conn, "w", OFFER)[0]
    more = [echo(f"m{number}") for number in range(4)]
    with pytest.raises(InvalidPlan):
        engine.commit_step(conn, "w", lease, replace(DONE, steps=more))
    assert engine.commit_step(conn, "w", lease, DONE) is Outcome.COMMITTED


def test_a_job_that_used_up_its_gpu_seconds_stops(conn: Raw) -> None:
    job = submit(conn, echo("a"), echo("b", "a"), max_gpu_seconds=1.0)
    lease = engine.claim(conn, "w", OFFER)[0]
    engine.commit_step(conn, "w", lease, replace(DONE, usage={"gpu_seconds": 2.0}))
    assert value(conn, "SELECT error->>'code' FROM jobs WHERE id = %s", job) == "budget_exceeded"


def test_deadlines_are_the_databases(conn: Raw) -> None:
    late = submit(conn, start_deadline_s=-1.0)
    over = submit(conn, deadline_s=-1.0)
    assert reap_once(conn)["stopped"] == 2
    assert value(conn, "SELECT status FROM jobs WHERE id = %s", late) == "expired"
    assert value(conn, "SELECT error->>'code' FROM jobs WHERE id = %s", over) == "deadline_exceeded"


def test_a_retry_keeps_what_was_made_and_pays_only_for_the_rest(conn: Raw) -> None:
    plan = {"steps": [{"id": name, "tool": "test.echo"} for name in "abc"]}
    job = submit(conn, echo("a"), echo("b", "a"), echo("c", "b"), plan=plan)
    engine.commit_step(conn, "w", engine.claim(conn, "w", OFFER)[0], DONE)
    engine.fail_step(conn, engine.claim(conn, "w", OFFER)[0], BackendError("x"), delay=None)
    again = engine.retry_job(conn, "t", job)
    lease = engine.claim(conn, "w", OFFER)[0]
    assert (lease.job, lease.step) == (again, "b")
    assert lease.sources == {"a": DONE.outputs}
    changed = engine.retry_job(conn, "t", job, overrides={"a": {"text": "other"}})
    lease = engine.claim(conn, "w", OFFER)[0]
    assert (lease.job, lease.step, lease.params) == (changed, "a", {"text": "other"})
    kept = "SELECT plan #>> '{steps,0,params,text}' FROM jobs WHERE id = %s"
    assert value(conn, kept, changed) == "other"


def test_only_ended_jobs_are_retried_and_foreign_ones_do_not_exist(conn: Raw) -> None:
    job = submit(conn)
    with pytest.raises(Conflict):
        engine.retry_job(conn, "t", job)
    for act in (engine.retry_job, engine.cancel_job, engine.approve):
        with pytest.raises(NotFound):
            act(conn, "somebody else", job)


def test_exactly_the_approved_plan_runs(conn: Raw) -> None:
    plan = {"steps": [], "reply": {}}
    job = submit(conn, echo("a"), echo("b", "a"), plan=plan, approve="plan")
    assert claimed(conn) == []
    engine.revise(conn, "t", job, plan, [echo("z")], expected=1)
    with pytest.raises(RevisionMoved):
        engine.revise(conn, "t", job, plan, [echo("y")], expected=1)
    with pytest.raises(RevisionMoved):
        engine.approve(conn, "t", job, expected=1)
    assert claimed(conn) == []
    engine.approve(conn, "t", job, expected=2)
    lease = engine.claim(conn, "w", OFFER)[0]
    assert lease.step == "z"
    engine.commit_step(conn, "w", lease, DONE)
    assert value(conn, "SELECT status FROM jobs WHERE id = %s", job) == "succeeded"
    with pytest.raises(Conflict):
        engine.approve(conn, "t", job)


def test_events_are_replayed_from_any_number_for_their_tenant_only(conn: Raw) -> None:
    job = submit(conn)
    engine.commit_step(conn, "w", engine.claim(conn, "w", OFFER)[0], DONE)
    kinds = [event.type for event in read_events(conn, "t", job, after=1)]
    assert kinds == ["step.started", "step.completed", "job.succeeded"]
    assert read_events(conn, "somebody else", job) == []


def test_an_answer_of_the_database_that_is_lost_loses_nothing(
    conn: Raw, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = make_runner(settings.model_copy(update={"lanes": ("cpu",)}), make_app(settings))
    real, losses = engine.commit_steps, [True, False, True]

    def commit_and_lose_the_answer(*given: Any) -> Any:
        found = real(*given)
        if losses and losses.pop():
            raise psycopg.OperationalError("the connection is gone")
        return found

    monkeypatch.setattr(engine, "commit_steps", commit_and_lose_the_answer)
    jobs = [submit(conn, echo("a"), echo("b", "a")) for _ in range(3)]
    while runner.drain("cpu"):
        pass
    runner.keeping.close()
    query = "SELECT count(*) FROM step_attempts WHERE outcome = 'succeeded'"
    assert value(conn, query) == 6
    assert value(conn, "SELECT count(*) FROM jobs WHERE status = 'succeeded'") == len(jobs)


def test_a_worker_tells_what_failed_attempts_used(conn: Raw, settings: Settings) -> None:
    runner = make_runner(settings.model_copy(update={"lanes": ("cpu",)}), make_app(settings))
    spec = replace(runner.kitchen.residency.spec("test-tools"), memory_bytes=1)
    runner.kitchen.residency._models = {spec.id: spec}
    runner.kitchen.residency._device = "accelerator"
    step = echo(tool="test.fail", params={"kind": "permanent"})
    job = submit(conn, step, echo("s2"))
    while runner.drain("cpu"):
        pass
    runner.keeping.close()
    query = "SELECT a.usage->'gpu_seconds' = a.usage->'seconds' FROM step_attempts a WHERE job = %s"
    assert [row[0] for row in conn.execute(query, [job])] == [True, True]
    assert value(conn, "SELECT status FROM steps WHERE id = 's1'") == "failed"


def test_a_step_waits_for_a_worker_that_can_load_its_model(conn: Raw) -> None:
    jobs = [submit(conn, echo(model=model)) for model in ("big", "small", None)]
    some = replace(OFFER, models=["small"], batch={"test.echo": 4})
    assert [claimed(conn, some) for _ in range(3)] == [[jobs[1]], [jobs[2]], []]
    assert claimed(conn, replace(OFFER, models=["big"])) == [jobs[0]]


def test_with_several_tenants_too_a_step_waits_for_its_model(conn: Raw) -> None:
    submit(conn, echo(model="big"), tenant="a")
    small = submit(conn, echo(model="small"), tenant="b")
    assert [claimed(conn, replace(OFFER, models=["small"])) for _ in range(2)] == [[small], []]


def test_a_commit_goes_on_with_what_its_worker_can_load(conn: Raw) -> None:
    submit(conn, echo("a", model="small"), echo("b", model="big"), echo("c", model="small"))
    some = replace(OFFER, models=["small"], go_on=True)
    (lease,) = engine.claim(conn, "w", some)
    done = engine.commit_steps(conn, "w", [(lease, engine.Commit())], some)
    assert [found.step for found in done.leases] == ["c"]


def test_what_has_come_is_announced_for_all_children_of_a_worker(conn: Raw, tmp_path: Path) -> None:
    folder = tmp_path / "later"
    spec = ModelSpec(id="m", backend="dual", tools=frozenset({"embed"}), source=str(folder))
    now = 0.0
    offering = Offering(settings=Settings(), tools=toolbox(), models={"m": spec}, clock=lambda: now)
    for child, main in (("c1", "a"), ("c2", "a"), ("other", "b")):
        enter(conn, child, {**offering.row(), "models": [], "facts": {"main": main}})
    assert not load_served(conn).by("embed", "m")
    assert "m" in load_served(conn).missing
    folder.mkdir()
    now = 60.0
    assert offering.look()
    announce(conn, "a", offering)
    assert load_served(conn).by("embed", "m")
    assert load_served(conn).missing == {}
    lacks = conn.execute("SELECT id FROM workers WHERE lacks <> '{}'").fetchall()
    assert lacks == [("other",)]


def test_a_worker_of_the_release_before_serves_whatever_its_tools_need(conn: Raw) -> None:
    conn.execute("INSERT INTO workers (id, lanes, tools) VALUES ('old', '[]', '[\"embed@1\"]')")
    assert load_served(conn).by("embed", "anything")


def test_the_watchdog_waits_only_for_what_its_children_could_take(conn: Raw) -> None:
    submit(conn, echo(model="big"))
    assert take_look(conn, replace(OFFER, models=["small"])).waiting is None
    assert take_look(conn, replace(OFFER, models=["big"])).waiting is not None
    old = "SELECT count(*) FROM medley_candidates(ARRAY['cpu'], ARRAY['test.echo@1'], '{}')"
    assert value(conn, old) == 1

"""The engine against a reference model: random graphs, outcomes, cancels, crashes, repeats and
late commits.

The model is `orchestrator.advance` and three counters per step. After every act the rows must be
what the model says, and the invariants must hold.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from medley.errors import BackendError, Conflict
from medley.status import TERMINAL_JOB, JobStatus, StepStatus
from orchestrator import advance, engine, invariants
from orchestrator.database import Raw, connect
from orchestrator.engine import Commit, Lease, NewJob, NewStep, Offer, Outcome

OFFER = Offer(lanes=["cpu"], tools=["test.echo@1"], ttl=60.0)
TURNS = [{"role": "user", "parts": [{"type": "text", "text": "The left one."}]}]
OUTPUTS = {"out": {"type": "text", "text": "words"}}
S = StepStatus


def echo(name: str, needs: list[str], kind: str = "work", attempts: int = 2) -> NewStep:
    """A step of the test tool that reads these steps."""
    inputs = {"texts": [{"from": f"{need}.out"} for need in needs]} if needs else {}
    return NewStep(
        id=name, tool="test.echo", lane="cpu", kind=kind, inputs=inputs, max_attempts=attempts
    )


@st.composite
def graphs(draw: st.DrawFn, prefix: str = "s", least: int = 1) -> list[NewStep]:
    """Up to five steps, each of which reads some of those before it."""
    names: list[str] = []
    steps = []
    for number in range(draw(st.integers(least, 5))):
        needs = draw(st.lists(st.sampled_from(names), unique=True, max_size=2)) if names else []
        names.append(f"{prefix}{number}")
        steps.append(echo(names[-1], needs))
    return steps


@dataclass
class Twin:
    """A job as the model knows it."""

    view: advance.JobView
    tokens: dict[str, int] = field(default_factory=dict)
    attempts: dict[str, int] = field(default_factory=dict)
    crashes: dict[str, int] = field(default_factory=dict)
    status: JobStatus | None = None  # once it is over
    approves: bool = False  # a plan has to be approved
    asked: bool = False  # it waits for input

    def add(self, steps: list[NewStep]) -> None:
        """Steps join the job."""
        more = {
            step.id: advance.StepView(
                kind=str(step.kind),
                needs=frozenset(step.needs),
                round=self.view.round,
                status=S.CACHED if step.kept is not None else S.BLOCKED,
            )
            for step in steps
        }
        self.view = replace(self.view, steps={**self.view.steps, **more})

    def change(self, step: str, status: StepStatus) -> None:
        """A step changes, and all follows from that."""
        self.view = self.view.with_step(step, status)
        self.follow()

    def follow(self) -> None:
        """Everything that follows from what is."""
        if self.status is None:
            self.view, end = advance.settle(self.view)
            if isinstance(end, advance.Finish):
                self.status = end.status
            elif isinstance(end, advance.PlanAgain):
                self.view = replace(self.view, round=end.round)
                self.add([echo(f"plan{end.round}", [], "plan")])
                self.follow()


class EngineMachine(RuleBasedStateMachine):
    """Acts of callers, workers, relays, reapers and of death, in any order."""

    conn: Raw
    leases = Bundle("leases")
    jobs = Bundle("jobs")

    def __init__(self) -> None:
        super().__init__()
        self.twins: dict[str, Twin] = {}
        self.conn.execute("TRUNCATE jobs, steps, edges, step_attempts, events CASCADE")

    @rule(
        target=jobs,
        steps=graphs(),
        answer=st.booleans(),
        held=st.booleans(),
        priority=st.integers(0, 1),
    )
    def submit(self, steps: list[NewStep], answer: bool, held: bool, priority: int) -> str:
        given = [*steps, echo("answer", [], "answer")] if answer else steps
        plan: dict[str, Any] = {"steps": [], "reply": {}}
        approve = "plan" if held else "auto"
        return self.adopt(
            NewJob(tenant="t", steps=given, plan=plan, approve=approve, priority=priority)
        )

    @rule(target=jobs, rounds=st.integers(1, 2), approve=st.sampled_from(["auto", "plan"]))
    def ask(self, rounds: int, approve: str) -> str:
        steps = [echo("plan", [], "plan"), echo("answer", [], "answer")]
        return self.adopt(NewJob(tenant="t", steps=steps, max_rounds=rounds, approve=approve))

    def adopt(self, job: NewJob) -> str:
        engine.submit(self.conn, job)
        view = advance.JobView(held=job.held, max_rounds=job.max_rounds)
        self.twins[job.id] = Twin(view, approves=job.approve == "plan")
        self.twins[job.id].add(list(job.steps))
        self.twins[job.id].follow()
        return job.id

    @rule(target=leases, batch=st.integers(1, 3))
    def claim(self, batch: int) -> Any:
        offer = replace(OFFER, batch={"test.echo": batch})
        return multiple(*self.took(engine.claim(self.conn, "w", offer), batch))

    def took(self, leases: list[Lease], batch: int = 1) -> list[Lease]:
        ready = [
            (name, step)
            for name, twin in self.twins.items()
            for step, view in twin.view.steps.items()
            if view.status is S.READY
        ]
        assert len(leases) == min(batch, len(ready))
        for lease in leases:
            twin = self.twins[lease.job]
            assert (lease.job, lease.step) in ready
            for counts in (twin.tokens, twin.attempts):
                counts[lease.step] = counts.get(lease.step, 0) + 1
            assert lease.token == twin.tokens[lease.step]
            assert set(lease.sources or {}) == set(twin.view.steps[lease.step].needs)
            twin.view = twin.view.with_step(lease.step, S.RUNNING)
        return leases

    def expected(self, lease: Lease, good: Outcome) -> Outcome:
        """What the model says will become of an act on this lease."""
        twin = self.twins[lease.job]
        state = twin.view.steps[lease.step].status
        if twin.tokens[lease.step] != lease.token or state is not S.RUNNING:
            done = twin.tokens[lease.step] == lease.token and state is S.SUCCEEDED
            return Outcome.REPEATED if good is Outcome.COMMITTED and done else Outcome.FENCED
        return good if twin.view.stop is None else Outcome.CANCELED

    @rule(
        target=leases, lease=leases, fused=st.booleans(), more=graphs(least=0), asks=st.booleans()
    )
    def commit(self, lease: Lease, fused: bool, more: list[NewStep], asks: bool) -> Any:
        # The lease stays in the bundle: it will be committed again, also by "zombies".
        twin = self.twins[lease.job]
        planning = twin.view.steps[lease.step].kind == "plan"
        added = [
            replace(step, id=f"r{lease.round}{step.id}", inputs={}, after=[lease.step])
            for step in more
        ]
        asks = asks and planning
        done = Commit(
            outputs=OUTPUTS,
            usage={"gpu_seconds": 0.5},
            plan={"steps": []} if planning and not asks else None,
            steps=added if planning and not asks else (),
            question="Which one?" if asks else None,
        )
        outcome = self.expected(lease, Outcome.COMMITTED)
        answer = engine.commit_steps(self.conn, "w", [(lease, done)], OFFER if fused else None)
        assert answer.outcomes == [outcome]
        if outcome is Outcome.COMMITTED:
            twin.asked = asks
            held = asks or (planning and twin.approves)
            twin.view = replace(twin.view, held=held).with_step(lease.step, S.SUCCEEDED)
            twin.add(list(done.steps))
            twin.follow()
        elif outcome is Outcome.CANCELED:
            twin.change(lease.step, S.CANCELED)
        return multiple(*self.took(answer.leases) if fused else ())

    @rule(lease=leases, retryable=st.booleans())
    def fail(self, lease: Lease, retryable: bool) -> None:
        twin = self.twins[lease.job]
        again = retryable and twin.attempts[lease.step] < 2
        outcome = self.expected(lease, Outcome.RETRIED if again else Outcome.FAILED)
        error = BackendError("broken")
        assert (
            engine.fail_step(self.conn, lease, error, delay=0.0 if retryable else None) is outcome
        )
        if outcome in (Outcome.FAILED, Outcome.CANCELED):
            twin.change(lease.step, S.FAILED if outcome is Outcome.FAILED else S.CANCELED)
        elif outcome is Outcome.RETRIED:
            twin.view = twin.view.with_step(lease.step, S.READY)

    @rule(lease=leases)
    def lose(self, lease: Lease) -> None:
        dead = self.twins[lease.job].crashes.get(lease.step, 0) + 1 >= engine.MAX_CRASHES
        outcome = self.expected(lease, Outcome.DEAD if dead else Outcome.LOST)
        assert engine.lose_step(self.conn, lease) is outcome
        self.lost(lease.job, lease.step, outcome)

    def lost(self, job: str, step: str, outcome: Outcome) -> None:
        twin = self.twins[job]
        if outcome in (Outcome.LOST, Outcome.DEAD):
            twin.crashes[step] = twin.crashes.get(step, 0) + 1
        if outcome is Outcome.LOST:
            twin.attempts[step] -= 1
            twin.view = twin.view.with_step(step, S.READY)
        elif outcome in (Outcome.DEAD, Outcome.CANCELED):
            twin.change(step, S.DEAD if outcome is Outcome.DEAD else S.CANCELED)

    @rule(lease=consumes(leases))
    def release(self, lease: Lease) -> None:
        twin = self.twins[lease.job]
        outcome = self.expected(lease, Outcome.RELEASED)
        assert engine.release_step(self.conn, lease) is outcome
        if outcome is Outcome.RELEASED:
            twin.attempts[lease.step] -= 1
            twin.view = twin.view.with_step(lease.step, S.READY)
        elif outcome is Outcome.CANCELED:
            twin.change(lease.step, S.CANCELED)

    @rule(lease=leases)
    def expire_and_reap(self, lease: Lease) -> None:
        dead = self.twins[lease.job].crashes.get(lease.step, 0) + 1 >= engine.MAX_CRASHES
        outcome = self.expected(lease, Outcome.DEAD if dead else Outcome.LOST)
        self.conn.execute(
            "UPDATE steps SET lease_until = now() - interval '1 s'"
            " WHERE job = %s AND id = %s AND token = %s AND status = 'running'",
            [lease.job, lease.step, lease.token],
        )
        self.conn.execute("SELECT medley_reap(100)")
        self.lost(lease.job, lease.step, outcome)

    @rule(lease=leases)
    def renew(self, lease: Lease) -> None:
        twin = self.twins[lease.job]
        alive = self.expected(lease, Outcome.COMMITTED) in (Outcome.COMMITTED, Outcome.CANCELED)
        key = (lease.job, lease.step, lease.token)
        found = engine.renew(self.conn, [lease.key()], 60.0)
        assert found == ({key: twin.view.stop} if alive else {})

    @rule(lease=leases)
    def progress(self, lease: Lease) -> None:
        alive = self.expected(lease, Outcome.COMMITTED) in (Outcome.COMMITTED, Outcome.CANCELED)
        assert engine.report_progress(self.conn, lease, {"done": 1, "total": 2}) is alive

    @rule(job=jobs)
    def cancel(self, job: str) -> None:
        status = engine.cancel_job(self.conn, "t", job)
        twin = self.twins[job]
        if twin.status is None and twin.view.stop is None:
            twin.view = replace(twin.view, stop="canceled", held=False)
            twin.asked = False
            twin.follow()
        assert status == (twin.status or JobStatus.CANCELING)

    @precondition(lambda self: any(twin.view.held for twin in self.twins.values()))
    @rule()
    def approve_or_answer(self) -> None:
        job, twin = next((job, twin) for job, twin in self.twins.items() if twin.view.held)
        if twin.asked:
            with pytest.raises(Conflict):
                engine.approve(self.conn, "t", job)
            self.answer(job, twin)
            return
        with pytest.raises(Conflict):
            engine.give_input(self.conn, "t", job, TURNS)
        engine.approve(self.conn, "t", job)
        twin.view = replace(twin.view, held=False)
        twin.follow()

    def answer(self, job: str, twin: Twin) -> None:
        engine.give_input(self.conn, "t", job, TURNS)
        view = twin.view
        twin.asked = False
        twin.view = replace(view, held=False, round=view.round + 1, max_rounds=view.max_rounds + 1)
        twin.add([echo(f"plan{twin.view.round}", [], "plan")])
        twin.follow()

    @rule(target=jobs, job=jobs)
    def retry(self, job: str) -> Any:
        if self.twins[job].status is None:
            return multiple()
        name = engine.retry_job(self.conn, "t", job)
        seen = {name: view for name, _, view in invariants.job_views(self.conn)}
        self.twins[name] = Twin(seen[name], approves=self.twins[job].approves)
        assert set(seen[name].steps) <= set(self.twins[job].view.steps)
        self.twins[name].status = self.job_status(name)
        return name

    @rule()
    def relay(self) -> None:
        self.conn.execute("SELECT * FROM medley_due_wakes(100)")

    def job_status(self, job: str) -> JobStatus | None:
        row = self.conn.execute("SELECT status FROM jobs WHERE id = %s", [job]).fetchone()
        assert row is not None
        return JobStatus(row[0]) if row[0] in TERMINAL_JOB else None

    @invariant()
    def rows_are_what_the_model_says(self) -> None:
        for name, status, view in invariants.job_views(self.conn):
            twin = self.twins[name]
            assert {step: seen.status for step, seen in view.steps.items()} == {
                step: seen.status for step, seen in twin.view.steps.items()
            }
            assert (status if status in TERMINAL_JOB else None) == twin.status
        for job, step, attempt, crashes in self.conn.execute(
            "SELECT job, id, attempt, crash_count FROM steps"
        ).fetchall():
            assert attempt == self.twins[job].attempts.get(step, 0)
            assert crashes == self.twins[job].crashes.get(step, 0)

    def teardown(self) -> None:
        assert invariants.check(self.conn) == []


@pytest.fixture
def machine(database_url: str) -> Iterator[type[EngineMachine]]:
    """The machine on this test's database."""
    with connect(database_url) as conn:
        yield type("Machine", (EngineMachine,), {"conn": conn})


def test_the_engine_does_what_the_model_says(machine: type[EngineMachine]) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=20,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )

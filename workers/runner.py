"""The runner: claims, runs, commits, and goes on while there is work. One per worker child.

A commit claims the next step in the same transaction, so a busy lane needs neither broker nor a
second round trip. What a lost connection leaves open is put right before the next claim.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import psycopg

from medley.errors import InvalidPlan, MedleyError
from orchestrator import engine
from orchestrator.crashes import crash_point
from orchestrator.database import Raw
from orchestrator.engine import Commit, Committed, Lease, Offer, Outcome
from orchestrator.events import Announcer
from workers.batch import Item, Kitchen, Spent
from workers.control import Scratch, StepControl
from workers.gauges import Gauges
from workers.keeping import Keeping
from workers.link import Link
from workers.offering import Offering
from workers.tracing import Tracing

log = logging.getLogger(__name__)

MOST_STEPS = 32  #: of one wake-up
MOST_SECONDS = 60.0
MOST_IN_A_ROW = 8  #: steps of one job, before the whole queue is looked at again
QUICK_S = 1.0  #: only after a step as short as this is the same job gone on with unseen

Wake = Callable[[Mapping[str, int]], object]


class StepDeadline(MedleyError):
    """The step ran longer than its tool allows."""

    code = "step_deadline"


class Stalled(MedleyError):
    """The step showed no progress for too long."""

    code, retryable = "stalled", True


@dataclass(kw_only=True)
class Runner:
    """Everything that one worker child does with the database."""

    worker: str
    offering: Offering
    link: Link
    kitchen: Kitchen
    keeping: Keeping
    announcer: Announcer
    wake: Wake
    leaving: Callable[[], bool] = lambda: False
    overdue: Callable[[], bool] = lambda: False
    tracing: Tracing = field(default_factory=Tracing)
    gauges: Gauges | None = None
    clock: Callable[[], float] = time.monotonic
    ran: int = field(default=0, init=False)
    _row: int = field(default=0, init=False)  # steps gone on with in the same job

    def drain(self, lane: str) -> int:
        """Runs steps until none is left, or until it is somebody else's turn; how many it ran."""
        self.keeping.ensure()
        self.offering.look()
        before, until = self.ran, self.clock() + MOST_SECONDS
        leases = self._claim()
        while leases:
            crash_point("worker.after_claim")
            self.ran += len(leases)
            more = self.ran - before < MOST_STEPS and self.clock() < until
            leases = self._turn(leases, claim_more=more)
            if not leases and not more and not self.leaving():
                # Others may use this process now; whoever comes next goes on where it stopped.
                self.wake({lane: 1})
        self._tell()
        return self.ran - before

    def _tell(self) -> None:
        """Gauges are written when there is nothing better to do; not at any price."""
        if self.gauges is not None:
            try:
                self.gauges.write(self.link.conn)
            except psycopg.Error as error:
                log.debug("gauges not written error=%s", type(error).__name__)

    def _turn(self, leases: Sequence[Lease], *, claim_more: bool) -> list[Lease]:
        """Runs a batch, makes true what came of it, and claims what is next."""
        with self.tracing.running(self.link.conn, leases):
            return self._work(leases, claim_more=claim_more)

    def _work(self, leases: Sequence[Lease], *, claim_more: bool) -> list[Lease]:
        began = self.clock()
        tool = self.kitchen.tools[leases[0].tool]
        self.keeping.hold(leases, deadline_s=tool.deadline_s, stall_s=tool.stall_s)
        items = self.kitchen.cook(
            self.link.conn, leases, lambda scratch: self._control(leases, scratch)
        )
        for item in items:
            if item.error is not None:
                self._rescue(item)
        for item in items:
            if item.commit is None:
                self._end(item.lease, item.error, item.stopped, item.spent)
        finished = [(item.lease, item.commit) for item in items if item.commit is not None]
        claim_more = claim_more and not self.leaving()
        go_on = self._row < MOST_IN_A_ROW and self.clock() - began < QUICK_S
        committed = self._commit(finished, self._offer(go_on) if claim_more else None)
        for (lease, _), outcome in zip(finished, committed.outcomes, strict=True):
            log.info(
                "step.%s job=%s step=%s attempt=%d", outcome, lease.job, lease.step, lease.attempt
            )
        crash_point("worker.after_commit_before_wake")
        if committed.wakes:
            self.wake(committed.wakes)
        self._announce(leases, committed.leases)
        if committed.leases:
            same = committed.leases[0].job in {lease.job for lease in leases}
            self._row = self._row + 1 if same else 0
            return committed.leases
        self.keeping.let_go()
        return self._claim() if claim_more and committed.busy else []

    def _announce(self, done: Sequence[Lease], begun: Sequence[Lease]) -> None:
        """Listeners hear at once what a job ended or waits with, and soon what goes on anyway."""
        going_on = {lease.job for lease in begun}
        self.announcer.stored({lease.job for lease in done} - going_on)
        self.announcer.stored_soon(going_on)

    def _control(self, leases: Sequence[Lease], scratch: Scratch) -> StepControl:
        return StepControl(
            leases,
            self.keeping,
            self.announcer,
            lambda lease, progress: self.link.call(
                lambda conn: engine.report_progress(conn, lease, progress)
            ),
            scratch,
            leave=self._leave,
            shutting_down=self.overdue,
        )

    def _leave(self, lease: Lease, why: str) -> None:
        """One step of a batch has to stop while others go on."""
        self.keeping.drop(lease)
        self._end(lease, None, why, None)
        self.announcer.stored([lease.job])

    def _offer(self, go_on: bool = False) -> Offer:
        return replace(self.offering.offer, held=self.kitchen.residency.held(), go_on=go_on)

    def _claim(self) -> list[Lease]:
        if self.leaving():
            return []
        offer = self._offer()

        def again(conn: Raw) -> list[Lease]:
            # The answer was lost: what it had claimed for us is given back first.
            engine.lose_worker(conn, self.worker, counted=False)
            return engine.claim(conn, self.worker, offer)

        return self.link.call(lambda conn: engine.claim(conn, self.worker, offer), again=again)

    def _commit(self, finished: Sequence[tuple[Lease, Commit]], offer: Offer | None) -> Committed:
        if not finished and offer is None:
            return Committed(outcomes=[], leases=[], busy=False, wakes={})

        def again(conn: Raw) -> Committed:
            # Our COMMIT may have succeeded, and have claimed steps that we never heard of.
            done = engine.commit_steps(conn, self.worker, finished)
            engine.lose_worker(conn, self.worker, counted=False)
            return replace(done, busy=True)

        try:
            return self.link.call(
                lambda conn: engine.commit_steps(conn, self.worker, finished, offer), again=again
            )
        except InvalidPlan as error:
            if len(finished) == 1:
                lease, done = finished[0]
                self._fail(lease, error, done.spent)
                return Committed(outcomes=[Outcome.FAILED], leases=[], busy=True, wakes={})
            # One impossible commit must not take the others with it.
            parts = [self._commit([one], None) for one in finished]
            return Committed(
                outcomes=[part.outcomes[0] for part in parts],
                leases=[],
                busy=True,
                wakes={lane: n for part in parts for lane, n in part.wakes.items()},
            )

    def _rescue(self, item: Item) -> None:
        """The last attempt of a hook's tool may still be turned into something true."""
        hook = self.kitchen.hooks.get(item.tool.name)
        error = item.error
        if hook is None or error is None:
            return
        if error.retryable and item.lease.attempt < item.lease.max_attempts:
            return
        try:
            rescued = self.link.call(lambda conn: hook.rescue(conn, item.lease, error))
            if rescued is not None:
                item.end_with(rescued)
        except MedleyError as second:
            log.warning("step.rescue failed job=%s error=%s", item.lease.job, second.message)

    def _end(
        self, lease: Lease, error: MedleyError | None, stopped: str | None, spent: Spent | None
    ) -> None:
        """Ends an attempt that made nothing. `spent`: what it used, if that is known."""
        if error is not None:
            self._fail(lease, error, spent)
        elif stopped == "step_deadline":
            self._fail(lease, StepDeadline("The step ran longer than its tool allows."), spent)
        elif stopped == "stalled":
            self._fail(lease, Stalled("The step showed no progress for too long."), spent)
        elif stopped != "fenced":
            # Canceled: the engine knows. Shutting down: somebody else goes on.
            outcome = self.link.call(lambda conn: engine.release_step(conn, lease, spent))
            log.info("step.%s job=%s step=%s", outcome, lease.job, lease.step)

    def _fail(self, lease: Lease, error: MedleyError, spent: Spent | None) -> None:
        delay = engine.retry_delay(lease, error)
        outcome = self.link.call(
            lambda conn: engine.fail_step(conn, lease, error, delay=delay, usage=spent)
        )
        log.warning(
            "step.%s job=%s step=%s attempt=%d code=%s message=%s",
            outcome, lease.job, lease.step, lease.attempt, error.code, error.message,
        )  # fmt: skip

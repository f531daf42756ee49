"""The workers' side of the engine: claim, renew, commit, fail, release. Each call is one statement.

A commit may claim what comes next in the same transaction: a chain of steps then runs with one
round trip per step and without the broker.
"""

import random
from collections.abc import Mapping, Sequence
from typing import Any

from psycopg import errors as pg
from psycopg.types.json import Jsonb

from medley.errors import InvalidPlan, MedleyError
from orchestrator.database import Raw
from orchestrator.engine.values import Commit, Committed, Lease, Offer, Outcome, check_graph

MAX_DELAY_S = 300.0


def claim(conn: Raw, worker: str, offer: Offer) -> list[Lease]:
    """The best steps that this worker can run now, all of one tool and model; empty when there are
    none.
    """
    for _ in range(8):
        row = conn.execute(
            "SELECT medley_claim(%s, %s, true)", [worker, Jsonb(offer.to_data())]
        ).fetchone()
        assert row is not None
        if row[0]["leases"] or not row[0]["busy"]:
            return [Lease(**lease) for lease in row[0]["leases"]]
    return []


def commit_steps(
    conn: Raw,
    worker: str,
    finished: Sequence[tuple[Lease, Commit]],
    offer: Offer | None = None,
) -> Committed:
    """Makes what attempts made true, once; with an offer also claims what this worker runs next.

    Raises `InvalidPlan` when appended steps are impossible or over the budget; nothing is written
    then.
    """
    for _, done in finished:
        if done.steps:
            appended = {step.id for step in done.steps}
            outside = {need for step in done.steps for need in step.needs} - appended
            check_graph(done.steps, known=outside)  # the others are checked where they live
    # Sorted: whoever locks several jobs locks them in this order.
    ordered = sorted(range(len(finished)), key=lambda place: finished[place][0].job)
    data = [finished[place][1].to_data(finished[place][0]) for place in ordered]
    try:
        row = conn.execute(
            "SELECT medley_commit(%s, %s, %s)",
            [worker, Jsonb(data), None if offer is None else Jsonb(offer.to_data())],
        ).fetchone()
    except (pg.UniqueViolation, pg.ForeignKeyViolation) as error:
        raise InvalidPlan(
            f"The commit clashes with what is there: {error.diag.message_primary}"
        ) from error
    except pg.Error as error:
        if error.sqlstate in {"MD001", "MD002"}:
            raise InvalidPlan(f"The plan cannot run: {error.diag.message_primary}.") from error
        raise
    assert row is not None
    outcomes = [Outcome.FENCED] * len(finished)
    for place, outcome in zip(ordered, row[0]["outcomes"], strict=True):
        outcomes[place] = Outcome(outcome)
    return Committed(
        outcomes=outcomes,
        leases=[Lease(**lease) for lease in row[0]["leases"]],
        busy=row[0]["busy"],
        wakes=row[0]["wakes"],
    )


def commit_step(conn: Raw, worker: str, lease: Lease, done: Commit) -> Outcome:
    """Commits one step and claims nothing."""
    return commit_steps(conn, worker, [(lease, done)]).outcomes[0]


def retry_delay(lease: Lease, error: MedleyError) -> float | None:
    """Seconds until the next attempt, with full jitter; None when another attempt cannot help."""
    if not error.retryable:
        return None
    return random.uniform(0.0, min(MAX_DELAY_S, 2.0 * 2.0**lease.attempt))


def fail_step(
    conn: Raw,
    lease: Lease,
    error: MedleyError,
    *,
    delay: float | None,
    usage: Mapping[str, Any] | None = None,
) -> Outcome:
    """Ends an attempt with an error; tries again after `delay` seconds if attempts are left.

    `usage` is what it used, as in a commit; None: the time since it was claimed is taken for it.
    """
    row = conn.execute(
        "SELECT medley_fail_step(%s, %s, %s, %s, %s, %s)",
        [lease.job, lease.step, lease.token, Jsonb(error.to_data()), delay, _used(usage)],
    ).fetchone()
    assert row is not None
    return Outcome(row[0])


def lose_step(conn: Raw, lease: Lease) -> Outcome:
    """Ends an attempt whose worker is gone; counted as a crash."""
    return _lose(conn, lease, counted=True)


def release_step(conn: Raw, lease: Lease, usage: Mapping[str, Any] | None = None) -> Outcome:
    """Gives a step back in order, as at a shutdown or because its job was canceled; counted as no
    crash. `usage` as in `fail_step`; what is given back at a shutdown without it has used nothing.
    """
    return _lose(conn, lease, counted=False, usage=usage)


def _lose(
    conn: Raw, lease: Lease, *, counted: bool, usage: Mapping[str, Any] | None = None
) -> Outcome:
    row = conn.execute(
        "SELECT medley_lose_step(%s, %s, %s, %s, %s)",
        [lease.job, lease.step, lease.token, counted, _used(usage)],
    ).fetchone()
    assert row is not None
    return Outcome(row[0])


def _used(usage: Mapping[str, Any] | None) -> Jsonb | None:
    return None if usage is None else Jsonb(dict(usage))


def lose_worker(conn: Raw, worker: str, *, counted: bool = True) -> int:
    """Ends everything that a worker which is gone still holds; how many steps that were."""
    row = conn.execute("SELECT medley_lose_worker(%s, %s)", [worker, counted]).fetchone()
    assert row is not None
    return int(row[0])


def renew(
    conn: Raw, leases: Sequence[Mapping[str, Any]], ttl: float
) -> dict[tuple[str, str, int], str | None]:
    """Renews leases given as `{job, step, token}`.

    Missing in the answer: fenced. The value says why to stop.
    """
    rows = conn.execute(
        "SELECT job, step, token, stop FROM medley_renew(%s, %s)", [Jsonb(list(leases)), ttl]
    ).fetchall()
    return {(job, step, token): stop for job, step, token, stop in rows}


def report_progress(conn: Raw, lease: Lease, progress: Mapping[str, Any]) -> bool:
    """Stores progress as an event. False means fenced."""
    row = conn.execute(
        "SELECT medley_progress(%s, %s, %s, %s)",
        [lease.job, lease.step, lease.token, Jsonb(dict(progress))],
    ).fetchone()
    return row is not None and bool(row[0])

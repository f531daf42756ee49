"""Quotas: new work is let in while its key and its tenant are within what they may use.

That is looked at under a lock of the tenant, so that requests at the same time cannot pass the same
limit together. A job is given what is left of the day's accelerator seconds as its budget, and the
reaper stops the open jobs of whoever is beyond a day's share.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, Engine, text

from medley.errors import MAX_RETRY_AFTER_S, NotFound, QuotaExceeded
from medley.quota import Quota
from orchestrator import engine
from orchestrator.database import transaction
from orchestrator.keys import Caller
from orchestrator.usage import Used, stored, used

SOON_S = 5.0  #: when one of many open jobs may have ended
_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended('quota ' || :tenant, 0))")
#: Open jobs by who asked for them.
_OPEN = text(
    "SELECT j.tenant, j.key, k.quota, array_agg(j.id ORDER BY j.id) AS jobs"
    " FROM jobs j JOIN keys k ON k.id = j.key"
    " WHERE j.finished_at IS NULL AND j.cancel_requested_at IS NULL"
    " GROUP BY j.tenant, j.key, k.quota"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """Leave to make a job: on which key it counts, and its budget of accelerator seconds."""

    key: str | None = None
    gpu_seconds: float | None = None

    def budget(self, asked: float | None) -> float | None:
        """The narrower of what was asked for and what is left."""
        return min((most for most in (asked, self.gpu_seconds) if most is not None), default=None)


def admit(conn: Connection, caller: Caller, tenant_quota: Quota) -> Grant:
    """Leave to make a job in this transaction. Raises `QuotaExceeded`."""
    limits = _limits(caller, tenant_quota)
    if limits:
        conn.execute(_LOCK, {"tenant": caller.tenant})
    left: list[float] = []
    for whose, key, quota in limits:
        found = used(conn, caller.tenant, key)
        refuse(whose, quota, found)
        if quota.gpu_seconds_per_day is not None:
            left.append(quota.gpu_seconds_per_day - found.gpu_seconds)
    return Grant(key=caller.key, gpu_seconds=min(left, default=None))


def admit_bytes(conn: Connection, caller: Caller, tenant_quota: Quota) -> None:
    """Leave to keep what this transaction has added. Raises `QuotaExceeded`."""
    for whose, key, quota in _limits(caller, tenant_quota):
        if quota.bytes_stored is None:
            continue
        conn.execute(_LOCK, {"tenant": caller.tenant})
        now = stored(conn, caller.tenant, key)
        if now > quota.bytes_stored:
            raise QuotaExceeded(
                f"{whose} may store {quota.bytes_stored} bytes; with this it would store {now}."
                " Delete what is not needed.",
                MAX_RETRY_AFTER_S,
            )


def refuse(whose: str, quota: Quota, found: Used) -> None:
    """Raises `QuotaExceeded` when no further job may be made."""
    for most, now, words, wait in (
        (quota.open_jobs, found.open_jobs, "open jobs at a time", SOON_S),
        (quota.jobs_per_day, found.jobs, "jobs a day", _until_midnight()),
        (
            quota.gpu_seconds_per_day,
            found.gpu_seconds,
            "accelerator seconds a day",
            _until_midnight(),
        ),
        (quota.tokens_per_day, found.tokens, "tokens a day", _until_midnight()),
        (quota.bytes_stored, found.bytes_stored, "stored bytes", MAX_RETRY_AFTER_S),
    ):
        if most is not None and now >= most:
            raise QuotaExceeded(f"{whose} may have {most} {words}, and has {now}.", wait)


def stop_overrun(db: Engine, key_quota: Quota, tenant_quota: Quota) -> int:
    """Stops the open jobs of keys and tenants that are beyond a day's accelerator seconds or
    tokens, with `budget_exceeded`; how many.
    """
    names: list[tuple[str, str]] = []
    with db.connect() as conn:
        for row in conn.execute(_OPEN).all():
            quota = Quota.model_validate(row.quota).over(key_quota)
            if _is_beyond(conn, row.tenant, row.key, quota) or _is_beyond(
                conn, row.tenant, None, tenant_quota
            ):
                names += [(row.tenant, job) for job in row.jobs]
    for tenant, job in names:
        with transaction(db) as raw:
            try:
                engine.cancel_job(raw, tenant, job, "budget_exceeded")
            except NotFound:  # it ended and was forgotten meanwhile
                continue
    return len(names)


def _is_beyond(conn: Connection, tenant: str, key: str | None, quota: Quota) -> bool:
    if quota.gpu_seconds_per_day is None and quota.tokens_per_day is None:
        return False
    found = used(conn, tenant, key)
    return any(
        most is not None and now > most
        for most, now in (
            (quota.gpu_seconds_per_day, found.gpu_seconds),
            (quota.tokens_per_day, found.tokens),
        )
    )


def _limits(caller: Caller, tenant_quota: Quota) -> list[tuple[str, str | None, Quota]]:
    """Whose limits are to be looked at. Who calls without a key is on this machine: none."""
    if caller.key is None:
        return []
    both = [
        ("This key", caller.key, caller.quota),
        ("This tenant", None, tenant_quota),
    ]
    return [(whose, key, quota) for whose, key, quota in both if quota.counts_jobs]


def _until_midnight() -> float:
    now = datetime.now(UTC)
    midnight = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    return (midnight - now).total_seconds()

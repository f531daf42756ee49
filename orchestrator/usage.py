"""Usage: what keys and tenants have used, by day and by model.

Jobs and attempts say it themselves, however they ended; before a job is forgotten, what it had used
is added to a ledger. Everything counts towards the UTC day on which its job was made.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from sqlalchemy import Connection, text

_USED = text("""
WITH today AS (SELECT date_trunc('day', clock_timestamp(), 'UTC') AS began),
mine AS (
    SELECT finished_at IS NULL AS open, created_at >= began AS new, gpu_seconds, tokens
    FROM jobs, today WHERE tenant = :tenant AND (CAST(:key AS text) IS NULL OR key = :key)
        AND (created_at >= began OR finished_at IS NULL)),
gone AS (
    SELECT sum(jobs) AS jobs, sum(gpu_seconds) AS gpu_seconds, sum(tokens) AS tokens
    FROM usage, today WHERE tenant = :tenant AND (CAST(:key AS text) IS NULL OR key = :key)
        AND day = (began AT TIME ZONE 'UTC')::date)
SELECT count(*) FILTER (WHERE open) AS open_jobs,
    count(*) FILTER (WHERE new) + coalesce((SELECT jobs FROM gone), 0) AS jobs,
    coalesce(sum(gpu_seconds) FILTER (WHERE new), 0)
        + coalesce((SELECT gpu_seconds FROM gone), 0) AS gpu_seconds,
    coalesce(sum(tokens) FILTER (WHERE new), 0)
        + coalesce((SELECT tokens FROM gone), 0) AS tokens
FROM mine
""")
_STORED = text("""
SELECT coalesce(sum(size), 0)::bigint FROM (
    SELECT size FROM assets WHERE tenant = :tenant AND (CAST(:key AS text) IS NULL OR key = :key)
    UNION ALL
    SELECT p.size FROM uploads u JOIN upload_parts p ON p.upload = u.id
    WHERE u.tenant = :tenant AND (CAST(:key AS text) IS NULL OR u.key = :key)) every
""")
#: By job (model '') and by the models of its attempts.
_PARTS = """
SELECT j.tenant, (j.created_at AT TIME ZONE 'UTC')::date AS day, coalesce(j.key, '') AS key,
    part.model, sum(part.jobs)::int AS jobs, sum(part.gpu_seconds) AS gpu_seconds,
    sum(part.tokens) AS tokens
FROM jobs j, LATERAL (
    SELECT '' AS model, 1 AS jobs, 0::float8 AS gpu_seconds, 0::float8 AS tokens
    UNION ALL
    SELECT coalesce(a.usage->>'model', s.model, ''), 0,
        coalesce((a.usage->>'gpu_seconds')::float8, 0),
        coalesce((a.usage->>'input_tokens')::float8, 0)
            + coalesce((a.usage->>'output_tokens')::float8, 0)
    FROM step_attempts a JOIN steps s ON s.job = a.job AND s.id = a.step
    WHERE a.job = j.id AND a.usage IS NOT NULL
) part
WHERE {which} GROUP BY 1, 2, 3, 4
"""
_REMEMBER = text(
    "INSERT INTO usage (tenant, day, key, model, jobs, gpu_seconds, tokens)"
    + _PARTS.format(which="j.id = ANY(:jobs)")
    + """ON CONFLICT (tenant, day, key, model) DO UPDATE SET
    jobs = usage.jobs + excluded.jobs, gpu_seconds = usage.gpu_seconds + excluded.gpu_seconds,
    tokens = usage.tokens + excluded.tokens"""
)
_REPORT = """
WITH made AS ({parts}
    UNION ALL SELECT tenant, day, key, model, jobs, gpu_seconds, tokens FROM usage
    WHERE tenant = :tenant AND day BETWEEN :first AND :last
        AND (CAST(:key AS text) IS NULL OR key = :key)),
kept AS (
    SELECT (created_at AT TIME ZONE 'UTC')::date AS day, coalesce(key, '') AS key, '' AS model, size
    FROM assets WHERE tenant = :tenant AND (CAST(:key AS text) IS NULL OR key = :key)
        AND created_at >= CAST(:first AS date)::timestamp AT TIME ZONE 'UTC'
        AND created_at < (CAST(:last AS date) + 1)::timestamp AT TIME ZONE 'UTC')
SELECT name, sum(jobs)::bigint AS jobs, sum(gpu_seconds) AS gpu_seconds, sum(tokens) AS tokens,
    sum(bytes)::bigint AS bytes
FROM (SELECT {group}::text AS name, jobs, gpu_seconds, tokens, 0 AS bytes FROM made
      UNION ALL SELECT {group}::text, 0, 0, 0, size FROM kept) every
GROUP BY 1 ORDER BY 1
"""
_WITHIN = (
    "j.tenant = :tenant AND (CAST(:key AS text) IS NULL OR j.key = :key)"
    " AND j.created_at >= CAST(:first AS date)::timestamp AT TIME ZONE 'UTC'"
    " AND j.created_at < (CAST(:last AS date) + 1)::timestamp AT TIME ZONE 'UTC'"
)


class Group(StrEnum):
    """What usage is added up by."""

    KEY = "key"
    DAY = "day"
    MODEL = "model"


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """What was used today; `open_jobs` and `bytes_stored` are of now."""

    open_jobs: int
    jobs: int
    gpu_seconds: float
    tokens: float
    bytes_stored: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What was used under one name: a key, a day or a model. `bytes` is what was brought or made
    in that time and is still stored.
    """

    name: str
    jobs: int
    gpu_seconds: float
    tokens: float
    bytes: int


def used(conn: Connection, tenant: str, key: str | None = None) -> Used:
    """What the key, or the whole tenant, has used today."""
    row = conn.execute(_USED, {"tenant": tenant, "key": key}).one()
    return Used(
        open_jobs=row.open_jobs,
        jobs=int(row.jobs),
        gpu_seconds=float(row.gpu_seconds),
        tokens=float(row.tokens),
        bytes_stored=stored(conn, tenant, key),
    )


def stored(conn: Connection, tenant: str, key: str | None = None) -> int:
    """How many bytes the key, or the whole tenant, has in the store, parts of uploads included."""
    return int(conn.execute(_STORED, {"tenant": tenant, "key": key}).scalar_one())


def report(
    conn: Connection, tenant: str, group: Group, first: date, last: date, key: str | None = None
) -> Sequence[Line]:
    """What was used from the first to the last day, of one key or of all."""
    query = _REPORT.format(parts=_PARTS.format(which=_WITHIN), group=group.value)
    values = {"tenant": tenant, "key": key, "first": first, "last": last}
    return [
        Line(
            name=row.name,
            jobs=row.jobs,
            gpu_seconds=round(row.gpu_seconds, 3),
            tokens=row.tokens,
            bytes=row.bytes,
        )
        for row in conn.execute(text(query), values)
    ]


def remember(conn: Connection, job_ids: Sequence[str]) -> None:
    """Adds what these jobs have used to the ledger, before their rows are deleted."""
    if job_ids:
        conn.execute(_REMEMBER, {"jobs": list(job_ids)})

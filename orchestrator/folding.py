"""Folding: what ended since the last look is added to the totals, once, by whoever looks.

Nobody counts while steps run: the history of attempts is there anyway, and is read when somebody
asks for metrics. Without a reader this costs nothing.
"""

from datetime import datetime
from typing import Any

from orchestrator import measures
from orchestrator.database import Raw
from orchestrator.measures import MEASURES, Sums
from orchestrator.tracing import genai

LAG_S = 5.0  #: rows are dated when they are written and seen when they are committed
LONGEST = "1 day"  #: what ended earlier, while nobody asked, is not counted any more


def fold(conn: Raw, lag_s: float = LAG_S) -> int:
    """Adds what ended to the totals; how many attempts that were. In the caller's transaction.

    While somebody else folds, nothing.
    """
    row = conn.execute(
        "SELECT greatest(until, clock_timestamp() - %s::interval),"
        " clock_timestamp() - %s * interval '1 s' FROM measured WHERE id = 1"
        " FOR UPDATE SKIP LOCKED",
        [LONGEST, lag_s],
    ).fetchone()
    if row is None or row[0] >= row[1]:
        return 0
    since, until = row
    sums = Sums()
    found = _attempts(conn, sums, since, until)
    _waits(conn, sums, since, until)
    _usage(conn, sums, since, until)
    _operations(conn, sums, since, until)
    _tokens(conn, sums, since, until)
    _jobs(conn, sums, since, until)
    measures.add(conn, sums)
    conn.execute("UPDATE measured SET until = %s WHERE id = 1", [until])
    return found


_ENDED = (
    " FROM step_attempts a JOIN steps s ON s.job = a.job AND s.id = a.step"
    " WHERE a.ended_at > %s AND a.ended_at <= %s"
)
_MODEL = "coalesce(a.usage->>'model', s.model, '')"
#: Of these, those that ran: what the cache answered, or what was given back, was no operation.
_RAN = " AND a.outcome IN ('succeeded', 'retried', 'failed', 'lost', 'dead')"


def _attempts(conn: Raw, sums: Sums, since: datetime, until: datetime) -> int:
    name = "medley_step_duration_seconds"
    seconds = "coalesce(extract(epoch FROM a.ended_at - a.started_at), 0)::float8"
    rows = conn.execute(
        f"SELECT s.tool, {_MODEL}, a.outcome, {_bucket(seconds)}, count(*), sum({seconds})"
        f"{_ENDED} GROUP BY 1, 2, 3, 4".encode(),
        [list(MEASURES[name].buckets), since, until],
    ).fetchall()
    for tool, model, outcome, bucket, count, total in rows:
        if outcome in ("succeeded", "cached"):
            cached = "true" if outcome == "cached" else "false"
            sums.add_bucket(name, bucket, count, total, tool=tool, model=model, cached=cached)
        sums.add("medley_step_attempts_total", count, tool=tool, outcome=outcome)
    return sum(row[4] for row in rows)


def _waits(conn: Raw, sums: Sums, since: datetime, until: datetime) -> None:
    name = "medley_queue_wait_seconds"
    seconds = "extract(epoch FROM a.started_at - s.ready_at)::float8"
    rows = conn.execute(
        f"SELECT s.lane, {_bucket(seconds)}, count(*), sum({seconds}){_ENDED}"
        # A step that is to run once more is ready again, later than this attempt began.
        " AND a.token = s.token AND s.ready_at <= a.started_at GROUP BY 1, 2".encode(),
        [list(MEASURES[name].buckets), since, until],
    ).fetchall()
    for lane, bucket, count, total in rows:
        sums.add_bucket(name, bucket, count, total, queue=lane)


def _usage(conn: Raw, sums: Sums, since: datetime, until: datetime) -> None:
    rows: list[tuple[Any, ...]] = conn.execute(
        f"SELECT {_MODEL}, sum((a.usage->>'gpu_seconds')::float8),"
        " sum((a.usage->>'input_tokens')::float8), sum((a.usage->>'output_tokens')::float8)"
        f"{_ENDED} AND a.usage IS NOT NULL GROUP BY 1".encode(),
        [since, until],
    ).fetchall()
    for model, seconds, read, written in rows:
        if seconds:
            sums.add("medley_gpu_seconds_total", seconds, model=model)
        for kind, number in (("input", read), ("output", written)):
            if number:
                sums.add("medley_tokens_total", number, model=model, kind=kind)


def _operations(conn: Raw, sums: Sums, since: datetime, until: datetime) -> None:
    """Attempts in the words of OpenTelemetry."""
    name = "gen_ai_client_operation_duration_seconds"
    seconds = "extract(epoch FROM a.ended_at - a.started_at)::float8"
    rows = conn.execute(
        f"SELECT s.tool, {_MODEL}, CASE WHEN a.outcome = 'succeeded' THEN ''"
        " ELSE coalesce(a.error->>'code', a.outcome) END,"
        f" {_bucket(seconds)}, count(*), sum({seconds}){_ENDED}{_RAN}"
        " AND a.started_at IS NOT NULL GROUP BY 1, 2, 3, 4".encode(),
        [list(MEASURES[name].buckets), since, until],
    ).fetchall()
    for tool, model, error, bucket, count, total in rows:
        sums.add_bucket(name, bucket, count, total, **_genai(tool, model), error_type=error)


def _tokens(conn: Raw, sums: Sums, since: datetime, until: datetime) -> None:
    name = "gen_ai_client_token_usage"
    rows = conn.execute(
        # Whole numbers: half a token less puts those that equal a bound below it.
        f"SELECT s.tool, {_MODEL}, u.kind, {_bucket('u.tokens - 0.5')}, count(*), sum(u.tokens)"
        " FROM step_attempts a JOIN steps s ON s.job = a.job AND s.id = a.step,"
        " LATERAL (VALUES ('input', (a.usage->>'input_tokens')::float8),"
        " ('output', (a.usage->>'output_tokens')::float8)) AS u (kind, tokens)"
        f" WHERE a.ended_at > %s AND a.ended_at <= %s{_RAN}"
        " AND u.tokens IS NOT NULL GROUP BY 1, 2, 3, 4".encode(),
        [list(MEASURES[name].buckets), since, until],
    ).fetchall()
    for tool, model, kind, bucket, count, total in rows:
        sums.add_bucket(name, bucket, count, total, **_genai(tool, model), gen_ai_token_type=kind)


def _genai(tool: str, model: str) -> dict[str, str]:
    return {
        "gen_ai_operation_name": genai.operation_of(tool),
        "gen_ai_provider_name": genai.MEDLEY,
        "gen_ai_request_model": model,
    }


def _jobs(conn: Raw, sums: Sums, since: datetime, until: datetime) -> None:
    name = "medley_job_duration_seconds"
    seconds = "extract(epoch FROM finished_at - created_at)::float8"
    rows = conn.execute(
        f"SELECT status, {_bucket(seconds)}, count(*), sum({seconds}) FROM jobs"
        " WHERE finished_at > %s AND finished_at <= %s GROUP BY 1, 2".encode(),
        [list(MEASURES[name].buckets), since, until],
    ).fetchall()
    for status, bucket, count, total in rows:
        sums.add_bucket(name, bucket, count, total, status=status)


def _bucket(seconds: str) -> str:
    return f"width_bucket({seconds}, %s::float8[])"

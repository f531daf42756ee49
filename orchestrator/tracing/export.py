"""Export: the spans of jobs that have ended go to a collector, if one is named.

The standard variables decide (`OTEL_EXPORTER_OTLP_ENDPOINT` and its kin); without one nothing runs
and nothing is written. A job that is to be traced says so in its row, and any process may take it:
attempts of workers that were killed are there like all others.
"""

import logging
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine, text

from medley.errors import NotFound
from medley.settings import Settings
from orchestrator.rounds import Rounds
from orchestrator.tracing.otlp import nanoseconds
from orchestrator.tracing.spans import Span, read_spans

if TYPE_CHECKING:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import SpanExporter

log = logging.getLogger(__name__)

EVERY_S = 2.0
BATCH = 32
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")


def exports() -> bool:
    """Whether a collector is named and nothing forbids to use it."""
    off = os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
    kind = os.environ.get("OTEL_TRACES_EXPORTER", "otlp").strip().lower()
    return not off and kind == "otlp" and any(os.environ.get(name) for name in _ENDPOINTS)


def service_name() -> str:
    """What this installation is called in traces."""
    return os.environ.get("OTEL_SERVICE_NAME") or "medley"


def begin(conn: Connection, job: str, traceparent: str | None, *, due: bool) -> None:
    """Writes down which trace a new job belongs to, and whether its spans are to be exported."""
    if traceparent is not None or due:
        conn.execute(
            text("UPDATE jobs SET traceparent = :parent, trace_due = :due WHERE id = :job"),
            {"parent": traceparent, "due": due or None, "job": job},
        )


def export_once(engine: Engine, exporter: "SpanExporter", *, prompts: bool = False) -> int:
    """Exports what is due; how many jobs that were. What a collector refuses is due again."""
    with engine.begin() as conn:
        taken = conn.execute(
            text(
                "UPDATE jobs SET trace_due = NULL WHERE id IN ("
                " SELECT id FROM jobs WHERE trace_due AND finished_at IS NOT NULL"
                " ORDER BY id LIMIT :most FOR NO KEY UPDATE SKIP LOCKED) RETURNING id, tenant"
            ),
            {"most": BATCH},
        ).all()
    if not taken:
        return 0
    spans: list[Span] = []
    with engine.connect() as conn:
        for job, tenant in taken:
            try:
                spans += read_spans(conn, tenant, job, prompts=prompts)
            except NotFound:
                log.debug("trace.gone job=%s", job)
    if not _send(exporter, spans):
        with engine.begin() as conn:
            conn.execute(
                text("UPDATE jobs SET trace_due = true WHERE id = ANY(:jobs)"),
                {"jobs": [job for job, _ in taken]},
            )
        return 0
    return len(taken)


def _send(exporter: "SpanExporter", spans: Sequence[Span]) -> bool:
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace.export import SpanExportResult

    resource = Resource.create({"service.name": service_name()})
    sent = exporter.export([_readable(span, resource) for span in spans])
    return sent is SpanExportResult.SUCCESS


def _readable(span: Span, resource: "Resource") -> "ReadableSpan":
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

    def context(span_id: str) -> SpanContext:
        ids = int(span.trace, 16), int(span_id, 16)
        return SpanContext(*ids, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))

    status = Status(StatusCode.OK)
    if span.error is not None:
        status = Status(StatusCode.ERROR, span.error)
    return ReadableSpan(
        name=span.name,
        context=context(span.id),
        parent=context(span.parent) if span.parent else None,
        resource=resource,
        attributes=dict(span.attributes),
        kind=SpanKind.INTERNAL,
        status=status,
        start_time=nanoseconds(span.began),
        end_time=nanoseconds(span.ended),
    )


class TraceExporter(Rounds):
    """Exports; it does not start where no collector is named."""

    name = "traces"

    def __init__(self, engine: Engine, settings: Settings) -> None:
        super().__init__(EVERY_S)
        self._engine, self._prompts = engine, settings.trace_prompts
        self._exporter: OTLPSpanExporter | None = None

    def start(self) -> None:
        """Begins to export, if there is somewhere to export to."""
        if exports():
            super().start()

    def round(self) -> None:
        """Exports what is due by now."""
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        if self._exporter is None:
            self._exporter = OTLPSpanExporter()
        while export_once(self._engine, self._exporter, prompts=self._prompts) == BATCH:
            pass

    last = round

    def close(self) -> None:
        """Lets go of the collector."""
        if self._exporter is not None:
            self._exporter.shutdown()  # type: ignore[no-untyped-call]
            self._exporter = None

"""Tracing in a worker: what runs below a step, such as the loading of weights, hangs below the span
of its attempt.

The attempt's own span is made of its row when the job has ended (`orchestrator.tracing.export`);
here only its name is known, which is enough to be a parent, and to stand in log lines.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
import structlog

from orchestrator.database import Raw
from orchestrator.engine import Lease
from orchestrator.tracing.export import exports, service_name
from orchestrator.tracing.identity import Parent, span_of_attempt, trace_of


class Tracing:
    """The spans of this process; none where no collector is named."""

    def __init__(self) -> None:
        self._provider: Any = None
        self._open: dict[str, Any] = {}
        if exports():
            from opentelemetry import trace
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor

            resource = Resource.create({"service.name": service_name()})
            self._provider = TracerProvider(resource=resource)
            self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
            trace.set_tracer_provider(self._provider)

    @contextmanager
    def running(self, conn: Raw, leases: Sequence[Lease]) -> Iterator[None]:
        """A batch runs: log lines say which, and spans hang below its first attempt."""
        first = leases[0]
        more = {"batch": len(leases)} if len(leases) > 1 else {}
        named = structlog.contextvars.bound_contextvars(
            job=first.job, step=first.step, attempt=first.attempt, **more
        )
        with named, self._below(conn, first):
            yield

    @contextmanager
    def _below(self, conn: Raw, lease: Lease) -> Iterator[None]:
        if self._provider is None:
            yield
            return
        from opentelemetry import context, trace

        token = context.attach(trace.set_span_in_context(_span(_parent(conn, lease), lease)))
        try:
            yield
        finally:
            context.detach(token)

    def loading(self, model: str, state: str) -> None:
        """A model's state has changed: loading | loaded | failed | gone | away."""
        if self._provider is None:
            return
        if state == "loading":
            tracer = self._provider.get_tracer("medley")
            about = {"gen_ai.request.model": model}
            self._open[model] = tracer.start_span(f"load_model {model}", attributes=about)
        elif (span := self._open.pop(model, None)) is not None:
            if state == "failed":
                from opentelemetry.trace import Status, StatusCode

                span.set_status(Status(StatusCode.ERROR))
            span.end()

    def close(self) -> None:
        """Sends what was not sent yet."""
        if self._provider is not None:
            self._provider.shutdown()


def _parent(conn: Raw, lease: Lease) -> str | None:
    try:
        row = conn.execute("SELECT traceparent FROM jobs WHERE id = %s", [lease.job]).fetchone()
    except psycopg.Error:
        return None  # a trace is not worth a step
    return row[0] if row else None


def _span(traceparent: str | None, lease: Lease) -> Any:
    from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

    parent = Parent.parse(traceparent)
    sampled = parent is None or parent.sampled
    return NonRecordingSpan(
        SpanContext(
            int(trace_of(lease.job, traceparent), 16),
            int(span_of_attempt(lease.job, lease.step, lease.token), 16),
            is_remote=True,
            trace_flags=TraceFlags(TraceFlags.SAMPLED if sampled else TraceFlags.DEFAULT),
        )
    )

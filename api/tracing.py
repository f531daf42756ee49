"""Tracing of requests: the framework's own spans, and which span a new job belongs to."""

from collections.abc import MutableMapping
from contextvars import ContextVar
from typing import Any

from fastapi.telemetry import TelemetryConfig
from opentelemetry import trace
from sqlalchemy import Connection

from orchestrator.tracing import export
from orchestrator.tracing.identity import Parent

_UNTRACED = frozenset({"/healthz", "/readyz", "/metrics"})
_arrived: ContextVar[str | None] = ContextVar("medley_traceparent", default=None)


def _unseen(scope: MutableMapping[str, Any]) -> bool:
    return scope.get("path") in _UNTRACED


#: Server spans by the standard `OTEL_*` variables, and nothing without them. Exceptions are not
#: exported: their words may be a user's.
TELEMETRY: TelemetryConfig = {
    "auto_configure": True,
    "logs": False,
    "operation_spans": False,
    "exclude": _unseen,
}


def arrived(header: str | None) -> None:
    """Keeps the `traceparent` of the request that is being served."""
    _arrived.set(header)


def belongs_to(conn: Connection, job: str) -> None:
    """A new job becomes part of the trace of the request that asks for it."""
    own = trace.get_current_span().get_span_context()
    if own.is_valid:
        found: Parent | None = Parent(
            f"{own.trace_id:032x}", f"{own.span_id:016x}", own.trace_flags.sampled
        )
    else:
        found = Parent.parse(_arrived.get())
    due = export.exports() and (found is None or found.sampled)
    export.begin(conn, job, str(found) if found else None, due=due)

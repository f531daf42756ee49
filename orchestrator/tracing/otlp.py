"""Spans in the JSON of OpenTelemetry's protocol (OTLP): what a collector takes at `/v1/traces`."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from orchestrator.tracing.spans import Attribute, Span

_INTERNAL, _OK, _ERROR = 1, 1, 2


def to_otlp(spans: Sequence[Span], service: str, version: str) -> dict[str, Any]:
    """An `ExportTraceServiceRequest`."""
    resource = {"service.name": service, "service.version": version}
    scope = {"name": "medley", "version": version}
    return {
        "resourceSpans": [
            {
                "resource": {"attributes": _attributes(resource)},
                "scopeSpans": [{"scope": scope, "spans": [_span(span) for span in spans]}],
            }
        ]
    }


def nanoseconds(moment: datetime) -> int:
    """Since 1970, to the microsecond that a row keeps."""
    return round(moment.timestamp() * 1_000_000) * 1000


def _span(span: Span) -> dict[str, Any]:
    status: dict[str, Any] = {"code": _OK}
    if span.error is not None:
        status = {"code": _ERROR, "message": span.error}
    data = {
        "traceId": span.trace,
        "spanId": span.id,
        "name": span.name,
        "kind": _INTERNAL,
        "startTimeUnixNano": str(nanoseconds(span.began)),
        "endTimeUnixNano": str(nanoseconds(span.ended)),
        "attributes": _attributes(span.attributes),
        "status": status,
    }
    return data | ({"parentSpanId": span.parent} if span.parent else {})


def _attributes(given: Mapping[str, Attribute]) -> list[dict[str, Any]]:
    return [{"key": key, "value": _value(value)} for key, value in given.items()]


def _value(value: Attribute) -> dict[str, Any]:
    match value:
        case bool():
            return {"boolValue": value}
        case int():
            return {"intValue": str(value)}
        case float():
            return {"doubleValue": value}
        case _:
            return {"stringValue": value}

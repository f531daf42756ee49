"""Logs: one line for one event, JSON in services and readable on a terminal.

What other libraries log goes the same way. Names of what is being done (request, job, step,
attempt, trace) are bound once and stand in every line. Secrets are blotted out, whoever wrote them;
words of users are not logged at all.
"""

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, TextIO

import structlog
from structlog.typing import Processor

_SECRET = re.compile(
    r"(?i)(?P<name>authorization|api[_-]?key|access[_-]?token|refresh[_-]?token|secret|password"
    r"|passwd)(?P<sign>['\"]?\s*[=:]\s*['\"]?)(?:bearer\s+|basic\s+)?[^\s'\",;}]+"
)
_BEARER = re.compile(r"(?i)\bbearer\s+[\w.~+/=-]{6,}")
_KEYS = re.compile(r"\b(mk|sk|hf|whsec|ghp|glpat)[_-][A-Za-z0-9_+/=-]{8,}")
_IN_URL = re.compile(r"(?<=://)[^/\s:@]*:[^/\s@]+(?=@)")
_NAMES = re.compile(r"(?i)(authorization|api_?key|token|secret|password)$")
_NOISY = ("httpx2", "httpcore2", "openai", "alembic", "urllib3", "kombu", "amqp")


def configure(form: str = "auto", *, stream: TextIO | None = None) -> None:
    """Sends all logs of this process to `stream`, standard error. `form`: auto, json, console."""
    out = stream or sys.stderr
    pretty = form == "console" or (form == "auto" and out.isatty())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        _trace,
        structlog.processors.format_exc_info,
        _blot,
    ]
    render: Processor = (
        structlog.dev.ConsoleRenderer(colors=out.isatty(), timestamp_key="at")
        if pretty
        else structlog.processors.JSONRenderer(ensure_ascii=False)
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, render],
        )
    )
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "celery", "celery.task"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    for name in ("celery", "uvicorn.access", *_NOISY):
        logging.getLogger(name).setLevel(logging.WARNING)


def _trace(logger: Any, method: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """The trace that this belongs to, if there is one."""
    if "opentelemetry.trace" in sys.modules:
        from opentelemetry import trace

        found = trace.get_current_span().get_span_context()
        if found.is_valid:
            event["trace_id"], event["span_id"] = f"{found.trace_id:032x}", f"{found.span_id:016x}"
    return event


def _blot(logger: Any, method: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    for name, value in event.items():
        if _NAMES.search(name) and isinstance(value, str):
            event[name] = "***"
        elif isinstance(value, str):
            event[name] = blotted(value)
    return event


def blotted(line: str) -> str:
    """The line without what looks like a secret."""
    line = _SECRET.sub(r"\g<name>\g<sign>***", line)
    line = _BEARER.sub("Bearer ***", line)
    line = _KEYS.sub(r"\1_***", line)
    return _IN_URL.sub("***", line)

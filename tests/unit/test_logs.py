"""Log lines: JSON with what is bound, whoever wrote them, and without secrets."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog
from opentelemetry import trace

from medley import logs


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before = list(root.handlers), root.level
    out = io.StringIO()
    logs.configure("json", stream=out)
    yield out
    root.handlers[:], level = before[0], before[1]
    root.setLevel(level)


def test_a_line_of_any_library_is_json_with_what_is_bound(lines: io.StringIO) -> None:
    context = trace.SpanContext(5, 6, is_remote=True)
    below = trace.use_span(trace.NonRecordingSpan(context))
    with structlog.contextvars.bound_contextvars(job="job_1", step="s1", attempt=2), below:
        server = logging.getLogger("uvicorn.error")
        server.setLevel(logging.NOTSET)  # a server of another test may have made it quieter
        server.info("started on %d", 80)
        try:
            raise ValueError("odd")
        except ValueError:
            logging.getLogger("celery").exception("broke")
    first, second = (json.loads(line) for line in lines.getvalue().splitlines())
    assert (first["event"], first["logger"], first["level"]) == (
        "started on 80", "uvicorn.error", "info",
    )  # fmt: skip
    assert (first["job"], first["step"], first["attempt"]) == ("job_1", "s1", 2)
    assert (first["trace_id"], first["span_id"]) == (f"{5:032x}", f"{6:016x}")
    assert "ValueError: odd" in second["exception"]


def test_on_a_terminal_lines_are_for_reading(lines: io.StringIO) -> None:
    out = io.StringIO()
    logs.configure("console", stream=out)
    logging.getLogger("medley").warning("hello")
    assert "hello" in out.getvalue()
    assert not out.getvalue().startswith("{")


@pytest.mark.parametrize(
    "line",
    [
        "authorization: Bearer abcdef123456SECRET",
        "sent {'Authorization': 'Basic SECRETabc'}",
        "api_key=SECRET and more",
        "the key mk_SECRETSECRET was used",
        "sk-SECRETSECRETSECRET",
        "postgresql://medley:SECRET@db:5432/medley",
        'password="SECRET"',
        "whsec_SECRETSECRET+/=",
    ],
)
def test_secrets_are_blotted_out(lines: io.StringIO, line: str) -> None:
    logging.getLogger("any").warning("%s", line)
    assert "SECRET" not in lines.getvalue()
    assert "***" in lines.getvalue()


def test_fencing_tokens_and_words_about_tokens_are_no_secrets() -> None:
    assert logs.blotted("step s1 token=3 wrote 12 tokens") == "step s1 token=3 wrote 12 tokens"

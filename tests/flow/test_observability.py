"""Metrics, traces and timing over HTTP; what a collector is sent; how the totals grow."""

import json
import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace.export import SpanExportResult
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text

from api import metrics
from api.main import create_app
from medley.errors import BackendError
from medley.settings import Settings
from orchestrator import folding, jobs, measures
from orchestrator.database import transaction
from orchestrator.engine import fail_step, lose_worker
from orchestrator.measures import MEASURES, Sums
from orchestrator.tally import Tally
from orchestrator.tracing import export, genai
from orchestrator.tracing import spans as tracing_spans
from orchestrator.tracing.identity import Parent, span_of_attempt, span_of_job
from orchestrator.tracing.spans import Attempt
from tests.flow.api_world import World, open_world
from workers.child import enter
from workers.gauges import Gauges

ASKED = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
ROW: dict[str, Any] = {
    "lanes": ["cpu"],
    "tools": [],
    "models": ["m"],
    "serves": None,
    "lacks": {},
    "facts": {"host": "h", "device": "cpu"},
}
DASHBOARD = Path(__file__).parents[2] / "docs/grafana/medley.json"


@pytest.fixture
def world(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr(metrics, "KEPT_S", 0.0)
    monkeypatch.setattr(folding.fold, "__defaults__", (0.0,))
    with open_world(create_app(settings), settings) as opened:
        yield opened


def told(world: World) -> dict[tuple[str, str], float]:
    """Samples by name and labels."""
    reply = world.client.get("/metrics")
    assert reply.headers["content-type"].startswith("text/plain; version=1"), reply.text
    return {
        (sample.name, ",".join(f"{k}={v}" for k, v in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(reply.text)
        for sample in family.samples
    }


def done(world: World, **headers: str) -> dict[str, Any]:
    """A finished job of two steps, and one failed attempt."""
    asset = world.upload()
    plan = {"steps": [{"id": "s1", "tool": "resize", "inputs": {"image": {"asset": asset}}}]}
    sent = world.client.post("/v1/jobs", json={"plan": plan}, headers=headers)
    assert sent.status_code == 202, sent.text
    lease = world.hands.take()
    part = {"type": "asset", "asset": asset, "modality": "image", "media_type": "image/png"}
    usage = {"seconds": 0.5, "gpu_seconds": 0.25, "input_tokens": 3, "output_tokens": 4}
    world.hands.finish(lease, outputs={"image": part}, usage=usage)
    found: dict[str, Any] = world.client.get(f"/v1/jobs/{sent.json()['id']}").json()
    return found


def test_metrics_tell_what_ended_and_never_less_than_before(world: World) -> None:
    job = done(world)
    model = job["plan"]["steps"][0]["model"]
    first = told(world)
    step = ("medley_step_duration_seconds_count", f"cached=false,model={model},tool=resize")
    attempts = ("medley_step_attempts_total", "outcome=succeeded,tool=resize")
    ended = ("medley_job_duration_seconds_count", "status=succeeded")
    waited = ("medley_queue_wait_seconds_count", "queue=cpu")
    assert [first[name] for name in (step, attempts, ended, waited)] == [1, 1, 1, 1]
    assert first["medley_gpu_seconds_total", f"model={model}"] == 0.25
    assert first["medley_tokens_total", f"kind=output,model={model}"] == 4
    does = "gen_ai_operation_name=execute_tool,gen_ai_provider_name=medley"
    whose = f"{does},gen_ai_request_model={model}"
    tokens = f"{whose},gen_ai_token_type=output"
    assert first["gen_ai_client_token_usage_sum", tokens] == 4
    below = {
        le: first["gen_ai_client_token_usage_bucket", f"{tokens},le={le}"] for le in (1.0, 4.0)
    }
    assert below == {1.0: 0, 4.0: 1}
    seconds = "gen_ai_client_operation_duration_seconds_count"
    assert first[seconds, f"error_type=,{whose}"] == 1
    assert first["medley_database_up", ""] == 1
    world.client.delete(f"/v1/jobs/{job['id']}")
    done(world)
    assert [told(world)[name] for name in (step, attempts, ended, waited)] == [2, 2, 2, 2]
    assert job["id"] not in world.client.get("/metrics").text


def test_two_replicas_tell_the_same_and_count_nothing_twice(world: World) -> None:
    done(world)
    with open_world(create_app(world.settings), world.settings) as other:
        pairs = [told(world), told(other)] * 2
    shared = [{k: v for k, v in one.items() if "http" not in k[0]} for one in pairs]
    assert all(one == shared[0] for one in shared)
    attempts = ("medley_step_attempts_total", "outcome=succeeded,tool=resize")
    assert shared[0][attempts] == 1


def test_what_waits_and_which_memory_is_used_are_gauges(world: World) -> None:
    world.plan_job()
    with transaction(world.hands.db) as conn:
        enter(conn, "w1", ROW)
        gauges = Gauges("w1", "cpu", Tally())
        gauges.changed("m", "loading")
        gauges.changed("m", "loaded")
        gauges.changed("n", "loading")
        gauges.changed("n", "failed")
        gauges.write(conn)
    found = told(world)
    assert found["medley_jobs", "status=queued"] == 1
    assert found["medley_queue_depth", "queue=cpu"] == 1
    assert found["medley_workers", "queue=cpu"] == 1
    assert found["medley_models_loaded", "model=m"] == 1
    assert found["medley_model_load_seconds_count", "model=m"] == 1
    assert found["medley_model_load_failures_total", "model=n"] == 1
    total = found["medley_device_memory_bytes", "device=cpu,host=h,kind=total"]
    assert total == psutil.virtual_memory().total
    assert 0 < found["medley_device_memory_bytes", "device=cpu,host=h,kind=used"] < total


def test_requests_are_counted_by_route_not_by_address(world: World) -> None:
    for _ in range(2):
        assert world.client.get("/v1/jobs/job_none").status_code == 404
    world.client.get("/nowhere/at/all")
    found = told(world)
    assert found["medley_http_requests_total", "method=GET,route=/v1/jobs/{job_id},status=404"] == 2
    assert found["medley_http_requests_total", "method=GET,route=other,status=404"] == 1
    name = "medley_http_request_duration_seconds_count"
    assert found[name, "method=GET,route=/v1/jobs/{job_id}"] == 2


def test_metrics_can_be_turned_off(world: World) -> None:
    off = world.settings.model_copy(update={"metrics": False})
    with open_world(create_app(off), off) as quiet:
        reply = quiet.client.get("/metrics")
    assert (reply.status_code, reply.json()["code"]) == (404, "no_metrics")


def test_counts_of_a_process_survive_a_database_that_is_away(world: World) -> None:
    tally = Tally(every_s=0)
    tally.add("medley_webhook_deliveries_total", result="delivered")
    tally.observe("medley_model_load_seconds", 1e9, model="m")
    with world.hands.db.connect() as gone:
        broken: Any = gone.connection.driver_connection
        broken.close()
        with pytest.raises(Exception, match="closed"):
            tally.write(broken)
    tally.add("medley_webhook_deliveries_total", result="delivered")
    with transaction(world.hands.db) as conn:
        tally.write(conn)
        tally.write(conn)
    found = told(world)
    assert found["medley_webhook_deliveries_total", "result=delivered"] == 2
    assert found["medley_model_load_seconds_bucket", "le=3600.0,model=m"] == 0
    assert found["medley_model_load_seconds_bucket", "le=+Inf,model=m"] == 1


def test_every_metric_of_the_dashboard_exists(world: World) -> None:
    done(world)
    with transaction(world.hands.db) as conn:
        sums = Sums()
        for name, measure in MEASURES.items():  # what did not happen in this test
            labels = dict.fromkeys(measure.labels, "x")
            (sums.observe if measure.buckets else sums.add)(name, 1.0, **labels)
        measures.add(conn, sums)
        enter(conn, "w1", ROW)
    names = {name for name, _ in told(world)}
    asked = {
        name
        for panel in json.loads(DASHBOARD.read_text())["panels"]
        for target in panel["targets"]
        for name in re.findall(r"(?:medley|gen_ai_client)_[a-z_]+", target["expr"])
    }
    assert asked - names == set()
    assert set(MEASURES) - {re.sub("_(bucket|count|sum)$", "", name) for name in asked} == set()


def spans_of(trace: dict[str, Any]) -> list[dict[str, Any]]:
    (resource,) = trace["resourceSpans"]
    (scope,) = resource["scopeSpans"]
    found: list[dict[str, Any]] = scope["spans"]
    return found


def told_of(span: dict[str, Any]) -> dict[str, Any]:
    return {item["key"]: next(iter(item["value"].values())) for item in span["attributes"]}


def test_a_job_continues_the_trace_of_whoever_asked(world: World) -> None:
    job = done(world, traceparent=ASKED)
    root, step = spans_of(world.client.get(f"/v1/jobs/{job['id']}/trace").json())
    asked = Parent.parse(ASKED)
    assert asked is not None
    assert {root["traceId"], step["traceId"]} == {asked.trace}
    assert (root["parentSpanId"], root["spanId"]) == (asked.span, span_of_job(job["id"]))
    assert step["parentSpanId"] == root["spanId"]
    assert (root["name"], step["name"]) == ("invoke_workflow plan", "execute_tool resize")
    about = told_of(step)
    assert about[genai.OPERATION] == "execute_tool"
    assert (about[genai.TOOL], about[genai.TOOL_CALL]) == ("resize", f"{job['id']}/s1")
    assert (about[genai.OUTPUT_TYPE], about[genai.OUTPUT_TOKENS]) == ("image", "4")
    assert int(step["endTimeUnixNano"]) >= int(step["startTimeUnixNano"])


def test_every_attempt_is_a_span_also_one_whose_worker_was_lost(world: World) -> None:
    job, _ = world.plan_job()
    first = world.hands.take()
    with transaction(world.hands.db) as conn:
        lose_worker(conn, "worker_test", counted=True)
    second = world.hands.take()
    world.hands.fail(second, BackendError("It broke."))
    trace = world.client.get(f"/v1/jobs/{job['id']}/trace").json()
    root, lost, failed = spans_of(trace)
    assert lost["spanId"] == span_of_attempt(job["id"], "s1", first.token)
    assert failed["spanId"] == span_of_attempt(job["id"], "s1", second.token)
    assert told_of(lost)[genai.ERROR_TYPE] == "worker_lost"
    assert (failed["status"]["code"], failed["status"]["message"]) == (2, "backend_error")
    assert root["status"]["code"] == 2
    assert "parentSpanId" not in root


def test_each_attempt_tells_the_tokens_that_it_used_itself(world: World) -> None:
    asset = world.upload()
    plan = {"steps": [{"id": "s1", "tool": "resize", "inputs": {"image": {"asset": asset}}}]}
    job = world.client.post("/v1/jobs", json={"plan": plan}).json()
    broken = world.hands.take()
    with transaction(world.hands.db) as conn:
        fail_step(conn, broken, BackendError("It broke."), delay=0.0, usage={"output_tokens": 3})
    part = {"type": "asset", "asset": asset, "modality": "image", "media_type": "image/png"}
    world.hands.finish(world.hands.take(), outputs={"image": part}, usage={"output_tokens": 4})
    _, first, second = spans_of(world.client.get(f"/v1/jobs/{job['id']}/trace").json())
    assert [int(told_of(span)[genai.OUTPUT_TOKENS]) for span in (first, second)] == [3, 4]
    used = [
        value
        for (name, labels), value in told(world).items()
        if name.startswith("gen_ai_client_token_usage_") and name.endswith(("_sum", "_count"))
        if "type=output" in labels
    ]
    assert sorted(used) == [2, 7]


def test_a_search_tells_how_much_it_found_and_which_only_if_it_may(world: World) -> None:
    job = done(world)
    with world.hands.db.connect() as conn:
        view = jobs.get(conn, "default", job["id"])
    attempt = Attempt(
        step="s1",
        token=1,
        attempt=1,
        worker="w",
        outcome="succeeded",
        error=None,
        began=view.created_at,
        ended=view.created_at,
    )
    searched = replace(
        view.steps[0],
        tool="search",
        params={"limit": 7, "among": {"store": "vs_1"}},
        outputs={
            "assets": [{"type": "asset", "asset": name, "modality": "image"} for name in "ab"],
            "scores": {"type": "data", "data": [0.75, 0.5]},
        },
    )
    view = replace(view, steps=[searched])
    (_, silent), (_, open_book) = (
        tracing_spans.spans_of(view, [attempt], None, prompts=prompts) for prompts in (False, True)
    )
    assert silent.name == "retrieval search"
    told = silent.attributes
    assert (told[genai.LIMIT], told[genai.HITS], told[genai.BEST_SCORE]) == (7, 2, 0.75)
    assert told[genai.DATA_SOURCE] == "vs_1"
    assert genai.DOCUMENTS not in told
    assert json.loads(str(open_book.attributes[genai.DOCUMENTS])) == [
        {"id": "a", "score": 0.75},
        {"id": "b", "score": 0.5},
    ]


def test_a_trace_shows_what_goes_on_and_no_words_unless_it_was_allowed(world: World) -> None:
    job = world.submit(input="a secret wish")
    (root,) = spans_of(world.client.get(f"/v1/jobs/{job['id']}/trace").json())
    assert told_of(root)[genai.UNFINISHED] is True
    assert "secret wish" not in json.dumps(root)
    allowed = world.settings.model_copy(update={"trace_prompts": True})
    with open_world(create_app(allowed), allowed) as open_book:
        trace = open_book.client.get(f"/v1/jobs/{job['id']}/trace").text
    assert "secret wish" in trace
    assert world.client.get("/v1/jobs/job_none/trace").status_code == 404


@pytest.mark.parametrize(
    "header",
    [
        "",
        "00-0-0-01",
        f"ff{ASKED[2:]}",
        ASKED.replace("0af7", "0AF7"),
        f"00-{'0' * 32}-{'1' * 16}-01",
    ],
)
def test_what_is_no_traceparent_is_nobody(header: str) -> None:
    assert Parent.parse(header) is None


@pytest.fixture
def collector() -> Iterator[tuple[str, list[Any]]]:
    """A collector of OTLP over HTTP: its address, and the spans that came."""
    came: list[Any] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["content-length"]))
            for resource in ExportTraceServiceRequest.FromString(raw).resource_spans:
                for scope in resource.scope_spans:
                    came.extend(scope.spans)
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1/traces", came
    server.shutdown()
    server.server_close()


def test_a_collector_is_sent_each_trace_once(
    world: World, collector: tuple[str, list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, came = collector
    silent = done(world, traceparent=ASKED)
    monkeypatch.setattr(export, "exports", lambda: True)
    job = done(world, traceparent=ASKED)
    unsampled = done(world, traceparent=ASKED[:-1] + "0")

    class Refuses(OTLPSpanExporter):
        def export(self, spans: Any) -> SpanExportResult:
            return SpanExportResult.FAILURE

    assert export.export_once(world.hands.db, Refuses(endpoint=url)) == 0
    sender = OTLPSpanExporter(endpoint=url)
    assert [export.export_once(world.hands.db, sender) for _ in range(2)] == [1, 0]
    assert [span.name for span in came] == ["invoke_workflow plan", "execute_tool resize"]
    assert {span.trace_id.hex() for span in came} == {ASKED[3:35]}
    jobs = {item.value.string_value for span in came for item in span.attributes
            if item.key == genai.JOB}  # fmt: skip
    assert jobs == {job["id"]}
    assert not jobs & {silent["id"], unsampled["id"]}


def test_nothing_is_written_for_traces_that_nobody_asked_for(world: World) -> None:
    job = done(world)
    with world.hands.db.connect() as conn:
        row = conn.execute(
            text("SELECT traceparent, trace_due FROM jobs WHERE id = :id"), {"id": job["id"]}
        ).one()
    assert tuple(row) == (None, None)


def test_answers_say_where_the_time_went(world: World) -> None:
    job = done(world)
    of_job = world.client.get(f"/v1/jobs/{job['id']}").headers["server-timing"]
    assert re.match(r"queue;dur=\d+, gpu;dur=250, total;dur=\d+, app;dur=[\d.]+, db;dur=", of_job)
    plain = world.client.get("/v1/system").headers["server-timing"]
    held = re.fullmatch(r"app;dur=([\d.]+), db;dur=([\d.]+)", plain)
    assert held is not None
    assert 0 < float(held[2]) <= float(held[1])
    assert "app;dur" in world.client.get("/nowhere").headers["server-timing"]


def test_a_database_that_is_away_is_told_and_no_error(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any) -> None:
        raise psycopg.OperationalError("gone")

    monkeypatch.setattr(metrics.folding, "fold", away)
    found = told(world)
    assert found["medley_database_up", ""] == 0
    assert not any(name.startswith("medley_jobs") for name, _ in found)

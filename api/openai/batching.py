"""The batcher: moves batches on, one transaction at a time. Any number may run, in any process.

It reads the file, asks for a window of jobs, looks what became of them, and writes the answers to
files at the end. All it knows is in the database: killed at any point, another one goes on.
"""

import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from fastapi.exceptions import RequestValidationError
from sqlalchemy import Connection

from api.openai import calls
from api.openai.batch_endpoints import ENDPOINTS
from api.problems import ApiError
from api.state import Service
from api.strict_json import loads
from medley.errors import MedleyError, NotFound, QueueFull, QuotaExceeded, Unauthorized
from medley.ids import new_id
from medley.media.facts import Facts
from medley.media.words import LINES
from medley.modality import Modality
from orchestrator import asset_rows, batches, engine, jobs, keys
from orchestrator.batches import Batch, Line
from orchestrator.database import raw
from orchestrator.keys import Caller
from orchestrator.rounds import Rounds

log = logging.getLogger("medley.api")
EVERY_S = 0.5
WINDOW = 64  #: jobs of one batch at a time
MAX_LINES = 50_000
MAX_LINE = 16 << 20
MAX_ERRORS = 100


class Batcher(Rounds):
    """Looks twice a second."""

    name = "batcher"

    def __init__(self, here: Service) -> None:
        super().__init__(EVERY_S)
        self._here = here

    def round(self) -> None:
        """Moves all open batches on."""
        move_all(self._here)


def move_all(here: Service) -> None:
    """One round over all open batches; one that cannot be moved on does not hold up the others."""
    with here.db.connect() as conn:
        names = batches.open_ids(conn)
    for name in names:
        asked: list[str] = []
        try:
            with here.db.begin() as conn:
                batch = batches.take(conn, name)
                if batch is not None:
                    asked = _move(here, conn, batch)
        except Exception as error:  # whatever is wrong with one batch is tried again
            log.exception("batch=%s error=%s", name, error)
        for job in asked:
            here.changed(job)


def _move(here: Service, conn: Connection, batch: Batch) -> list[str]:
    """What can be done now; the jobs that changed."""
    match batch.status:
        case "validating":
            _validate(here, conn, batch)
        case "in_progress" | "cancelling":
            running = _look(conn, batch)
            if batch.late or batch.status == "cancelling":
                return _give_up(conn, batch, running)
            asked = _ask(here, conn, batch, WINDOW - len(running))
            if not running and not asked and not batches.lines(conn, batch.id, state="waiting"):
                batches.move(conn, batch.id, "finalizing", outcome="completed")
            return asked
        case "finalizing":
            _finish(here, conn, batch)
    return []


def _validate(here: Service, conn: Connection, batch: Batch) -> None:
    found, errors = _read(here, conn, batch)
    if errors:
        batches.move(conn, batch.id, "failed", errors=errors)
        return
    batches.add_lines(conn, batch.id, found)
    batches.move(conn, batch.id, "in_progress")


def _read(here: Service, conn: Connection, batch: Batch) -> tuple[list[Line], list[dict[str, Any]]]:
    """The lines of the input file, and what is wrong with them."""
    found: list[Line] = []
    errors: list[dict[str, Any]] = []
    names: set[str] = set()
    try:
        asset = asset_rows.get(conn, batch.tenant, batch.input_file)
        file = here.store.open(asset.sha256)
    except NotFound as error:
        return [], [_fault(None, "missing_input_file", error.message)]
    with file:
        number, start = 0, 0
        while text := file.readline(MAX_LINE + 1):
            number += 1
            begin, start = start, start + len(text)
            if not text.strip():
                continue
            fault = _wrong(text, batch.endpoint, names)
            if fault is not None:
                errors.append(_fault(number, *fault))
            if len(errors) >= MAX_ERRORS or len(text) > MAX_LINE:
                break
            if fault is None:
                name = str(loads(text)["custom_id"])
                names.add(name)
                found.append(Line(number=number, custom_id=name, start=begin, size=len(text)))
            if len(found) > MAX_LINES:
                reason = f"More than {MAX_LINES} requests in one file."
                return [], [_fault(number, "too_many_requests", reason)]
    if not found and not errors:
        errors.append(_fault(None, "empty_file", "There is no request in the file."))
    return found, errors


def _wrong(text: bytes, endpoint: str, names: set[str]) -> tuple[str, str, str | None] | None:
    """Code, message and parameter of what is wrong with a line; None where nothing is."""
    if len(text) > MAX_LINE:
        return "line_too_long", f"A line has at most {MAX_LINE} bytes.", None
    try:
        asked = loads(text)
    except ApiError as error:
        return "invalid_json_line", str(error.detail), None
    if not isinstance(asked, dict):
        return "invalid_json_line", "A line is a JSON object.", None
    name = asked.get("custom_id")
    if not isinstance(name, str) or not 1 <= len(name) <= 512:
        return "missing_custom_id", "A line has a `custom_id` of 1 to 512 signs.", "custom_id"
    if name in names:
        return "duplicate_custom_id", f"The custom_id {name[:64]!r} is used twice.", "custom_id"
    if asked.get("method") != "POST":
        return "invalid_method", "The `method` is POST.", "method"
    if asked.get("url") != endpoint:
        return "mismatched_url", f"This batch is for {endpoint}.", "url"
    if not isinstance(asked.get("body"), dict):
        return "invalid_body", "The `body` is a JSON object.", "body"
    return None


def _look(conn: Connection, batch: Batch) -> list[Line]:
    """Lines whose jobs still run; the others are marked."""
    running = []
    for line in batches.lines(conn, batch.id, state="running", limit=2 * WINDOW):
        try:
            view = jobs.get(conn, batch.tenant, line.job or "")
        except NotFound:
            gone = _refusal(404, "job_deleted", f"{line.job} was deleted.")
            batches.mark(conn, batch.id, line.number, "failed", error=gone)
            continue
        if not view.ended:
            running.append(line)
            continue
        try:
            calls.check(view)
        except ApiError as error:
            why = _refusal(error.status_code, error.code, str(error.detail))
            batches.mark(conn, batch.id, line.number, "failed", error=why)
        else:
            batches.mark(conn, batch.id, line.number, "done")
    return running


def _ask(here: Service, conn: Connection, batch: Batch, room: int) -> list[str]:
    """Makes jobs of the next lines; a line that cannot be one fails alone."""
    endpoint = ENDPOINTS[batch.endpoint]
    asked: list[str] = []
    try:
        here = _offline(here.serving(_caller(here, conn, batch)))
    except Unauthorized as error:
        batches.give_up(conn, batch.id, _refused(error))
        return asked
    for line in batches.lines(conn, batch.id, state="waiting", limit=max(0, room)):
        try:
            here.admission.check(conn)  # before media of a line that must wait are looked at
            body = endpoint.read(_body(here, conn, batch, line))
            prepared = endpoint.prepare(here, batch.tenant, body)
            with conn.begin_nested():
                job = endpoint.submit(conn, here, batch.tenant, prepared)
        except (QueueFull, QuotaExceeded):  # there may be room later, or tomorrow
            break
        except (MedleyError, ApiError, RequestValidationError) as error:
            batches.mark(conn, batch.id, line.number, "failed", error=_refused(error))
        else:
            batches.mark(conn, batch.id, line.number, "running", job=job)
            asked.append(job)
    return asked


def _offline(here: Service) -> Service:
    """The same, fetching nothing: batches of all tenants wait for this thread, and no line may make
    it wait for a stranger.
    """
    return replace(here, settings=here.settings.model_copy(update={"url_inputs": False}))


def _caller(here: Service, conn: Connection, batch: Batch) -> Caller:
    """Who asked for the batch, with the quota of now. Raises `Unauthorized` for a revoked key."""
    if batch.key is None:
        return Caller(tenant=batch.tenant, scopes=frozenset())
    key = keys.get(conn, batch.tenant, batch.key)
    key.require_active()
    return key.caller(here.settings.key_quota)


def _give_up(conn: Connection, batch: Batch, running: list[Line]) -> list[str]:
    """Stops what runs; what has not begun fails. Ends the batch when nothing runs any more."""
    late = batch.status != "cancelling"
    code = "batch_expired" if late else "batch_cancelled"
    batches.give_up(conn, batch.id, _refusal(409, code, "It was not begun before the batch ended."))
    for line in running:
        engine.cancel_job(raw(conn), batch.tenant, line.job or "")
    if not running:
        batches.move(conn, batch.id, "finalizing", outcome="expired" if late else "cancelled")
    return [line.job or "" for line in running]


def _finish(here: Service, conn: Connection, batch: Batch) -> None:
    """Writes the answers to a file, and the errors to another; either only where there are some."""
    output = _write(here, conn, batch, "done") if batch.counts.done else None
    errors = _write(here, conn, batch, "failed") if batch.counts.failed else None
    outcome = batch.outcome or "completed"
    batches.move(conn, batch.id, outcome, output_file=output, error_file=errors)


def _write(here: Service, conn: Connection, batch: Batch, state: str) -> str:
    """A file of the lines of this state, one line at a time; the id of its asset."""

    def pieces() -> Iterator[bytes]:
        after = -1
        while part := batches.lines(conn, batch.id, state=state, after=after):
            for line in part:
                after = line.number
                text = json.dumps(_answer(here, conn, batch, line), ensure_ascii=False)
                yield text.encode() + b"\n"

    received = here.store.receive(pieces(), here.limits.max_bytes)
    here.store.keep(received)
    kind = "output" if state == "done" else "error"
    name = f"{batch.id}_{kind}.jsonl"
    facts = Facts(modality=Modality.TEXT, media_type=LINES)
    origin = {"kind": "batch", "batch": batch.id, "name": name}
    asset = asset_rows.register(conn, batch.tenant, received, facts, origin, batch.key)
    asset_rows.mark_file(
        conn, batch.tenant, asset.id, purpose="batch_output", name=name, keep_s=batch.keep_s
    )
    return asset.id


def _answer(here: Service, conn: Connection, batch: Batch, line: Line) -> dict[str, Any]:
    found: dict[str, Any] = {"id": new_id("batch_req"), "custom_id": line.custom_id}
    status, body = 200, {}
    if line.state == "done":
        endpoint = ENDPOINTS[batch.endpoint]
        try:
            view = jobs.get(conn, batch.tenant, line.job or "")
            asked = endpoint.read(_body(here, conn, batch, line))
            body = endpoint.answer(here, batch.tenant, view, asked)
        except (MedleyError, ApiError) as error:  # an asset was deleted since, say
            fault = _refused(error)
            status, body = fault["status"], {"error": fault["error"]}
    else:
        fault = dict(line.error or _refusal(500, "internal_error", "The job failed."))
        status, body = fault["status"], {"error": fault["error"]}
    response = {"status_code": status, "request_id": line.job or "", "body": body}
    if line.job is None and line.state == "failed" and status == 409:
        short = {name: body["error"][name] for name in ("code", "message")}
        return {**found, "response": None, "error": short}
    return {**found, "response": response, "error": None}


def _body(here: Service, conn: Connection, batch: Batch, line: Line) -> Any:
    """What a line asks for. Raises `NotFound` when the file was deleted."""
    asset = asset_rows.get(conn, batch.tenant, batch.input_file)
    with here.store.open(asset.sha256) as file:
        file.seek(line.start)
        return loads(file.read(line.size))["body"]


def _refused(error: Exception) -> dict[str, Any]:
    """An error of the caller as it would have been answered over HTTP."""
    if isinstance(error, RequestValidationError):
        first = error.errors()[0]
        param = ".".join(str(place) for place in first["loc"][1:])
        return _refusal(400, "invalid_request", f"{param}: {first['msg']}", param)
    if isinstance(error, ApiError):
        return _refusal(error.status_code, error.code, str(error.detail))
    assert isinstance(error, MedleyError)
    places = [str(item.get("pointer", "")).strip("/") for item in error.errors]
    status = 400 if error.status == 422 else error.status
    return _refusal(status, error.code, error.message, places[0] if places else None)


def _refusal(status: int, code: str, message: str, param: str | None = None) -> dict[str, Any]:
    kind = "server_error" if status >= 500 else "invalid_request_error"
    error = {"message": message, "type": kind, "param": param, "code": code}
    return {"status": status, "error": error}


def _fault(line: int | None, code: str, message: str, param: str | None = None) -> dict[str, Any]:
    return {"code": code, "line": line, "message": message, "param": param}

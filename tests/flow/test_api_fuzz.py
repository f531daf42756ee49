"""The service against requests made from its own document: no error of ours, and no answer that is
not documented.
"""

from collections.abc import Iterator
from itertools import count

import httpx2
import hypothesis
import pytest
import schemathesis
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.schemas import APIOperation, BaseSchema
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from api.main import create_app
from medley.quota import NO_LIMITS
from medley.settings import Settings
from orchestrator import keys
from orchestrator.database import create_engine
from orchestrator.keys import NewKey, Scope
from tests.flow.api_world import caption_plan, png, served

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
#: What the outermost layer may answer to anything.
ANYWHERE = frozenset({400, 405, 413, 415})
ENDLESS = "/v1/events"


@pytest.fixture
def document(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[BaseSchema]:
    monkeypatch.setattr("api.routes.plans.PATIENCE_S", 0.1)
    for name in ("PATIENCE_S", "STREAM_S"):
        monkeypatch.setattr(f"api.openai.telling.{name}", 0.1)
    monkeypatch.setattr("api.openai.responses.CANCEL_S", 0.1)
    monkeypatch.setattr("api.openai.calls.PATIENCE_S", 0.1)
    monkeypatch.setattr("api.routes.search.WAIT_S", 0.1)
    free = settings.model_copy(update={"key_quota": NO_LIMITS})
    with served(create_app(free)) as url:
        yield schemathesis.openapi.from_url(f"{url}/openapi.json").exclude(path=ENDLESS)


@pytest.fixture
def secret(database_url: str) -> str:
    """Of an operator: this suite makes keys, and with the first one everybody needs one."""
    wanted = NewKey(tenant="default", name="fuzz", scopes=frozenset({Scope.ADMIN, Scope.OPERATE}))
    with create_engine(database_url).begin() as conn:
        return keys.create(conn, wanted)[1]


@pytest.mark.parametrize("mode", list(GenerationMode))
def test_every_answer_is_documented_and_no_error_is_ours(
    document: BaseSchema, secret: str, mode: GenerationMode
) -> None:
    broken = {}
    known = {"Authorization": f"Bearer {secret}"}
    real = _populate(document, known)
    operations = [found.ok() for found in document.get_all_operations()]
    for operation in sorted(operations, key=lambda item: item.method == "delete"):
        try:
            _try_out(operation, mode, real, known)
        except BaseExceptionGroup as errors:
            broken[operation.label] = [str(error) for error in errors.exceptions]
        except Exception as error:  # noqa: BLE001 - all broken operations are told at once
            broken[operation.label] = [str(error)]
    assert broken == {}


def _populate(document: BaseSchema, known: dict[str, str]) -> dict[str, str]:
    """Things that exist, by the name of the path parameter that names them."""
    client = httpx2.Client(base_url=document.get_base_url(), timeout=60, headers=known)
    asset = client.post("/v1/assets", files={"file": ("a.png", png())}).json()["id"]
    conversation = client.post("/v1/conversations", json={}).json()["id"]
    body = {"input": "hello", "conversation": conversation}
    said = client.post("/v1/jobs", json=body).json()["message"]
    job = client.post("/v1/jobs", json={"plan": caption_plan(asset)}).json()["id"]
    client.post(f"/v1/jobs/{job}/cancel")
    workflow = {"name": "Caption", "plan": caption_plan(asset)}
    response = client.post("/v1/responses", json={"input": "Hi", "background": True}).json()["id"]
    hook, delivery = _told(client, asset)
    lines = {"file": ("in.jsonl", b'{"custom_id": "a"}')}
    file = client.post("/v1/files", files=lines, data={"purpose": "batch"}).json()["id"]
    batch = {"input_file_id": file, "endpoint": "/v1/embeddings", "completion_window": "24h"}
    upload = {"bytes": 1, "filename": "a", "mime_type": "text/plain", "purpose": "batch"}
    return {
        "response_id": response,
        "file_id": file,
        "batch_id": client.post("/v1/batches", json=batch).json()["id"],
        "upload_id": client.post("/v1/uploads", json=upload).json()["id"],
        "store_id": client.post("/v1/vector_stores", json={"file_ids": [asset]}).json()["id"],
        "asset_id": asset,
        "conversation_id": conversation,
        "message_id": said,
        "job_id": job,
        "step_id": "s1",
        "workflow_id": client.post("/v1/workflows", json=workflow).json()["id"],
        "webhook_endpoint_id": hook,
        "delivery_id": delivery,
        "name": "resize",
        "model": client.get("/v1/models").json()["data"][0]["id"],
        "key_id": client.post("/v1/keys", json={"name": "other"}).json()["id"],
    }


def _told(client: httpx2.Client, asset: str) -> tuple[str, str]:
    """An endpoint that nobody answers at, and a message to it."""
    body = {"url": "https://nowhere.invalid/", "event_types": ["*"]}
    hook = client.post("/v1/webhook_endpoints", json=body).json()["id"]
    client.post("/v1/jobs", json={"plan": caption_plan(asset)})
    log = client.get(f"/v1/webhook_endpoints/{hook}/deliveries").json()
    return hook, log["data"][0]["id"]


def _try_out(
    operation: APIOperation, mode: GenerationMode, real: dict[str, str], known: dict[str, str]
) -> None:
    turn = count()
    explicit = {int(name) for name in operation.definition.raw["responses"] if name.isdigit()}

    @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
    @hypothesis.settings(
        max_examples=10,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    def send(case: Case) -> None:
        if next(turn) % 4:  # most of the time something that exists
            names = case.path_parameters or {}
            names.update({name: real[name] for name in names if name in real})
        reply = case.call(timeout=60, headers=known)
        assert reply.status_code in explicit | ANYWHERE, f"{reply.status_code}: {reply.text[:300]}"
        assert reply.headers["x-request-id"]
        if reply.status_code not in (503, 504):  # not now, and not in time
            case.validate_response(reply, checks=CHECKS)

    try:
        send()
    except Unsatisfiable:
        return  # an operation without anything that could be wrong

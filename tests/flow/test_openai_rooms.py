"""Files, uploads, batches, vector stores and search over HTTP, with the real SDK."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx2
import openai
import pytest

from api.main import create_app
from api.openai import batching
from medley.media.facts import Facts
from medley.modality import Modality
from medley.parts import AssetPart
from medley.settings import Settings
from orchestrator import asset_rows, batches
from orchestrator.asset_rows import mark_file
from orchestrator.attributes import condition_of
from orchestrator.database import create_engine, raw
from orchestrator.engine import commit_step
from orchestrator.hooks.search import SearchHook
from orchestrator.janitor import clean_once
from tests.flow.api_world import png, served
from tests.flow.test_openai_media import Worker, drawer, refused, vectors, wait_for, worker

__all__ = ["worker"]


@pytest.fixture
def here(settings: Settings) -> Settings:
    return settings


@pytest.fixture
def service(here: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setattr("api.openai.batching.EVERY_S", 3600)  # the tests say when
    app = create_app(here)
    with served(app) as url:
        yield app.state.service, url


@pytest.fixture
def client(service: Any) -> Iterator[openai.OpenAI]:
    _, url = service
    with openai.OpenAI(base_url=f"{url}/v1", api_key="any", max_retries=0, timeout=120) as opened:
        yield opened


@pytest.fixture
def web(service: Any) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=service[1], timeout=120) as opened:
        yield opened


def test_a_file_is_an_asset(client: openai.OpenAI, web: httpx2.Client) -> None:
    made = client.files.create(file=("cat.png", png()), purpose="vision")
    assert (made.filename, made.purpose, made.bytes) == ("cat.png", "vision", len(png()))
    assert web.get(f"/v1/assets/{made.id}").json()["modality"] == "image"
    assert client.files.retrieve(made.id) == made
    assert client.files.content(made.id).content == png()
    words = client.files.create(file=("a.txt", "wörds".encode()), purpose="user_data")
    assert [item.id for item in client.files.list(limit=1)] == [words.id, made.id]
    assert [item.id for item in client.files.list(purpose="vision")] == [made.id]
    assert client.files.delete(made.id).deleted
    assert refused(lambda: client.files.retrieve(made.id)).status_code == 404


def test_only_media_and_text_are_files(client: openai.OpenAI, web: httpx2.Client) -> None:
    for name, data in (("a.pdf", b"%PDF-1.7 \xff"), ("a.bin", b"a\0b"), ("a.png", png()[:40])):
        found = refused(lambda n=name, d=data: client.files.create(file=(n, d), purpose="vision"))
        assert (found.status_code, found.param) == (400, "file")
    assert web.post("/v1/assets", files={"file": ("a.txt", b"words")}).status_code == 415


def test_a_file_goes_when_its_time_is_over(
    client: openai.OpenAI, service: Any, here: Settings
) -> None:
    made = client.files.create(
        file=("a.txt", b"words"),
        purpose="user_data",
        expires_after={"anchor": "created_at", "seconds": 3600},
    )
    assert made.expires_at
    assert made.expires_at - made.created_at == pytest.approx(3600, abs=60)
    state, _ = service
    with state.db.begin() as conn:
        mark_file(conn, "default", made.id, purpose="user_data", name="", keep_s=-1)
    assert refused(lambda: client.files.retrieve(made.id)).status_code == 404
    assert list(client.files.list()) == []
    clean_once(state.db, state.store)
    with state.db.connect() as conn:
        assert asset_rows.find(conn, "default", made.id) is None


def test_an_upload_in_parts_becomes_one_file(client: openai.OpenAI, service: Any) -> None:
    whole = b"".join(b"line %d\n" % number for number in range(200_000))
    made = client.uploads.upload_file_chunked(
        file=whole,
        filename="a.txt",
        bytes=len(whole),
        mime_type="text/plain",
        purpose="user_data",
        part_size=1 << 20,
    )
    assert made.status == "completed"
    assert made.file
    assert client.files.content(made.file.id).content == whole


def test_parts_that_do_not_fit_leave_the_upload_open(client: openai.OpenAI) -> None:
    upload = client.uploads.create(
        bytes=6, filename="a.txt", mime_type="text/plain", purpose="batch"
    )
    first = client.uploads.parts.create(upload.id, data=b"abc")
    second = client.uploads.parts.create(upload.id, data=b"def")

    def complete(*parts: str, **more: str) -> Any:
        return client.uploads.complete(upload.id, part_ids=parts, **more)

    for bad in (
        lambda: complete(first.id),
        lambda: complete(first.id, first.id),
        lambda: complete(first.id, "part_0"),
        lambda: complete(first.id, second.id, md5="0" * 32),
    ):
        assert refused(bad).status_code == 400
    done = complete(second.id, first.id)
    assert client.files.content(done.file.id).content == b"defabc"
    again = refused(lambda: complete(second.id, first.id))
    assert (again.status_code, again.response.headers["x-should-retry"]) == (409, "false")
    other = client.uploads.create(bytes=1, filename="a", mime_type="text/plain", purpose="batch")
    assert client.uploads.cancel(other.id).status == "cancelled"
    assert refused(lambda: client.uploads.parts.create(other.id, data=b"a")).status_code == 409


def embedding_lines(*bodies: dict[str, Any]) -> bytes:
    lines = [
        {"custom_id": f"r{number}", "method": "POST", "url": "/v1/embeddings", "body": body}
        for number, body in enumerate(bodies)
    ]
    return "\n".join(json.dumps(line) for line in lines).encode()


def begin(client: openai.OpenAI, data: bytes, endpoint: Any = "/v1/embeddings") -> Any:
    file = client.files.create(file=("in.jsonl", data), purpose="batch")
    return client.batches.create(
        input_file_id=file.id, endpoint=endpoint, completion_window="24h", metadata={"a": "b"}
    )


def rows(client: openai.OpenAI, file: str | None) -> list[dict[str, Any]]:
    assert file is not None
    return [json.loads(line) for line in client.files.content(file).text.splitlines()]


def test_a_batch_answers_each_line_in_a_file(
    client: openai.OpenAI, service: Any, worker: Worker
) -> None:
    good = {"model": "medley", "input": "a", "encoding_format": "float"}
    made = begin(client, embedding_lines(good, {"model": "nobody", "input": "a"}, good))
    state, _ = service
    with worker.working(vectors):
        wait_for(lambda: moved(state, client, made.id).status == "completed")
    done = client.batches.retrieve(made.id)
    counts = done.request_counts
    assert counts
    assert (counts.total, counts.completed, counts.failed) == (3, 2, 1)
    answers = rows(client, done.output_file_id)
    assert [row["custom_id"] for row in answers] == ["r0", "r2"]
    body = answers[0]["response"]["body"]
    assert body["data"][0]["embedding"] == pytest.approx([0.6, 0.8, 0.0])
    (wrong,) = rows(client, done.error_file_id)
    assert wrong["response"]["status_code"] == 404
    assert wrong["response"]["body"]["error"]["param"] == "model"


def moved(state: Any, client: openai.OpenAI, batch: str) -> Any:
    batching.move_all(state)
    return client.batches.retrieve(batch)


def test_a_batch_of_pictures(client: openai.OpenAI, service: Any, worker: Worker) -> None:
    state, url = service
    line = {
        "custom_id": "a",
        "method": "POST",
        "url": "/v1/images/generations",
        "body": {"prompt": "a cat", "n": 2},
    }
    made = begin(client, json.dumps(line).encode(), "/v1/images/generations")
    with httpx2.Client(base_url=url, timeout=60) as web, worker.working(drawer(web)):
        wait_for(lambda: moved(state, client, made.id).status == "completed")
    (row,) = rows(client, client.batches.retrieve(made.id).output_file_id)
    assert len(row["response"]["body"]["data"]) == 2
    assert client.get(f"/jobs/{row['response']['request_id']}", cast_to=object)["priority"] == -5


def test_a_file_with_wrong_lines_fails_as_a_whole(client: openai.OpenAI, service: Any) -> None:
    state, _ = service
    twice = {"custom_id": "a", "method": "POST", "url": "/v1/embeddings", "body": {}}
    lines = [twice, twice, {**twice, "custom_id": "b", "url": "/v1/x"}]
    text = "\n".join(json.dumps(line) for line in lines) + "\nnothing\n"
    made = moved(state, client, begin(client, text.encode()).id)
    assert made.status == "failed"
    assert [(item.line, item.code) for item in made.errors.data] == [
        (2, "duplicate_custom_id"),
        (3, "mismatched_url"),
        (4, "invalid_json_line"),
    ]


def test_a_batch_that_is_stopped_gives_what_is_done(
    client: openai.OpenAI, service: Any, worker: Worker
) -> None:
    state, _ = service
    made = begin(client, embedding_lines(*[{"model": "medley", "input": str(n)} for n in range(9)]))
    moved(state, client, made.id)
    moved(state, client, made.id)
    lease = worker.take_any()
    assert lease is not None
    worker.finish(lease, outputs=vectors(lease))
    moved(state, client, made.id)
    assert refused(lambda: client.files.delete(made.input_file_id)).code == "asset_in_use"
    assert client.batches.cancel(made.id).status == "cancelling"
    wait_for(lambda: moved(state, client, made.id).status == "cancelled")
    done = client.batches.retrieve(made.id)
    assert (len(rows(client, done.output_file_id)), len(rows(client, done.error_file_id))) == (1, 8)
    assert refused(lambda: client.batches.cancel(made.id)).status_code == 409


def test_a_batcher_that_died_has_asked_for_nothing_twice(
    client: openai.OpenAI, service: Any, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, _ = service
    made = begin(client, embedding_lines(*[{"model": "medley", "input": str(n)} for n in range(3)]))
    moved(state, client, made.id)
    mark, calls = batches.mark, iter(range(9))

    def dying(*given: Any, **more: Any) -> None:
        if next(calls) == 1:
            raise RuntimeError("killed")
        mark(*given, **more)

    with monkeypatch.context() as patch:
        patch.setattr("orchestrator.batches.mark", dying)
        batching.move_all(state)
    assert client.get("/jobs", cast_to=object)["data"] == []
    with worker.working(vectors) as seen:
        wait_for(lambda: moved(state, client, made.id).status == "completed")
    assert len(seen) == 3


def test_a_line_of_a_batch_fetches_nothing(
    client: openai.OpenAI, service: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, _ = service
    asked: list[str] = []
    monkeypatch.setattr("api.links.fetch", lambda url, *_, **__: asked.append(url))
    part = {"type": "image_url", "image_url": {"url": "https://example.com/slow.png"}}
    made = begin(client, embedding_lines({"model": "medley", "input": [part]}))
    wait_for(lambda: moved(state, client, made.id).status == "completed")
    (wrong,) = rows(client, client.batches.retrieve(made.id).error_file_id)
    assert wrong["response"]["status_code"] == 400
    assert "upload" in wrong["response"]["body"]["error"]["message"]
    assert asked == []


def test_lines_that_must_wait_are_not_looked_at(
    client: openai.OpenAI, service: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, _ = service
    made = begin(client, embedding_lines({"model": "medley", "input": "a"}))
    moved(state, client, made.id)
    seen: list[Any] = []
    full = replace(state.admission, queue=replace(state.admission.queue, most=0))
    with monkeypatch.context() as patch:
        patch.setattr("api.openai.embeddings.call_of", lambda *given: seen.append(given))
        assert moved(replace(state, admission=full), client, made.id).status == "in_progress"
    assert seen == []


def test_a_tenant_has_so_many_open_batches(
    client: openai.OpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "MAX_OPEN", 1)
    file = begin(client, embedding_lines({"model": "medley", "input": "a"})).input_file_id
    with pytest.raises(openai.RateLimitError) as again:
        client.batches.create(
            input_file_id=file, endpoint="/v1/embeddings", completion_window="24h"
        )
    assert again.value.code == "quota_exceeded"


def test_a_vector_store_is_a_set_of_files(client: openai.OpenAI) -> None:
    cat = client.files.create(file=("cat.png", png()), purpose="vision")
    store = client.vector_stores.create(name="Cats", file_ids=[cat.id], metadata={"a": "b"})
    assert (store.file_counts.total, store.usage_bytes) == (1, len(png()))
    words = client.files.create(file=("a.txt", b"words"), purpose="user_data")
    client.vector_stores.files.create(store.id, file_id=words.id, attributes={"lang": "en"})
    assert {file.id for file in client.vector_stores.files.list(store.id)} == {cat.id, words.id}
    found = client.vector_stores.files.retrieve(words.id, vector_store_id=store.id)
    assert found.attributes == {"lang": "en"}
    assert client.vector_stores.update(store.id, name="Dogs").name == "Dogs"
    assert [item.id for item in client.vector_stores.list()] == [store.id]
    assert client.vector_stores.retrieve("vs_assets").file_counts.total == 2
    client.vector_stores.files.delete(words.id, vector_store_id=store.id)
    client.files.delete(cat.id)
    assert client.vector_stores.retrieve(store.id).file_counts.total == 0
    assert client.vector_stores.delete(store.id).deleted
    assert refused(lambda: client.vector_stores.retrieve(store.id)).status_code == 404
    assert refused(lambda: client.vector_stores.delete("vs_assets")).status_code == 409


def add(state: Any, name: str, vector: list[float], media_type: str = "image/png") -> str:
    """An asset that has been embedded already."""
    received = state.store.receive([name.encode()], 1000)
    state.store.keep(received)
    facts = Facts(modality=Modality.IMAGE, media_type=media_type)
    with state.db.begin() as conn:
        asset = asset_rows.register(
            conn, "default", received, facts, {"kind": "upload", "name": name}
        )
        conn.exec_driver_sql(
            "INSERT INTO embeddings (asset, space, tenant, modality, vector)"
            " VALUES (%s, 'starter', 'default', 'image', %s)",
            (asset.id, str(vector)),
        )
    return asset.id


class Seeker(Worker):
    """Runs searches with the real hook, over vectors that the test has put there."""

    def search(self, job: str, query: str) -> None:
        """Finishes the search step of a job as the service's own hook does."""
        while (lease := self.take_any()) is not None:
            if lease.tool == "search":
                with self.db.begin() as conn:
                    part = AssetPart(asset=query, modality=Modality.EMBEDDING)
                    done = SearchHook().prepare(raw(conn), lease, {"query": part})
                    assert done.commit is not None
                    commit_step(raw(conn), self.name, lease, done.commit)
            elif lease.tool == "index":
                self.finish(lease, outputs={"vectors": {"type": "data", "data": 0}})
            else:
                part_of = {"type": "asset", "asset": query, "modality": "embedding"}
                self.finish(lease, outputs={"embedding": part_of})


@pytest.fixture
def seeker(here: Settings) -> Iterator[Seeker]:
    db = create_engine(str(here.database_url), pool_size=2)
    yield Seeker(db)
    db.dispose()


def test_a_search_is_a_job_and_its_hits_can_be_filtered(
    service: Any, web: httpx2.Client, seeker: Seeker
) -> None:
    state, _ = service
    near, far = add(state, "near", [1.0, 0.1]), add(state, "far", [0.0, 1.0], "image/webp")
    query = add(state, "query", [1.0, 0.0])

    def hits(**more: Any) -> list[str]:
        asked = {"query": "a cat", **more}
        sent = web.post("/v1/search", json=asked, headers={"prefer": "respond-async"})
        assert sent.status_code == 202, sent.text
        seeker.search(sent.json()["id"], query)
        found = web.get(sent.headers["location"])
        assert found.status_code == 200, found.text
        assert found.json()["job"] == sent.json()["id"]
        return [hit["asset"]["id"] for hit in found.json()["data"]]

    assert hits() == [near, far]
    assert hits(limit=1) == [near]
    assert hits(filter={"min_score": 0.5}) == [near]
    assert hits(filter={"media_types": ["image/webp"]}) == [far]
    assert hits(filter={"assets": [far]}) == [far]
    assert hits(filter={"origin": "step"}) == []
    assert hits(filter={"created_before": "2020-01-01T00:00:00Z"}) == []
    assert hits(modalities=["audio"]) == []
    store = web.post("/v1/vector_stores", json={"file_ids": [far]}).json()["id"]
    assert hits(filter={"store": store}) == [far]
    mixed = [{"text": "cat"}, {"asset": near, "weight": -0.5}]
    assert hits(query=None, mix=mixed) == [far]  # what is looked for is not found


FILTERS: list[tuple[Any, set[str]]] = [
    (None, {"a", "b"}),
    ({"type": "eq", "key": "n", "value": 1}, {"a"}),
    ({"type": "ne", "key": "n", "value": 1}, {"b"}),
    ({"type": "gte", "key": "n", "value": 2}, {"b"}),
    ({"type": "gt", "key": "n", "value": "1"}, set()),
    ({"type": "in", "key": "lang", "value": ["en", "de"]}, {"a"}),
    ({"type": "nin", "key": "lang", "value": ["en"]}, {"b"}),
    (
        {
            "type": "or",
            "filters": [
                {"type": "eq", "key": "lang", "value": "en"},
                {"type": "lt", "key": "n", "value": 9},
            ],
        },
        {"a", "b"},
    ),
    ({"type": "eq", "key": "'; DROP TABLE jobs; --", "value": "%s"}, set()),
]


def test_attributes_of_files_can_be_asked_for(service: Any, web: httpx2.Client) -> None:
    state, _ = service
    store = web.post("/v1/vector_stores", json={}).json()["id"]
    for name, attributes in (("a", {"n": 1, "lang": "en"}), ("b", {"n": 2})):
        body = {"file_id": add(state, name, [1.0, 0.0]), "attributes": attributes}
        assert web.post(f"/v1/vector_stores/{store}/files", json=body).status_code == 200
    for filters, found in FILTERS:
        condition, values = condition_of(filters)
        with state.db.connect() as conn:
            rows = raw(conn).execute(
                "SELECT a.origin ->> 'name' FROM vector_store_files f"
                " JOIN assets a ON a.id = f.asset"
                f" WHERE f.store = %(store)s AND {condition}".encode(),
                {**values, "store": store},
            )
            assert {row[0] for row in rows} == found


NONSENSE: list[dict[str, Any]] = [
    {},
    {"query": ""},
    {"query": "a", "mix": [{"text": "a"}]},
    {"query": {"asset": "asset_none"}},
    {"query": "a", "limit": 51},
    {"mix": [{"weight": 1}]},
    {"query": "a", "filter": {"unknown": 1}},
]


def test_a_search_that_makes_no_sense_is_refused(web: httpx2.Client) -> None:
    for body in NONSENSE:
        reply = web.post("/v1/search", json=body)
        assert reply.status_code in (400, 422)
        assert reply.headers["content-type"] == "application/problem+json"
    assert web.get("/v1/jobs").json()["data"] == []

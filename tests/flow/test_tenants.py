"""Two tenants: neither can see, name, use or change what is the other's.

The routes come from the OpenAPI document. Wherever a request can name something, it names what is
the other tenant's, and then something that never was: both must be answered in the same way.
"""

import json
import re
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from typing import Any

import httpx2
import pytest
from sqlalchemy import text

from api.main import create_app
from medley.ids import new_id
from medley.parts import AssetPart
from medley.settings import Settings
from medley.toolset import toolbox
from orchestrator.database import transaction
from orchestrator.engine import Lease
from orchestrator.hooks.search import SearchHook
from tests.flow.api_world import Holder, World, caption_plan, give_key, open_world, png, served

MARKER = "zq-owned-by-alice"  # in everything that she writes
PICTURE = png("purple")
LINE = json.dumps(
    {"custom_id": MARKER, "method": "POST", "url": "/v1/embeddings", "body": {"input": MARKER}}
)
#: What she has is at these parameters; a parameter that is not here is tried with everything.
KINDS = {
    "asset_id": "asset", "conversation_id": "conv", "message_id": "msg", "job_id": "job",
    "workflow_id": "wf", "key_id": "key", "step_id": "step",
    "webhook_endpoint_id": "we", "delivery_id": "wd", "file_id": "asset", "video_id": "job",
    "upload_id": "upload", "store_id": "vs", "batch_id": "batch", "response_id": "resp",
}  # fmt: skip
SHARED = {"model"}  # names of the installation, the same for everybody
ENDLESS = {"/v1/events"}


@pytest.fixture
def world(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr("api.routes.plans.PATIENCE_S", 0.05)
    monkeypatch.setattr("api.routes.search.WAIT_S", 0)
    monkeypatch.setattr("api.openai.batching.EVERY_S", 3600)  # nothing moves by itself
    free = settings.model_validate({**settings.model_dump(), "key_quota": {}})
    with open_world(create_app(free), free) as opened:
        yield opened


def batch_of(file: str) -> dict[str, str]:
    """What asks for a batch."""
    return {"input_file_id": file, "endpoint": "/v1/embeddings", "completion_window": "24h"}


class Belongings:
    """One thing of every kind, of one tenant."""

    def __init__(self, world: World, key: Holder) -> None:
        hook = {"url": "https://nowhere.invalid", "event_types": ["*"], "name": MARKER}
        told = key("POST", "/v1/webhook_endpoints", json=hook).json()["id"]
        sent = key("POST", "/v1/assets", files={"file": (f"{MARKER}.png", PICTURE)}).json()
        self.sha256 = sent["sha256"]
        plan = caption_plan(sent["id"], MARKER)
        workflow = {"name": MARKER, "about": MARKER, "plan": plan}
        saved = key("POST", "/v1/workflows", json=workflow).json()["id"]
        key("PUT", f"/v1/workflows/{saved}/tool", json={"name": "flow.alice"}).raise_for_status()
        conversation = key("POST", "/v1/conversations", json={"title": MARKER}).json()["id"]
        talk = {"input": MARKER, "conversation": conversation, "metadata": {"mark": MARKER}}
        said = key("POST", "/v1/jobs", json=talk, headers={"Idempotency-Key": "same"}).json()
        job = key("POST", "/v1/jobs", json={"plan": plan}).json()
        part = {
            "type": "asset", "asset": sent["id"], "modality": "image", "media_type": "image/png",
        }  # fmt: skip
        for _ in range(2):
            lease = world.hands.take()
            world.hands.finish(lease, outputs={"image": part}, cache_key=world.hands.key(lease))
        part_of = {"bytes": 9, "filename": f"{MARKER}.png", "mime_type": "image/png"}
        upload = key("POST", "/v1/uploads", json={**part_of, "purpose": "vision"}).json()["id"]
        piece = key("POST", f"/v1/uploads/{upload}/parts", files={"data": (MARKER, b"9 bytes .")})
        store = key("POST", "/v1/vector_stores", json={"name": MARKER}).json()["id"]
        files = {"file": (f"{MARKER}.jsonl", LINE.encode()), "purpose": (None, "batch")}
        lines = key("POST", "/v1/files", files=files).json()["id"]
        batch = key("POST", "/v1/batches", json=batch_of(lines)).json()["id"]
        log = key("GET", f"/v1/webhook_endpoints/{told}/deliveries").json()["data"]
        self.of_kind = {
            "asset": sent["id"], "conv": conversation, "msg": said["message"], "job": job["id"],
            "wf": saved, "key": key.id, "talk": said["id"], "step": "s1",
            "we": told, "wd": log[0]["id"], "upload": upload, "vs": store, "batch": batch,
            "part": piece.json()["id"], "lines": lines, "resp": f"resp_{said['id'][4:]}",
        }  # fmt: skip

    @property
    def ids(self) -> list[str]:
        """Everything that could be guessed."""
        ids = [value for name, value in self.of_kind.items() if name != "step"]
        return [*ids, self.sha256, "flow.alice"]


def unreal(value: str) -> str:
    """The same kind of name, of what never was."""
    if re.fullmatch(r"[0-9a-f]{64}", value):
        return "ab" * 32
    prefix, line, rest = value.partition("_")
    return f"{prefix}_{'0' * len(rest)}" if line else "flow.nobody"


def said(part: dict[str, Any]) -> dict[str, Any]:
    """A message in OpenAI's form."""
    return {"role": "user", "content": [part]}


def bodies(ids: dict[str, str], sha256: str) -> list[dict[str, Any]]:
    """Requests that name something, in every form that routes take."""
    asset, part = ids["asset"], {"type": "asset", "asset": ids["asset"]}
    return [
        {"input": [part]},
        {"input": "x", "conversation": ids["conv"]},
        {"input": "x", "conversation": ids["conv"], "parent": ids["msg"]},
        {"workflow": ids["wf"]},
        {"workflow": f"{ids['wf']}@1", "inputs": {"image": {"asset": asset}}},
        {"plan": caption_plan(asset, "x")},
        {"name": "mine", "plan": caption_plan(asset, "x")},
        {"plan": {"steps": [{"id": "s1", "tool": "flow.alice", "inputs": {}}]}},
        {"model": "x", "input": asset},
        {"model": "x", "input": [part]},
        {"query": asset},
        {"query": [part]},
        {"sha256": sha256},
        {"hash": sha256},
        {"file_id": asset},
        {"previous_response_id": ids["resp"]},
        {"input": "x", "previous_response_id": ids["resp"]},
        {"input": [said({"type": "input_image", "file_id": asset})]},
        {"model": "x", "messages": [said({"type": "file", "file": {"file_id": asset}})]},
        {"prompt": "x", "input_reference": {"file_id": asset}},
        {"prompt": "x", "images": [{"file_id": asset}]},
        {"mix": [{"asset": asset, "weight": 1}]},
        {"query": "x", "filter": {"store": ids["vs"]}},
        {"file_ids": [asset]},
        {"part_ids": [ids["part"]]},
        batch_of(ids["lines"]),
        {"items": [said({"type": "input_image", "file_id": asset})]},
        {"retry_of": ids["job"]},
        {"key": ids["key"]},
        {"title": "mine"},
        {"name": "flow.mine"},
        {"enabled": False},
        {"event_type": "job.failed"},
        {},
    ]


def known_answer(reply: httpx2.Response, *names: str) -> tuple[int, str]:
    """An answer without what differs from request to request."""
    body = reply.text
    for name in names:
        body = body.replace(name, "<name>")
    if reply.status_code < 400:
        return reply.status_code, ""
    return reply.status_code, re.sub(r'"(instance|request_id)": ?"[^"]*"', "", body)


def operations(world: World) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Every method and path of the document; deleting comes last."""
    document = world.client.get("/openapi.json").json()
    found = [
        (method.upper(), path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if path.startswith("/v1/") and path not in ENDLESS
    ]
    return iter(sorted(found, key=lambda item: (item[0] == "DELETE", item[1], item[0])))


def test_nobody_reaches_what_is_anothers(world: World) -> None:
    alice, bob = give_key(world, tenant="alice"), give_key(world, tenant="bob")
    hers = Belongings(world, alice)
    before = look(alice, hers)
    ghosts = {kind: unreal(value) for kind, value in hers.of_kind.items()} | {"step": "s1"}
    seen, tried = [], 0
    for method, path, operation in operations(world):
        for place, (real, ghost) in enumerate(addresses(path, hers, ghosts)):
            asked = requests(method, operation, hers, ghosts)
            for mine, never in asked if place == 0 else islice(asked, 1):
                first, second = bob(method, real, **mine), bob(method, ghost, **never)
                tried += 1
                label = f"{method} {real} {mine}"
                names = (*hers.ids, *(unreal(name) for name in hers.ids), real, ghost)
                if known_answer(first, *names) != known_answer(second, *names):
                    seen.append(f"{label}: {first.status_code} {first.text[:200]}")
                if MARKER in first.text and MARKER not in str(mine):
                    seen.append(f"{label} tells of hers: {first.text[:300]}")
    assert seen == []
    assert tried > 300
    assert look(alice, hers) == before


def addresses(path: str, hers: Belongings, ghosts: dict[str, str]) -> Iterator[tuple[str, str]]:
    """The path with what is hers in its place, and with what never was."""
    names = [name.partition(":")[0] for name in re.findall(r"\{([^}]+)\}", path)]
    unknown = [name for name in names if name not in KINDS and name not in SHARED]
    choices = hers.ids if unknown else [""]
    for choice in choices:
        real, ghost = path, path
        for name in names:
            if name in SHARED:
                value = never = "no/such-model"
            elif name in KINDS:
                value, never = hers.of_kind[KINDS[name]], ghosts[KINDS[name]]
            else:
                value, never = choice, unreal(choice)
            real = re.sub(rf"\{{{name}[^}}]*\}}", value, real)
            ghost = re.sub(rf"\{{{name}[^}}]*\}}", never, ghost)
        yield real, ghost


def requests(
    method: str, operation: dict[str, Any], hers: Belongings, ghosts: dict[str, str]
) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """What else a request can name: bodies that name what is hers, and filters of lists."""
    if "requestBody" in operation:
        never = bodies(ghosts, unreal(hers.sha256))
        for mine, other in zip(bodies(hers.of_kind, hers.sha256), never, strict=True):
            if "flow.alice" in str(other):
                other = json.loads(json.dumps(other).replace("flow.alice", "flow.nobody"))
            yield {"json": mine}, {"json": other}
        return
    yield {}, {}
    if method == "GET":
        for parameter in operation.get("parameters", ()):
            if parameter["in"] == "query" and takes_words(parameter["schema"]):
                for name in hers.ids:
                    yield (
                        {"params": {parameter["name"]: name}},
                        {"params": {parameter["name"]: unreal(name)}},
                    )


def takes_words(schema: dict[str, Any]) -> bool:
    """Whether any text is a value."""
    if "anyOf" in schema:
        return any(takes_words(item) for item in schema["anyOf"])
    return schema.get("type") == "string" and "format" not in schema and "enum" not in schema


def look(key: Holder, hers: Belongings) -> dict[str, Any]:
    """All that she has, as she sees it."""
    ids = hers.of_kind
    paths = [
        f"/v1/assets/{ids['asset']}", f"/v1/workflows/{ids['wf']}", f"/v1/jobs/{ids['job']}",
        f"/v1/jobs/{ids['talk']}", f"/v1/conversations/{ids['conv']}/items", "/v1/keys/" + key.id,
        "/v1/tools/flow.alice", "/v1/jobs", "/v1/assets", "/v1/workflows", "/v1/conversations",
        f"/v1/batches/{ids['batch']}", f"/v1/uploads/{ids['upload']}", "/v1/files",
        f"/v1/vector_stores/{ids['vs']}/files", f"/v1/responses/{ids['resp']}",
    ]  # fmt: skip
    found = {path: key("GET", path) for path in paths}
    assert {reply.status_code for reply in found.values()} == {200}
    return {
        path: re.sub(r'"last_used_at":"[^"]*"', "", reply.text) for path, reply in found.items()
    }


def test_every_parameter_of_an_address_is_known(world: World) -> None:
    named = {
        name.partition(":")[0]
        for _, path, _ in operations(world)
        for name in re.findall(r"\{([^}]+)\}", path)
    }
    assert named - KINDS.keys() - SHARED == {"name"}  # of a tool: tried with everything


def test_parts_of_anothers_upload_are_not_put_together(world: World) -> None:
    alice, bob = give_key(world, tenant="alice"), give_key(world, tenant="bob")
    hers = Belongings(world, alice)
    asked = {"bytes": 9, "filename": "a.txt", "mime_type": "text/plain", "purpose": "user_data"}
    own = bob("POST", "/v1/uploads", json=asked).json()["id"]
    part, never = hers.of_kind["part"], unreal(hers.of_kind["part"])

    first, second = (
        bob("POST", f"/v1/uploads/{own}/complete", json={"part_ids": [name]})
        for name in (part, never)
    )
    assert first.status_code == 400
    assert known_answer(first, part, never) == known_answer(second, part, never)


def test_equal_bytes_are_not_told_of(world: World) -> None:
    alice, bob = give_key(world, tenant="alice"), give_key(world, tenant="bob")
    hers = Belongings(world, alice)
    sent = bob("POST", "/v1/assets", files={"file": ("mine.png", PICTURE)})

    assert sent.status_code == 201
    assert sent.json()["sha256"] == hers.sha256
    assert sent.json()["id"] != hers.of_kind["asset"]
    assert MARKER not in sent.text
    assert alice("DELETE", f"/v1/assets/{sent.json()['id']}").status_code == 404
    assert bob("GET", f"/v1/assets/{sent.json()['id']}/content").content == PICTURE


def test_the_step_cache_and_kept_answers_are_a_tenants_own(world: World) -> None:
    alice, bob = give_key(world, tenant="alice"), give_key(world, tenant="bob")
    Belongings(world, alice)

    def foreseen(key: Holder) -> list[str]:
        asset = key("POST", "/v1/assets", files={"file": ("a.png", PICTURE)}).json()["id"]
        plan = {"plan": caption_plan(asset, MARKER)}
        found: list[str] = key("POST", "/v1/plans", json=plan).json()["estimate"]["cached"]
        return found

    assert (foreseen(alice), foreseen(bob)) == (["s1", "s2"], [])
    body, headers = {"input": "other words"}, {"Idempotency-Key": "same"}
    mine = bob("POST", "/v1/jobs", json=body, headers=headers)
    assert mine.status_code == 202
    assert "idempotency-replayed" not in mine.headers
    sister = give_key(world, tenant="alice")
    assert sister("POST", "/v1/jobs", json=body, headers=headers).status_code == 202


def test_a_search_finds_a_tenants_own(world: World) -> None:
    def add(tenant: str, modality: str, vector: str) -> str:
        asset = new_id("asset")
        with world.hands.db.begin() as conn:
            values = {"id": asset, "tenant": tenant, "modality": modality, "vector": vector}
            conn.execute(
                text(
                    "INSERT INTO assets (id, tenant, sha256, size, modality, media_type)"
                    " VALUES (:id, :tenant, :id, 1, :modality, 'x/y')"
                ),
                values,
            )
            conn.execute(
                text(
                    "INSERT INTO embeddings (asset, space, tenant, modality, vector)"
                    " VALUES (:id, 's', :tenant, :modality, :vector)"
                ),
                values,
            )
        return asset

    hers, query_of_hers = add("alice", "image", "[1,0]"), add("alice", "embedding", "[1,0]")
    his, query = add("bob", "image", "[0,1]"), add("bob", "embedding", "[1,0]")

    def found(tenant: str, asset: str) -> list[str]:
        lease = Lease(
            job="j", step="s", token=1, attempt=1, crashes=0, max_attempts=1, tenant=tenant,
            kind="work", tool="search", tool_version=1, model=None, lane="cpu", round=1,
            params={}, seed=0, inputs={}, sources={},
        )  # fmt: skip
        part = AssetPart(asset=asset, modality="embedding", media_type="x/y")
        with transaction(world.hands.db) as conn:
            commit = SearchHook().prepare(conn, lease, {"query": part}).commit
        assert commit is not None
        return [hit["asset"] for hit in commit.outputs["assets"]]

    assert "search" in toolbox()
    assert (found("bob", query), found("alice", query_of_hers)) == ([his], [hers])
    assert found("bob", query_of_hers) == []


def test_the_stream_of_all_jobs_is_a_tenants_own(settings: Settings, world: World) -> None:
    alice, bob = give_key(world, tenant="alice"), give_key(world, tenant="bob")
    Belongings(world, alice)
    with (
        served(create_app(settings)) as url,
        httpx2.Client(base_url=url, timeout=60) as client,
        client.stream(
            "GET", "/v1/events", headers={"Authorization": f"Bearer {bob.secret}"}
        ) as stream,
    ):
        lines = stream.iter_lines()
        with closing(lines):
            told = [next(line for line in lines if line.startswith("data:"))]
            alice("POST", "/v1/jobs", json={"input": MARKER})
            own = bob("POST", "/v1/jobs", json={"input": "mine"}).json()["id"]
            told.append(next(line for line in lines if line.startswith("data:")))

    assert json.loads(told[0].removeprefix("data:"))["data"] == []
    assert json.loads(told[1].removeprefix("data:"))["job"] == own
    assert MARKER not in "".join(told)

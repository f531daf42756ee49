"""Builders for the tests of the HTTP service: a client on the real application, and a worker that
does as it is told.
"""

import io
import math
import threading
import time
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import uvicorn
from fastapi import FastAPI
from PIL import Image
from sqlalchemy import Engine
from starlette.testclient import TestClient

from medley.errors import MedleyError
from medley.parts import TextPart
from medley.quota import Quota
from medley.settings import Settings
from medley.toolset import toolbox
from orchestrator import engine, keys
from orchestrator.cache import cache_key
from orchestrator.catalogue import load_catalogue
from orchestrator.database import create_engine, transaction
from orchestrator.engine import Commit, Lease, Offer, asset_ids, load_assets, resolve
from orchestrator.keys import NewKey


def png(colour: str = "red", size: tuple[int, int] = (32, 24)) -> bytes:
    """A picture file."""
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, "PNG")
    return file.getvalue()


def wav(seconds: float = 0.2) -> bytes:
    """A sound file."""
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        wanted = int(seconds * 8000)
        samples = (int(9000 * math.sin(place / 8)) for place in range(wanted))
        sound.writeframes(b"".join(value.to_bytes(2, "little", signed=True) for value in samples))
    return file.getvalue()


def caption_plan(asset: str, words: str = "hello") -> dict[str, Any]:
    """A plan of two steps over one picture."""
    return {
        "steps": [
            {
                "id": "s1",
                "tool": "resize",
                "inputs": {"image": {"asset": asset}},
                "params": {"width": 16},
            },
            {
                "id": "s2",
                "tool": "caption",
                "inputs": {"image": {"from": "s1.image"}, "text": words},
            },
        ],
        "reply": {"show": ["s2.image"]},
    }


@dataclass
class Hands:
    """A worker that runs a step only when the test says so."""

    db: Engine
    name: str = "worker_test"

    def take(self, lane: str = "cpu") -> Lease:
        """Claims the next step of a lane."""
        tools = [f"{name}@1" for name in ("resize", "caption", "plan", "answer", "test.echo")]
        with transaction(self.db) as conn:
            leases = engine.claim(conn, self.name, Offer(lanes=[lane], tools=tools, ttl=60))
        assert leases, "there is nothing to do"
        return leases[0]

    def finish(self, lease: Lease, **commit: Any) -> None:
        """Commits outputs; by default a word under `text`."""
        commit.setdefault("outputs", {"text": TextPart(text="done").model_dump(mode="json")})
        with transaction(self.db) as conn:
            engine.commit_step(conn, self.name, lease, Commit(**commit))

    def fail(self, lease: Lease, error: MedleyError) -> None:
        """Ends a step with an error, for good."""
        with transaction(self.db) as conn:
            engine.fail_step(conn, lease, error, delay=None)

    def key(self, lease: Lease) -> str | None:
        """The cache key that a worker would commit the step under."""
        models = load_catalogue(Settings())
        with transaction(self.db) as conn:
            assets = load_assets(conn, lease.tenant, asset_ids(lease))
        spec = models[lease.model or ""]
        return cache_key(lease, toolbox()[lease.tool], spec, resolve(lease, assets), assets)

    def finish_all(self, asset: str) -> None:
        """Runs both steps of `caption_plan`; their pictures are `asset`."""
        part = {"type": "asset", "asset": asset, "modality": "image", "media_type": "image/png"}
        for _ in range(2):
            self.finish(self.take(), outputs={"image": part})


@dataclass
class World:
    """The service and the hands that work for it."""

    client: TestClient
    hands: Hands
    settings: Settings

    def upload(self, data: bytes | None = None, name: str = "cat.png") -> str:
        """The id of an uploaded file."""
        sent = self.client.post("/v1/assets", files={"file": (name, data or png())})
        assert sent.status_code in (200, 201), sent.text
        return str(sent.json()["id"])

    def submit(self, **body: Any) -> dict[str, Any]:
        """An accepted job."""
        sent = self.client.post("/v1/jobs", json=body)
        assert sent.status_code == 202, sent.text
        found: dict[str, Any] = sent.json()
        return found

    def plan_job(self, **more: Any) -> tuple[dict[str, Any], str]:
        """A job of `caption_plan`, and its picture."""
        asset = self.upload()
        return self.submit(plan=caption_plan(asset), **more), asset


@dataclass(frozen=True)
class Holder:
    """Somebody with a key, who calls the service with it."""

    client: TestClient
    id: str
    secret: str

    def __call__(self, method: str, path: str, **more: Any) -> Any:
        headers = {"Authorization": f"Bearer {self.secret}", **more.pop("headers", {})}
        return self.client.request(method, path, headers=headers, **more)


def give_key(
    world: World,
    *scopes: str,
    tenant: str = "default",
    expires_at: datetime | None = None,
    **quota: float | None,
) -> Holder:
    """A key, made as the command line makes it; by default that of an operator."""
    wanted = NewKey(
        tenant=tenant,
        name="of a test",
        scopes=keys.scopes_of(scopes or ("admin", "operate")),
        quota=Quota.model_validate(quota),
        expires_at=expires_at,
    )
    with world.hands.db.begin() as conn:
        made, secret = keys.create(conn, wanted)
    world.client.app.state.service.keyring.forget()  # type: ignore[attr-defined]
    return Holder(world.client, made.id, secret)


@contextmanager
def open_world(app: FastAPI, settings: Settings, address: str = "127.0.0.1") -> Iterator[World]:
    """The application between start and stop, called from this address."""
    assert settings.database_url is not None
    db = create_engine(settings.database_url, pool_size=2)
    with TestClient(
        app,
        base_url="http://127.0.0.1",
        raise_server_exceptions=False,
        client=(address, 50000),
    ) as client:
        yield World(client=client, hands=Hands(db), settings=settings)
    db.dispose()


@contextmanager
def served(app: FastAPI) -> Iterator[str]:
    """The address of the application on a real port, for streams."""
    server = uvicorn.Server(
        uvicorn.Config(
            app, host="127.0.0.1", port=0, log_level="warning", timeout_graceful_shutdown=2
        )
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the server did not start"
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(10)

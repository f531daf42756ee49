"""The service on a real port, hands that work for it, and a line to it that can be cut."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2

from api.main import create_app
from medley.settings import Settings
from orchestrator.database import create_engine
from orchestrator.events import Announcer
from tests.flow.api_world import Hands, caption_plan, served


class Service:
    """The service on a port, and the hands that work for it."""

    def __init__(self, url: str, settings: Settings) -> None:
        assert settings.database_url is not None
        self.url, self.mcp = url, f"{url}/mcp"
        self.client = httpx2.Client(base_url=url, timeout=60)
        self.hands = Hands(create_engine(settings.database_url, pool_size=2))
        self.announcer = Announcer(settings.redis_url)

    def close(self) -> None:
        """Closes what was opened."""
        self.client.close()
        self.hands.db.dispose()

    def cancel_all(self) -> None:
        """Nothing of this test is left to do for the next one."""
        for status in ("queued", "running", "waiting"):
            for job in self.client.get("/v1/jobs", params={"status": status}).json()["data"]:
                self.client.post(job["urls"]["cancel"])

    def upload(self, data: bytes, name: str = "a.png") -> str:
        """The id of an uploaded file."""
        return str(self.client.post("/v1/assets", files={"file": (name, data)}).json()["id"])

    def workflow(self) -> str:
        """A saved workflow of two steps over a picture and words; its id."""
        plan = caption_plan("x")
        plan["steps"][0]["inputs"] = {"image": {"input": "picture"}}
        plan["steps"][1]["inputs"]["text"] = {"input": "words"}
        inputs = {
            "picture": {"modality": "image", "about": "What to caption."},
            "words": {"modality": "text", "default": "hello"},
        }
        document = {"name": "Caption", "about": "Words below.", "inputs": inputs, "plan": plan}
        return str(self.client.post("/v1/workflows", json=document).json()["id"])

    def newest(self) -> dict[str, Any]:
        """The newest job."""
        return dict(self.client.get("/v1/jobs", params={"limit": 1}).json()["data"][0])

    @contextmanager
    def working(self, work: Callable[[], None]) -> Iterator[None]:
        """A thread that works inside of the block."""
        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield
        finally:
            thread.join(60)

    def captions(self, asset: str) -> None:
        """Does both steps of a caption, as soon as they are there; their pictures are `asset`."""
        part = {"type": "asset", "asset": asset, "modality": "image", "media_type": "image/png"}
        for _ in range(2):
            lease = patiently(self.hands.take)
            self.hands.finish(lease, outputs={"image": part})
            self.announcer.stored([lease.job])


@contextmanager
def serving(home: Path, database_url: str, redis_url: str) -> Iterator[Service]:
    """A service with test tools on these servers."""
    settings = Settings(
        home=home, database_url=database_url, redis_url=redis_url, test_tools=True, lease_ttl_s=4.0
    )
    with served(create_app(settings)) as url:
        opened = Service(url, settings)
        yield opened
        opened.close()


def patiently(look: Callable[[], Any]) -> Any:
    """What there is to do, as soon as there is something."""
    for _ in range(600):
        with suppress(AssertionError):
            return look()
        time.sleep(0.05)
    return look()


class Line:
    """Connections to a service that can be cut in the middle of what they carry."""

    def __init__(self, url: str) -> None:
        self._to = (urlsplit(url).hostname, urlsplit(url).port)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Breaks every connection; new ones can be made."""
        broken, self._open = self._open, []
        for end in broken:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def close(self) -> None:
        """Breaks them for good."""
        self._listening.close()
        self.cut()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listening.accept()
                far = socket.create_connection(self._to)
                self._open += [near, far]
                for source, sink in ((near, far), (far, near)):
                    threading.Thread(target=_carry, args=(source, sink), daemon=True).start()


def _carry(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)

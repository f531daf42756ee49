"""An agent and a Python program with a whole service: the starter models plan, draw and search."""

import base64
import io
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import anyio
import pytest
from mcp.client.client import Client
from mcp_types import CallToolResult
from PIL import Image

from api.main import create_app
from medley.client import Medley
from medley.guarded import Guarded
from medley.settings import Settings
from tests.e2e.test_api_worker import surroundings
from tests.flow.api_world import served

_ROOT = Path(__file__).resolve().parents[2]
pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.skipif(
        not any((_ROOT / "starter" / "weights").rglob("*.safetensors")),
        reason="the starter models have not been made",
    ),
]


@pytest.fixture
def url(settings: Settings, tmp_path: Path) -> Iterator[str]:
    """The address of a service with a worker for all lanes."""
    environment = {**surroundings(settings), "MEDLEY_WORKER_PROCESSES": "1", "OMP_NUM_THREADS": "1"}
    log = tmp_path / "worker.log"
    worker = Guarded([sys.executable, "-m", "workers"], log=log, env=environment)
    try:
        with served(create_app(settings)) as found:
            yield found
    finally:
        worker.stop()


def test_an_agent_draws_a_picture_and_programs_find_it_and_draw_more(
    url: str, tmp_path: Path
) -> None:
    told: list[str] = []

    async def progress(value: float, total: float | None, message: str | None) -> None:
        told.append(f"{value:.2f} of {total}: {message}")

    async def work() -> tuple[CallToolResult, CallToolResult]:
        with anyio.fail_after(300):
            async with Client(f"{url}/mcp") as client:
                request = {"request": "Draw a cat.", "outputs": ["image"], "seed": 7}
                drawn = await client.call_tool("generate", request, progress_callback=progress)
                sought = {"query": "a cat", "modalities": ["image"]}
                return drawn, await client.call_tool("search_assets", sought)

    with ThreadPoolExecutor(1) as apart:  # a browser of other tests may hold this thread's loop
        drawn, found = apart.submit(anyio.run, work).result()
    assert not drawn.is_error, drawn.content
    picture = next(item for item in drawn.content if item.type == "image")
    with Image.open(io.BytesIO(base64.b64decode(picture.data))) as opened:
        assert min(opened.size) >= 64
        assert "medley" in opened.info  # its recipe
        pixels = opened.tobytes()
    assert told
    assert not found.is_error, found.content
    assert drawn.structured_content is not None
    assert found.structured_content is not None
    made = [output["asset"] for output in drawn.structured_content["outputs"]]
    assert found.structured_content["hits"][0]["asset"] in made
    with Medley(url) as medley:
        (nearest, score), *_ = medley.search("a cat", modalities=["image"])
        assert nearest.id in made
        assert -1 <= score <= 1
        with Image.open(io.BytesIO(nearest.read())) as plain:
            assert plain.tobytes() == pixels

    script, sound = _ROOT / "examples" / "hear_and_draw.py", _ROOT / "demo" / "sound.wav"
    command = [sys.executable, str(script), str(sound), str(tmp_path / "out"), "--url", url]
    done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    saved = [Path(line) for line in done.stdout.splitlines() if line.endswith(".png")]
    assert saved
    assert all(path.stat().st_size for path in saved)

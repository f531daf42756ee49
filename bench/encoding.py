"""What the service costs an encoder: pictures embedded per second, three ways, in turn.

- forward: the bare batched forward of the model on pixels that lie ready, in this process
- backend: the encoder behind Medley's interface, from decoded pictures, in this process
- service: `POST /v1/jobs` by so many callers at once, over HTTP, engine, broker and one worker,
  from pictures that were uploaded before

The model is a CLIP of random weights in the size that `--size` names. While the service is
measured nothing else runs here, and the other way round. Only the ratios mean anything.

    python -m bench.encoding [--size base] [--pictures 128] [--callers 32] [--rounds 2] [--json]
"""

import argparse
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
from PIL import Image

from medley.backend import ModelSpec, Request

MODEL = "bench/clip"
BATCH = 16  #: as a worker claims
SIZES = {  # width, blocks, heads, patch of the picture tower
    "tiny": (64, 2, 4, 32),
    "base": (768, 12, 12, 32),
    "large": (1024, 24, 16, 14),
}


class Quiet:
    """A control that hears nothing."""

    scratch = Path()

    def tick(self, done: float, total: float, *, message: str = "", preview: Any = None) -> None:
        """Goes on."""

    def delta(self, text: str, place: int = 0) -> None:
        """Goes on."""

    def stopped(self, place: int) -> bool:
        """Never."""
        return False


def save_clip(folder: Path, size: str) -> None:
    """A CLIP of random weights with a small text tower."""
    import torch
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPProcessor, CLIPTokenizer

    torch.manual_seed(0)
    width, blocks, heads, patch = SIZES[size]
    vision = {
        "hidden_size": width,
        "intermediate_size": 4 * width,
        "num_hidden_layers": blocks,
        "num_attention_heads": heads,
        "patch_size": patch,
        "image_size": 224,
    }
    text = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "vocab_size": 54,
            "intermediate_size": 32, "max_position_embeddings": 16, "eos_token_id": 53}  # fmt: skip
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    tokenizer = CLIPTokenizer(vocab={word: n for n, word in enumerate(words)}, merges=[])
    CLIPModel(CLIPConfig(text_config=text, vision_config=vision)).save_pretrained(folder)
    CLIPProcessor(CLIPImageProcessor(), tokenizer).save_pretrained(folder)


def pictures(number: int) -> list[bytes]:
    """JPEG files of 320x240 pixels, all different."""
    dice = np.random.default_rng(0)
    found = []
    for _ in range(number):
        file = io.BytesIO()
        small = Image.fromarray(dice.integers(0, 255, (12, 16, 3), dtype=np.uint8))
        small.resize((320, 240), Image.Resampling.BICUBIC).save(file, "JPEG", quality=90)
        found.append(file.getvalue())
    return found


def in_process(folder: Path, files: Sequence[bytes]) -> dict[str, float]:
    """Pictures per second of the bare forward, and of the backend."""
    import torch

    from workers.registry import make_backend

    backend: Any = make_backend("dual")
    tools = frozenset({"embed"})
    backend.load(ModelSpec(id=MODEL, backend="dual", tools=tools, source=str(folder)), "cpu")
    asked = [
        Request(
            tool="embed", inputs={"media": Image.open(io.BytesIO(file)).convert("RGB")}, params={}
        )
        for file in files
    ]
    model = backend._model
    pixels = torch.randn(BATCH, 3, 224, 224)
    parts = [asked[start : start + BATCH] for start in range(0, len(asked), BATCH)]

    def forward() -> None:
        with torch.inference_mode():
            for part in parts:
                model.get_image_features(pixel_values=pixels[: len(part)])

    def embed() -> None:
        for part in parts:
            assert not any(result.error for result in backend.run(part, Quiet()))

    return {
        name: _rate(act, len(files)) for name, act in (("forward", forward), ("backend", embed))
    }


def _rate(act: Any, number: int) -> float:
    act()
    began = time.perf_counter()
    act()
    return number / (time.perf_counter() - began)


@contextmanager
def service(home: Path, folder: Path, port: int) -> Iterator[httpx2.Client]:
    """A service of its own with the model and one worker process."""
    models = home / "models"
    models.mkdir(exist_ok=True)
    (models / "bench.toml").write_text(
        f'[[model]]\nid = "{MODEL}"\nbackend = "dual"\ntools = ["embed"]\nsource = "{folder}"\n'
        f'space = "{MODEL}"\nrank = 50\nmemory_bytes = 1_000_000_000\n'
    )
    environment = {
        **os.environ,
        "MEDLEY_HOME": str(home / "data"),
        "MEDLEY_MODEL_FOLDER": str(models),
        "MEDLEY_WORKER_PROCESSES": "1",
        "MEDLEY_LANES": '["encode"]',
    }
    program = "from medley.cli import app; app()"
    command = [sys.executable, "-c", program, "up", "--port", str(port)]
    with (home / "service.log").open("ab") as log:
        running = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        with httpx2.Client(
            base_url=f"http://127.0.0.1:{port}",
            timeout=300,
            limits=httpx2.Limits(max_connections=256),
        ) as client:
            until = time.monotonic() + 120
            while not _ready(client):
                if running.poll() is not None or time.monotonic() > until:
                    raise SystemExit((home / "service.log").read_text()[-2000:])
                time.sleep(0.2)
            yield client
    finally:
        running.terminate()
        running.wait(timeout=60)


def _ready(client: httpx2.Client) -> bool:
    try:
        return bool(client.get("/v1/tools/embed").json()["live"])
    except (httpx2.TransportError, KeyError):
        return False


def through_service(client: httpx2.Client, assets: Sequence[str], callers: int) -> float:
    """Pictures per second when so many callers wait for one job each."""

    def ask(asset: str) -> None:
        step = {"id": "s1", "tool": "embed", "inputs": {"media": {"asset": asset}}, "model": MODEL}
        answer = client.post(
            "/v1/jobs",
            json={"plan": {"steps": [step], "reply": {"text": "-"}}},
            headers={"prefer": "wait=120"},
        )
        found = answer.json()
        if found.get("status") != "succeeded":
            raise SystemExit(f"a job did not succeed: {found.get('error') or found}")

    began = time.perf_counter()
    with ThreadPoolExecutor(callers) as crowd:
        list(crowd.map(ask, assets))
    return len(assets) / (time.perf_counter() - began)


def upload(client: httpx2.Client, files: Sequence[bytes]) -> list[str]:
    """Ids of the uploaded pictures."""
    found = []
    for number, file in enumerate(files):
        reply = client.post("/v1/assets", files={"file": (f"{number}.jpg", file)})
        reply.raise_for_status()
        found.append(str(reply.json()["id"]))
    return found


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", choices=SIZES, default="base")
    parser.add_argument("--pictures", type=int, default=128)
    parser.add_argument("--callers", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--port", type=int, default=8498)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="medley-bench-", dir=_short()) as name:
        home, rates = Path(name), {"forward": [], "backend": [], "service": []}  # type: ignore[var-annotated]
        home.chmod(0o755)
        save_clip(home / "clip", given.size)
        for number in range(given.rounds):
            files = pictures(given.pictures * (number + 2))[-given.pictures :]
            for kind, rate in in_process(home / "clip", files).items():
                rates[kind].append(rate)
            with service(home, home / "clip", given.port) as client:
                warm = upload(client, pictures(BATCH))
                through_service(client, warm, BATCH)
                assets = upload(client, files)
                rates["service"].append(through_service(client, assets, given.callers))
        found = {kind: statistics.median(values) for kind, values in rates.items()}
        show(found, as_json=given.json)


def show(rates: dict[str, float], *, as_json: bool) -> None:
    """Rates, and their ratio to the bare forward."""
    rows = {
        kind: {
            "pictures_per_s": round(rate, 2),
            "of_the_forward": round(rate / rates["forward"], 3),
        }
        for kind, rate in rates.items()
    }
    if as_json:
        print(json.dumps(rows))
        return
    for kind, row in rows.items():
        print(f"{kind:8} {row['pictures_per_s']:8.2f} pictures/s  {row['of_the_forward']:.2f} x")


def _short() -> str:
    """Sockets need short paths, and Postgres a folder that is not private."""
    return "/var/tmp"


if __name__ == "__main__":
    main()

"""`make demo`, as a new user runs it."""

import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

_ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
@pytest.mark.skipif(
    not any((_ROOT / "starter" / "weights").rglob("*.safetensors")),
    reason="the starter models have not been made",
)
def test_the_demo_answers_and_draws() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "medley.demo"],
        cwd=_ROOT,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.strip()
    pictures = list((_ROOT / "demo-out").glob("*.png"))
    assert pictures
    with Image.open(pictures[0]) as picture:
        assert "medley" in picture.info  # how it was made
        assert min(picture.size) >= 64

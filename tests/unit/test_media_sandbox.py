"""The process that looks into files: it may die, and many may ask at once."""

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from medley.errors import BrokenMedia
from medley.media.facts import Limits
from medley.media.probe import probe
from tests.media_samples import picture_bytes, tone_bytes


def sandboxes() -> list[psutil.Process]:
    """The sandboxes of this process."""
    return [
        child
        for child in psutil.Process().children()
        if any(part.endswith("sandbox.py") for part in child.cmdline())
    ]


@pytest.fixture
def png(tmp_path: Path) -> Path:
    path = tmp_path / "a.png"
    path.write_bytes(picture_bytes())
    return path


def test_one_process_serves_many_files_at_once(tmp_path: Path, png: Path) -> None:
    wav, broken = tmp_path / "a.wav", tmp_path / "broken.png"
    wav.write_bytes(tone_bytes())
    broken.write_bytes(picture_bytes()[:40])

    def look(path: Path) -> str:
        try:
            return probe(path, Limits()).media_type
        except BrokenMedia:
            return "broken"

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(look, [png, wav, broken] * 8))

    assert found == ["image/png", "audio/wav", "broken"] * 8
    assert len(sandboxes()) == 1


def test_a_killed_sandbox_is_started_again(png: Path) -> None:
    probe(png, Limits())
    (sandbox,) = sandboxes()
    os.kill(sandbox.pid, signal.SIGKILL)
    sandbox.wait(10)

    assert probe(png, Limits()).media_type == "image/png"


def test_no_copy_and_no_descriptor_is_left_behind(png: Path) -> None:
    probe(png, Limits())
    before = psutil.Process().num_fds()
    for _ in range(20):
        probe(png, Limits())

    assert psutil.Process().num_fds() == before
    assert sandboxes()[0].children() == []


def test_a_sandbox_ends_with_the_process_that_asked(png: Path) -> None:
    program = f"""
import os, psutil
from pathlib import Path
from medley.media.facts import Limits
from medley.media.probe import probe
probe(Path({str(png)!r}), Limits())
print(psutil.Process().children()[0].pid, flush=True)
os.kill(os.getpid(), 9)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, timeout=120, check=False
    )
    sandbox = int(done.stdout)

    assert done.returncode == -signal.SIGKILL
    try:
        psutil.Process(sandbox).wait(20)
    except psutil.NoSuchProcess:
        return
    assert not psutil.pid_exists(sandbox)

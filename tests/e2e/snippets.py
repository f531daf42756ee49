"""Programs that the page shows, run as somebody would who copied them."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def run_python(program: str, folder: Path) -> str:
    """Runs a program in a folder, with our client at hand; what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()

"""The drawing of the house holds: import contracts, and what must start without model libraries."""

import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[2]


def test_the_import_contracts_hold() -> None:
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout[-3000:]


@pytest.mark.parametrize("module", ["api.main", "orchestrator.migrations", "workers"])
def test_a_process_without_models_starts_without_torch(module: str) -> None:
    script = (
        f"import sys, {module}\n"
        "print(sorted({'torch', 'transformers', 'diffusers'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=_ROOT, capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "[]"

"""`medley up` as a user runs it: real servers, a real worker, and every way to stop it."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from shutil import rmtree

import psutil
import pytest
from PIL import Image

from medley.cli.exits import Exit
from medley.client import Medley
from medley.running import Running, running_here

_MEDLEY = [sys.executable, "-c", "from medley.cli import app; app()"]
_PATIENCE_S = 120.0


class Up:
    """One `medley up` with a home of its own."""

    def __init__(self) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="medley-up-"))
        if os.geteuid() == 0:
            self.home.chmod(0o755)
        self.environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("MEDLEY_")},
            "MEDLEY_HOME": str(self.home),
            "MEDLEY_PORT": "0",
            "MEDLEY_TEST_TOOLS": "1",
            "MEDLEY_LEASE_TTL_S": "4",
        }
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> Running:
        """Start it and wait until it has announced itself."""
        self.process = subprocess.Popen(
            [*_MEDLEY, "up"], env=self.environment, stdout=subprocess.PIPE, text=True
        )
        _wait(lambda: running_here(self.home) is not None or self._ended())
        running = running_here(self.home)
        assert running is not None, self.logs()
        return running

    def _ended(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """One command line against it."""
        return subprocess.run(
            [*_MEDLEY, *words],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=_PATIENCE_S,
            check=False,
        )

    def family(self) -> list[psutil.Process]:
        """Every process that belongs to it: guards, servers, API, worker and their children."""
        assert self.process is not None
        return psutil.Process(self.process.pid).children(recursive=True)

    def part(self, *words: str) -> psutil.Process:
        """The first process of the family whose command has these words (never a guard)."""
        for process in self.family():
            command = process.cmdline()
            if all(word in command for word in words) and "-I" not in command:
                return process
        raise LookupError(words)

    def logs(self) -> str:
        return "\n".join(
            f"--- {log.name}\n{log.read_text()[-2000:]}" for log in (self.home / "log").glob("*")
        )

    def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            family = self.family()
            self.process.kill()
            psutil.wait_procs(family, timeout=30)
        rmtree(self.home, ignore_errors=True)


@pytest.fixture
def up() -> Iterator[Up]:
    service = Up()
    yield service
    service.close()


def _wait(done: Callable[[], object]) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while not done():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.1)


def _workflow(folder: Path) -> Path:
    """A workflow of media tools alone: make a picture smaller."""
    plan = {
        "steps": [
            {
                "id": "small",
                "tool": "resize",
                "inputs": {"image": {"input": "photo"}},
                "params": {"width": 32, "height": 32},
            }
        ],
        "reply": {"show": ["small.image"]},
    }
    document = {"name": "Smaller", "inputs": {"photo": {"modality": "image"}}, "plan": plan}
    path = folder / "smaller.json"
    path.write_text(json.dumps(document))
    return path


def test_a_workflow_runs_from_the_command_line_to_a_file(up: Up, tmp_path: Path) -> None:
    up.start()
    photo = tmp_path / "photo.png"
    Image.new("RGB", (200, 100), "red").save(photo)

    done = up.run(
        "workflows", "run", str(_workflow(tmp_path)), "-i", f"photo=@{photo}",
        "-o", str(tmp_path / "out"), "--json",
    )  # fmt: skip

    assert done.returncode == Exit.OK, done.stdout + done.stderr + up.logs()
    (file,) = (tmp_path / "out").iterdir()
    with Image.open(file) as picture:
        assert max(picture.size) == 32
    assert up.run("doctor", "--invariants").returncode == Exit.OK


@pytest.mark.skipif(
    "MEDLEY_TEST_AMQP_URL" not in os.environ,
    reason="needs a RabbitMQ: MEDLEY_TEST_AMQP_URL=amqp://guest:guest@127.0.0.1:5672//",
)
def test_rabbitmq_can_carry_the_wake_ups(up: Up, tmp_path: Path) -> None:
    up.environment["MEDLEY_BROKER_URL"] = os.environ["MEDLEY_TEST_AMQP_URL"]
    up.start()
    photo = tmp_path / "photo.png"
    Image.new("RGB", (64, 64), "green").save(photo)

    done = up.run("workflows", "run", str(_workflow(tmp_path)), "-i", f"photo=@{photo}")

    assert done.returncode == Exit.OK, done.stderr + up.logs()


def test_without_a_service_a_command_starts_its_own_and_leaves_nothing(
    up: Up, tmp_path: Path
) -> None:
    photo = tmp_path / "photo.png"
    Image.new("RGB", (64, 64), "blue").save(photo)
    up.environment["MEDLEY_PORT"] = "9"

    done = up.run("workflows", "run", str(_workflow(tmp_path)), "-i", f"photo=@{photo}")

    assert done.returncode == Exit.OK, done.stderr + up.logs()
    assert "starting one for this command" in done.stderr
    left = [p for p in psutil.process_iter() if str(up.home) in " ".join(_command(p))]
    assert not left


def test_ctrl_c_stops_everything_and_ends_with_zero(up: Up) -> None:
    up.start()
    family = up.family()
    assert up.process is not None

    up.process.send_signal(signal.SIGINT)

    assert up.process.wait(_PATIENCE_S) == Exit.OK
    assert not psutil.wait_procs(family, timeout=5)[1]
    assert running_here(up.home) is None


def test_a_killed_supervisor_leaves_nothing_behind(up: Up) -> None:
    up.start()
    family = up.family()
    assert up.process is not None

    up.process.kill()

    assert len(family) >= 8  # four guards and what they guard
    left = psutil.wait_procs(family, timeout=40)[1]
    assert not left, [process.cmdline() for process in left]


def test_a_killed_worker_and_a_killed_api_are_started_again(up: Up) -> None:
    running = up.start()
    _wait(lambda: _has(up, "workers"))
    worker, api = up.part("-m", "workers"), up.part("-m", "api")

    worker.kill()
    api.kill()

    psutil.wait_procs([worker, api], timeout=10)
    _wait(lambda: _has(up, "workers") and _has(up, "api"))
    with Medley(running.url) as client:
        _wait(client.ready)


def test_a_second_up_of_the_same_home_is_refused_and_the_first_goes_on(up: Up) -> None:
    running = up.start()

    second = up.run("up")

    assert second.returncode == Exit.UNAVAILABLE
    assert running.url in second.stderr
    with Medley(running.url) as client:
        assert client.ready()


def test_down_stops_what_up_started(up: Up) -> None:
    up.start()
    family = up.family()

    assert up.run("down").returncode == Exit.OK
    assert not psutil.wait_procs(family, timeout=5)[1]


def test_a_killed_postgres_comes_back_and_the_service_with_it(up: Up) -> None:
    running = up.start()
    postmaster = next(p for p in up.family() if p.name() == "postgres")
    postmaster.kill()

    psutil.wait_procs([postmaster], timeout=10)
    with Medley(running.url) as client:
        _wait(client.ready)


def _has(up: Up, module: str) -> bool:
    try:
        return up.part("-m", module).is_running()
    except (LookupError, psutil.Error):
        return False


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []

"""`medley mcp` as a process: attaching a real server, and what is refused with which code."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from medley.cli.exits import Exit
from tests.outside_world import PROGRAM, on_a_port

COMMAND = f"{sys.executable} {PROGRAM}"


def medley(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """One run of `medley mcp`."""
    return subprocess.run(
        [sys.executable, "-c", "from medley.cli import app; app()", "mcp", *words],
        capture_output=True,
        text=True,
        env={**os.environ, "MEDLEY_HOME": str(home)},
        check=False,
        timeout=120,
    )


def test_a_server_is_attached_listed_and_detached(tmp_path: Path) -> None:
    attached = medley(tmp_path, "attach", "paint", "--command", COMMAND, "--tool", "s*")
    assert attached.returncode == Exit.OK, attached.stderr
    assert "paint.shout  Says something loudly." in attached.stdout
    assert "paint.beep" not in attached.stdout
    listed = json.loads(medley(tmp_path, "list", "--json").stdout)
    assert [server["name"] for server in listed["data"]] == ["paint"]
    assert medley(tmp_path, "detach", "paint").returncode == Exit.OK
    assert medley(tmp_path, "detach", "paint").returncode == Exit.REFUSED


def test_what_is_left_out_is_said_with_its_reason(tmp_path: Path) -> None:
    done = medley(tmp_path, "attach", "paint", "--command", COMMAND, "--tool", "nested")
    assert done.returncode == Exit.REFUSED
    assert "left out  nested: the parameter 'document': an object" in done.stderr
    assert not (tmp_path / "mcp").exists()


@pytest.mark.parametrize(
    "words",
    [
        ["paint"],
        ["paint", "--url", "http://x", "--command", "y"],
        ["Paint!", "--url", "http://x"],
        ["test", "--url", "http://x"],
        ["paint", "--url", "file:///etc/passwd"],
        ["paint", "--command", "'"],
        ["paint", "--command", ""],
    ],
)
def test_what_cannot_be_meant_is_wrong_usage(tmp_path: Path, words: list[str]) -> None:
    assert medley(tmp_path, "attach", *words).returncode == Exit.USAGE


def test_a_token_is_sent_kept_for_its_owner_and_never_shown(tmp_path: Path) -> None:
    with on_a_port(tmp_path, token="open-sesame") as server:
        assert server.url is not None
        without = medley(tmp_path, "attach", "paint", "--url", server.url)
        assert without.returncode == Exit.FAILED
        assert "wants another token, or one (401)" in without.stderr
        (tmp_path / "token").write_text("open-sesame\n")
        words = ["--url", server.url, "--token-file", str(tmp_path / "token"), "--tool", "shout"]
        done = medley(tmp_path, "attach", "paint", *words)
        assert done.returncode == Exit.OK, done.stderr
    listed = medley(tmp_path, "list")
    assert "paint" in listed.stdout
    assert "open-sesame" not in done.stdout + done.stderr + listed.stdout
    assert (tmp_path / "mcp" / "paint.json").stat().st_mode & 0o777 == 0o600


def test_a_token_is_not_sent_in_the_clear(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("open-sesame")
    words = ["--url", "http://elsewhere.example/mcp", "--token-file", str(tmp_path / "token")]
    done = medley(tmp_path, "attach", "paint", *words)
    assert done.returncode == Exit.USAGE
    assert "https://" in done.stderr.replace("\n", " ")


@pytest.mark.parametrize(
    "words", [["--command", "/nowhere/at-all"], ["--url", "http://127.0.0.1:9/mcp"]]
)
def test_a_server_that_does_not_answer_is_unavailable(tmp_path: Path, words: list[str]) -> None:
    done = medley(tmp_path, "attach", "paint", *words)
    assert done.returncode == Exit.UNAVAILABLE, done.stderr
    assert "Traceback" not in done.stderr


def test_a_broken_snapshot_is_listed_as_such(tmp_path: Path) -> None:
    (tmp_path / "mcp").mkdir()
    (tmp_path / "mcp" / "paint.json").write_text("{}")
    assert (
        "attach it again"
        in json.loads(medley(tmp_path, "list", "--json").stdout)["data"][0]["error"]
    )

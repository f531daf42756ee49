"""The command line without a service: how it starts, what it refuses, what it tells scripts."""

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
import typer

from medley.cli.exits import Exit
from medley.cli.workflows import bind, read_workflow
from medley.doctor import client_form
from medley.settings import Settings
from medley.supervisor import environment_of

_HEAVY = ("torch", "transformers", "diffusers", "celery", "sqlalchemy", "fastapi", "numpy", "av")


def _medley(*words: str, home: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "MEDLEY_HOME": str(home), "MEDLEY_PORT": "9", "COLUMNS": "100"}
    return subprocess.run(
        [sys.executable, "-c", "from medley.cli import app; app()", *words],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )


def test_help_starts_without_any_heavy_library() -> None:
    script = (
        "import sys\n"
        "from medley.cli import app\n"
        "try:\n    app(['--help'])\nexcept SystemExit:\n    pass\n"
        f"print([name for name in {_HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )

    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["up", "--help"],
        ["run", "--help"],
        ["recipe", "--help"],
        ["jobs", "retry", "--help"],
        ["jobs", "plan", "--help"],
        ["workflows", "run", "--help"],
        ["mcp", "attach", "--help"],
        ["webhooks", "create", "--help"],
        ["doctor", "--help"],
    ],
)
def test_every_command_explains_itself(words: list[str], tmp_path: Path) -> None:
    done = _medley(*words, home=tmp_path)

    assert done.returncode == Exit.OK
    assert "Usage:" in done.stdout


def test_the_exit_codes_stand_in_the_help(tmp_path: Path) -> None:
    assert "3 no service" in " ".join(_medley("--help", home=tmp_path).stdout.split())


def test_without_a_service_a_command_says_so_and_ends_with_3(tmp_path: Path) -> None:
    done = _medley("jobs", "list", home=tmp_path)

    assert done.returncode == Exit.UNAVAILABLE
    assert "medley up" in done.stderr
    assert "Traceback" not in done.stderr


def test_with_json_an_error_is_json_on_standard_output(tmp_path: Path) -> None:
    done = _medley("jobs", "list", "--json", home=tmp_path)

    assert json.loads(done.stdout)["error"]["code"] == "unavailable"


def test_a_missing_input_file_is_wrong_usage(tmp_path: Path) -> None:
    done = _medley("run", "What is this?", "-i", str(tmp_path / "absent.png"), home=tmp_path)

    assert done.returncode == Exit.USAGE


def test_an_unknown_lane_is_wrong_usage(tmp_path: Path) -> None:
    done = _medley("worker", "--lanes", "cpu,gup", home=tmp_path)

    assert done.returncode == Exit.USAGE
    assert "gup" in done.stderr


def test_doctor_json_is_one_object(tmp_path: Path) -> None:
    found = json.loads(_medley("doctor", "--json", home=tmp_path).stdout)

    assert {"python", "torch", "disk"} <= {finding["check"] for finding in found["findings"]}


def test_workflow_inputs_are_words_files_assets_or_lists(tmp_path: Path) -> None:
    photo = tmp_path / "photo.png"
    photo.write_bytes(b"x")

    values = bind(["title=Hello", f"photo={photo}", "more=asset_1", "more=asset_2"])

    assert values["title"] == "Hello"
    assert values["photo"] == photo
    assert values["more"] == [{"asset": "asset_1"}, {"asset": "asset_2"}]


@pytest.mark.parametrize("given", ["no equals sign", "=value", "photo=@absent.png"])
def test_a_binding_that_cannot_be_meant_is_wrong_usage(given: str) -> None:
    with pytest.raises((typer.BadParameter, click.BadParameter)):
        bind([given])


def test_a_workflow_is_an_id_or_a_file(tmp_path: Path) -> None:
    document = tmp_path / "flow.json"
    document.write_text('{"name": "n", "plan": {"steps": []}}')

    assert read_workflow("wf_1@2") == "wf_1@2"
    assert read_workflow(str(document))["name"] == "n"


def test_settings_reach_a_child_through_its_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parent = Settings(home=tmp_path, lanes=("cpu", "hub"), test_tools=True, lease_ttl_s=3.5)
    for name, value in environment_of(parent).items():
        monkeypatch.setenv(name, value)

    assert Settings() == parent


def test_a_socket_url_is_turned_into_the_form_of_redis_py() -> None:
    form = client_form("redis+socket:///run/valkey.sock?virtual_host=0")

    assert form == "unix:///run/valkey.sock?db=0"
    assert client_form("redis://host:6379/1") == "redis://host:6379/1"


def test_a_model_for_a_tool_is_a_pair(tmp_path: Path) -> None:
    refused = _medley("run", "Draw a cat", "--model", "plan", home=tmp_path)
    assert refused.returncode == 2
    assert "TOOL=MODEL" in refused.stderr


def test_a_file_without_a_recipe_is_told_apart_from_one_that_is_not_there(tmp_path: Path) -> None:
    from PIL import Image

    plain = tmp_path / "plain.png"
    Image.new("L", (2, 2)).save(plain)
    none = _medley("recipe", str(plain), home=tmp_path)
    assert (none.returncode, none.stderr) == (
        Exit.REFUSED,
        "medley: plain.png carries no recipe of Medley.\n",
    )
    assert _medley("recipe", str(tmp_path / "absent.png"), home=tmp_path).returncode == 2
    both = _medley("run", "words", "--from", str(plain), home=tmp_path)
    assert both.returncode == 2

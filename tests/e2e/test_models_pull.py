"""`medley models pull` against a model hub on this machine: what comes, what it says if not."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from medley.cli.exits import Exit
from tests.model_hub import COMMIT, Hub, model_hub

WEIGHTS = bytes(range(256)) * 4096  # 1 MiB
GOOD = {
    "config.json": b"{}",
    "model.safetensors": WEIGHTS,
    "model.fp16.safetensors": WEIGHTS,
    "tokenizer.json": b"{}",
    "pytorch_model.bin": b"\x80\x04.",
    "modeling_odd.py": b"raise SystemExit",
    "README.md": b"words",
}
Medley = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def hub() -> Iterator[Hub]:
    with model_hub(Hub(files={"some/model": dict(GOOD)})) as running:
        yield running


@pytest.fixture
def medley(hub: Hub, tmp_path: Path) -> Medley:
    """Runs a command with the catalogue of the test, the hub of the test and a cache of its own."""
    (tmp_path / "own").mkdir()
    entries = [
        ("own/model", "some/model", ""),
        ("own/pinned", "some/model", COMMIT),
        ("own/moved", "some/model", "gone"),
        ("own/gated", "shy/model", ""),
        ("own/nobody", "no/body", ""),
        ("own/pickled", "old/model", ""),
        ("own/two", "some/model", ""),
    ]
    lines = [
        f'[[model]]\nid = "{name}"\nbackend = "dual"\ntools = ["embed"]\nlicence = "MIT"\n'
        f'source = "{source}"\nrevision = "{revision}"\n'
        for name, source, revision in entries
    ]
    lines[-1] += 'also = ["further/voice"]\n'
    (tmp_path / "own" / "own.toml").write_text("\n".join(lines))

    def run(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
        return subprocess.run(
            [sys.executable, "-c", "from medley.cli import app; app()", *arguments],
            env={
                **kept,
                "HOME": str(tmp_path),
                "HF_HOME": str(tmp_path / "hf"),
                "HF_ENDPOINT": hub.url,
                "HF_HUB_DISABLE_XET": "1",
                "MEDLEY_HOME": str(tmp_path / "home"),
                "MEDLEY_MODEL_FOLDER": str(tmp_path / "own"),
                **environment,
            },
            capture_output=True,
            text=True,
            timeout=120,
        )

    return run


def files(tmp_path: Path, repository: str = "some/model") -> set[str]:
    folder = tmp_path / "hf" / "hub" / f"models--{repository.replace('/', '--')}" / "snapshots"
    return {path.name for path in folder.rglob("*") if not path.is_dir()}


def test_weights_configurations_and_tokenizers_come_and_nothing_else(
    medley: Medley, hub: Hub, tmp_path: Path
) -> None:
    done = medley("models", "pull", "own/model")
    assert done.returncode == Exit.OK, done.stderr
    assert files(tmp_path) == {"config.json", "model.safetensors", "tokenizer.json"}
    shown = medley("models", "show", "own/model", "--json", MEDLEY_PORT="9")
    assert json.loads(shown.stdout)["here"] is True
    hub.asked.clear()
    again = medley("models", "pull", "own/model")
    assert (again.returncode, again.stderr) == (Exit.OK, "own/model is here.\n")
    assert hub.asked == []


def test_a_pinned_revision_is_the_one_that_comes(medley: Medley, tmp_path: Path) -> None:
    assert medley("models", "pull", "own/pinned").returncode == Exit.OK
    assert (tmp_path / "hf/hub/models--some--model/snapshots" / COMMIT).is_dir()
    moved = medley("models", "pull", "own/moved")
    assert moved.returncode == Exit.REFUSED
    assert "no revision 'gone'" in moved.stderr


def test_a_dry_run_says_how_much_would_come_and_fetches_nothing(
    medley: Medley, tmp_path: Path
) -> None:
    done = medley("models", "pull", "own/model", "own/pinned", "--dry-run", "--json")
    first, second = json.loads(done.stdout)["data"]
    assert first["bytes"] == first["bytes_left"] == len(WEIGHTS) + 4
    assert (first["repositories"], first["here"]) == ({"some/model": COMMIT}, False)
    assert (first["pinned"], second["pinned"]) == (False, True)
    assert files(tmp_path) == set()
    assert "not pinned" in medley("models", "pull", "own/model", "--dry-run").stdout


def test_what_is_behind_terms_says_where_to_accept_them(medley: Medley, hub: Hub) -> None:
    hub.files["shy/model"] = dict(GOOD)
    hub.gated.add("shy/model")
    done = medley("models", "pull", "own/gated")
    assert done.returncode == Exit.REFUSED, done.stderr
    assert f"{hub.url}/shy/model" in done.stderr
    assert "HF_TOKEN" in done.stderr
    assert "Traceback" not in done.stderr
    assert medley("models", "pull", "own/gated", HF_TOKEN="good").returncode == Exit.OK


def test_an_unknown_repository_and_an_unknown_model_are_named(medley: Medley) -> None:
    done = medley("models", "pull", "own/nobody")
    assert done.returncode == Exit.REFUSED
    assert "no repository no/body" in done.stderr
    done = medley("models", "pull", "own/modle")
    assert done.returncode == Exit.REFUSED
    assert "Did you mean 'own/model'?" in done.stderr
    assert medley("models", "pull").returncode == Exit.USAGE


def test_pickles_are_not_fetched(medley: Medley, hub: Hub, tmp_path: Path) -> None:
    hub.files["old/model"] = {"config.json": b"{}", "pytorch_model.bin": b"\x80\x04."}
    done = medley("models", "pull", "own/pickled")
    assert done.returncode == Exit.REFUSED
    assert "a pickle (pytorch_model.bin)" in done.stderr
    assert files(tmp_path, "old/model") == set()


def test_a_download_that_broke_off_is_not_here_and_is_gone_on_with(
    medley: Medley, hub: Hub, tmp_path: Path
) -> None:
    hub.hangs_up_after = 1000
    broken = medley("models", "pull", "own/model")
    assert broken.returncode == Exit.UNAVAILABLE, broken.stderr
    assert "pull it again" in broken.stderr
    shown = json.loads(medley("models", "show", "own/model", "--json", MEDLEY_PORT="9").stdout)
    assert (shown["here"], shown["status"]) == (False, "missing")
    hub.hangs_up_after = None
    assert medley("models", "pull", "own/model").returncode == Exit.OK
    (weights,) = (tmp_path / "hf").rglob("snapshots/*/model.safetensors")
    assert weights.read_bytes() == WEIGHTS


def test_further_repositories_of_a_model_come_with_it(
    medley: Medley, hub: Hub, tmp_path: Path
) -> None:
    hub.files["further/voice"] = {"config.json": b"{}", "voice.safetensors": WEIGHTS}
    medley("models", "pull", "own/model")
    shown = json.loads(medley("models", "show", "own/two", "--json", MEDLEY_PORT="9").stdout)
    assert shown["here"] is False
    assert medley("models", "pull", "own/two").returncode == Exit.OK
    assert "voice.safetensors" in files(tmp_path, "further/voice")


def test_offline_nothing_is_fetched(medley: Medley, hub: Hub) -> None:
    done = medley("models", "pull", "own/model", HF_HUB_OFFLINE="1")
    assert done.returncode == Exit.UNAVAILABLE
    assert "HF_HUB_OFFLINE" in done.stderr
    assert hub.asked == []


def test_what_the_disk_cannot_take_is_not_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    from medley import pulling

    monkeypatch.setattr(pulling, "free_disk", lambda folder: 5 * 10**9)
    small = pulling.Fetch(
        repository="a/b", revision="", commit="", patterns=(), size=9 * 10**9, left=1
    )
    pulling.require_room([small])
    big = pulling.Fetch(
        repository="a/b", revision="", commit="", patterns=(), size=9 * 10**9, left=9 * 10**9
    )
    with pytest.raises(pulling.NoRoom, match=r"9\.0 GB are to be fetched and 5\.0 GB are free"):
        pulling.require_room([small, big])


def test_what_forbids_commercial_use_is_not_fetched_where_only_that_is_allowed(
    medley: Medley, tmp_path: Path
) -> None:
    own = tmp_path / "own" / "own.toml"
    own.write_text(own.read_text().replace('id = "own/model"', 'id = "own/model"\ncommercial = 0'))
    done = medley("models", "pull", "own/model", MEDLEY_COMMERCIAL_ONLY="1")
    assert done.returncode == Exit.REFUSED
    assert "not for commercial use" in done.stderr

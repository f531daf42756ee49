"""Where a checkpoint is, and what is refused before anything of it is read."""

from pathlib import Path

import pytest

from medley.backend import ModelSpec
from medley.checkpoints import config_of, find, folder_of, here, is_hub_id, loading
from medley.errors import OutOfMemory, Unavailable


def spec(source: str) -> ModelSpec:
    return ModelSpec(id="m", backend="dual", tools=frozenset({"embed"}), source=source)


@pytest.mark.parametrize(
    ("source", "hub"),
    [("owner/name", True), ("/a/b", False), ("./a", False), ("http://a/b", False), ("a", False)],
)
def test_a_hub_id_is_an_owner_and_a_name(source: str, hub: bool) -> None:
    assert is_hub_id(source) is hub


def test_what_needs_no_files_is_here() -> None:
    assert here(spec(""))
    assert here(spec("https://hub.example/v1"))


def test_what_was_not_fetched_is_not_here_and_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    assert find(spec("nobody/nothing")) is None
    with pytest.raises(Unavailable, match="medley models pull m"):
        folder_of(spec("nobody/nothing"))


def test_pickled_weights_are_refused(tmp_path: Path) -> None:
    (tmp_path / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    with pytest.raises(Unavailable, match="pickle"):
        folder_of(spec(str(tmp_path)))
    (tmp_path / "model.safetensors").write_bytes(b"")
    assert folder_of(spec(str(tmp_path))) == tmp_path


@pytest.mark.parametrize("text", ["", "[]", "{", "\x00"])
def test_a_broken_config_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(Unavailable, match=r"config\.json"):
        config_of(tmp_path)


def test_what_a_class_raises_becomes_an_error_of_ours() -> None:
    with pytest.raises(Unavailable, match="cannot be read"), loading(spec("a/b"), "cpu"):
        raise KeyError("weight")
    with pytest.raises(OutOfMemory), loading(spec("a/b"), "cpu"):
        raise MemoryError
    with pytest.raises(Unavailable, match="never run"), loading(spec("a/b"), "cpu"):
        raise ValueError("Please pass `trust_remote_code=True`")

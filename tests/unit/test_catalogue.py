"""The catalogue: what is known, what serves, and what an entry takes over from another."""

from pathlib import Path

import pytest

from medley.errors import CallerError
from medley.settings import Settings
from orchestrator.catalogue import known_models, load_catalogue, profiles

CLIP = "openai/clip-vit-base-patch32"


def test_what_the_profile_does_not_name_is_known_and_does_not_serve() -> None:
    assert CLIP in known_models(Settings())
    assert CLIP not in load_catalogue(Settings())
    assert CLIP in load_catalogue(Settings(models=(CLIP,)))


def test_every_profile_names_models_that_are_known() -> None:
    known = known_models(Settings())
    assert {name for found in profiles().values() for name in found["models"]} <= set(known)


def test_an_entry_takes_over_what_it_does_not_say(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text(
        f'[[model]]\nid = "own"\nlike = "{CLIP}"\nsource = "/somewhere"\n'
    )
    found = load_catalogue(Settings(model_folder=tmp_path))["own"]
    assert (found.backend, found.licence, found.source) == ("dual", "MIT", "/somewhere")
    assert (found.family, found.revision) == ("own", "")


@pytest.mark.parametrize(
    "given",
    [{"profile": "nothing"}, {"models": ("nobody/nothing",)}],
)
def test_what_is_not_known_is_named(given: dict[str, object]) -> None:
    with pytest.raises(CallerError, match="nothing"):
        load_catalogue(Settings(**given))  # type: ignore[arg-type]


def test_an_entry_like_nobody_is_refused(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text('[[model]]\nid = "own"\nlike = "nobody"\n')
    with pytest.raises(CallerError, match="nobody"):
        load_catalogue(Settings(model_folder=tmp_path))


def test_what_was_trained_here_serves_beside_the_operators_own(tmp_path: Path) -> None:
    own, home = tmp_path / "own", tmp_path / "home"
    for folder, name in ((own, "mine"), (home / "models", "trained")):
        folder.mkdir(parents=True)
        (folder / "a.toml").write_text(f'[[model]]\nid = "{name}"\nlike = "{CLIP}"\n')
    found = load_catalogue(Settings(model_folder=own, home=home))
    assert {"mine", "trained"} <= found.keys()
    assert found["medley/align"].options["folder"] == str(home / "models")

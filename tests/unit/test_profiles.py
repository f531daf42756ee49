"""Profiles: complete, free to use, and fitted to the machine."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from medley.backend import ModelSpec
from medley.cli.fitting import absent_of, profile_findings
from medley.doctor import Level
from medley.errors import CallerError
from medley.machine import GB, Machine, model_memory, this_machine
from medley.settings import Settings
from medley.toolset import toolbox
from orchestrator.catalogue import BEHIND, known_models, load_catalogue, profiles
from orchestrator.profiles import Profile, load_profile
from orchestrator.routing import Policy, candidates

#: What an any-to-any set can do at least.
COMPLETE = {
    "plan", "answer", "describe", "embed", "index", "search", "text_to_image", "edit_image",
    "speak", "text_to_audio", "transcribe", "text_to_video",
}  # fmt: skip
BIG = sorted(set(profiles()) - {"starter"})
SMALL = Machine(ram=8 * GB, vram=0, disk=10 * GB)
HUGE = Machine(ram=512 * GB, vram=141 * GB, disk=9000 * GB)


@pytest.fixture(scope="module")
def known() -> Mapping[str, ModelSpec]:
    return known_models(Settings())


@pytest.mark.parametrize("name", BIG)
def test_a_profile_is_complete_and_free_to_use(name: str) -> None:
    models = load_catalogue(Settings(profile=name, commercial_only=True))
    assert {tool for spec in models.values() for tool in spec.tools} >= COMPLETE
    entry = profiles()[name]
    assert set(entry["licences"]) == set(entry["models"]) <= set(models)


@pytest.mark.parametrize("name", BIG)
def test_what_a_profile_names_comes_before_what_is_in_all_of_them(name: str) -> None:
    models = load_catalogue(Settings(profile=name))
    for tool in sorted(COMPLETE - {"search"}):
        best = candidates(tool, models.values(), Policy())[0]
        assert best.id in profiles()[name]["models"], tool
        assert tool in toolbox()


def test_a_machine_that_is_too_small_is_told_why(known: Mapping[str, ModelSpec]) -> None:
    station = load_profile("workstation", known)
    assert len(list(station.too_much(SMALL))) == 3
    assert list(station.too_much(HUGE)) == []
    assert list(load_profile("starter", known).too_much(SMALL)) == []


def test_a_machine_of_16_gb_shows_a_little_less(known: Mapping[str, ModelSpec]) -> None:
    profile = replace(load_profile("laptop", known), models=[])
    assert list(profile.too_much(replace(SMALL, ram=int(15.2 * GB)))) == []
    assert list(profile.too_much(replace(SMALL, ram=12 * GB))) != []


def test_the_doctor_says_of_each_profile_whether_it_fits(tmp_path: Path) -> None:
    found = {item.says.split()[0].rstrip(":"): item for item in profile_findings(Settings(), SMALL)}
    assert set(found) == set(profiles())
    assert found["starter"].level is Level.OK
    assert "(chosen): fits" in found["starter"].says
    assert found["datacenter"].level is Level.NOTE
    assert "an accelerator of 80 GB is wanted, there is none" in found["datacenter"].says
    assert "are not here" in found["datacenter"].says


def test_missing_files_of_the_chosen_profile_are_a_fault_that_a_pull_mends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("orchestrator.profiles.here", lambda spec: not spec.id.startswith("Qwen/"))
    chosen = Settings(profile="laptop")
    (fault,) = [item for item in profile_findings(chosen, HUGE) if item.level is Level.FAULT]
    assert "1 of 7 models are not here" in fault.says
    assert fault.helps == "medley models pull --profile laptop"
    assert absent_of(chosen) == "1 of 7 models are not here"
    assert absent_of(Settings()) == ""


def test_a_profile_that_there_is_not_is_named() -> None:
    with pytest.raises(CallerError, match="'mainframe'; there are: starter, laptop"):
        profile_findings(Settings(profile="mainframe"), HUGE)


def test_models_may_fill_most_of_an_accelerator_or_their_share_of_the_machine() -> None:
    assert model_memory(SMALL, accelerated=True, processes=2) == int(8 * GB * 0.6) // 2
    assert model_memory(HUGE, accelerated=True, processes=2) == int(141 * GB * 0.9)
    assert model_memory(HUGE, accelerated=False, processes=1) == int(512 * GB * 0.6)


def test_this_machine_is_measured() -> None:
    found = this_machine()
    assert found.ram > 0
    assert found.disk > 0
    assert found.vram >= 0


def test_what_a_model_falls_back_on_serves_behind_all_others(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text(
        '[[model]]\nid = "own"\nlike = "openai/clip-vit-base-patch32"\nspace = ""\n'
        'fallback = "starter/encoder"\n'
    )
    models = load_catalogue(Settings(model_folder=tmp_path, profile="laptop"))
    assert models["starter/encoder"].rank == BEHIND
    assert load_catalogue(Settings(model_folder=tmp_path))["starter/encoder"].rank == 0


def test_an_empty_profile_wants_nothing() -> None:
    empty = Profile(name="x", about="", models=[], ram_gb=0, vram_gb=0)
    assert (empty.absent(), list(empty.too_much(SMALL))) == ([], [])

"""What `medley doctor` says of a hub that is a server."""

from collections.abc import Iterator

import pytest

from medley.doctor import Finding, Level, examine
from medley.settings import Settings
from tests.contract.rough_server import Rough, rough_server


@pytest.fixture(scope="module")
def rough() -> Iterator[Rough]:
    with rough_server() as server:
        yield server


def hub(**given: object) -> list[Finding]:
    """The findings about the hub."""
    found = examine(Settings.model_validate(given))
    return [finding for finding in found if finding.check == "hub"]


def test_the_bundled_hub_needs_no_finding() -> None:
    assert hub() == []


def test_a_server_that_answers_says_what_it_serves(rough: Rough) -> None:
    (finding,) = hub(hub_url=rough.url("fine"), hub_model="rough")
    assert (finding.level, "rough" in finding.says) == (Level.OK, True)


def test_a_model_that_the_server_does_not_name_is_a_fault(rough: Rough) -> None:
    (finding,) = hub(hub_url=rough.url("fine"), hub_model="smooth")
    assert (finding.level, "smooth" in finding.helps) == (Level.FAULT, True)


@pytest.mark.parametrize(("fallback", "level"), [(False, Level.FAULT), (True, Level.NOTE)])
def test_a_server_that_is_away_is_a_fault_unless_another_hub_stands_in(
    fallback: bool, level: Level
) -> None:
    (finding,) = hub(hub_url="http://me:secret@127.0.0.1:9/v1", hub_fallback=fallback)
    assert finding.level is level
    assert "does not answer as a hub" in finding.says
    assert "secret" not in finding.says

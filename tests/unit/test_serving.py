"""Which model serves, when some of them are not on any machine."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from medley.backend import ModelSpec
from medley.gate import Fault, Limits, parse_plan
from medley.plan import Plan
from medley.settings import Settings
from medley.toolset import toolbox
from orchestrator.catalogue import load_catalogue
from orchestrator.installation import Installed
from orchestrator.routing import Policy, Served, pick, serving
from orchestrator.settling import Means, settle
from workers.offering import Offering, lacking, make_offer

TOOLS = toolbox()
BIG = ModelSpec(
    id="big/painter", backend="diffusers", tools=frozenset({"text_to_image"}),
    source="big/painter", rank=-1,
)  # fmt: skip
DRAW: dict[str, Any] = {
    "id": "s1", "tool": "text_to_image", "inputs": {"prompt": {"text": "a cat"}}
}  # fmt: skip
ALL = [f"{name}@1" for name in TOOLS]
NOT_HERE = {"big/painter": "Its files are not here."}


def catalogue(**changes: Any) -> dict[str, ModelSpec]:
    return {**load_catalogue(Settings()), BIG.id: replace(BIG, **changes)}


def announced(*models: str, lacks: dict[str, str] | None = None) -> Served:
    return Served.of([(ALL, list(models), lacks or {})])


def settled(models: dict[str, ModelSpec], served: Served | None, **more: Any) -> tuple[Plan, Any]:
    policy = more.pop("policy", Policy())
    means = Means(tools=TOOLS, models=models, served=served, policy=policy)
    plan = parse_plan({"steps": [{**DRAW, **more}]})
    return settle(plan, means.known({}, Limits()), means)


def refused(models: dict[str, ModelSpec], served: Served | None, **more: Any) -> Fault:
    ((fault),) = settled(models, served, **more)[1]
    assert isinstance(fault, Fault)
    return fault


def test_a_model_serves_a_tool_where_one_worker_has_both() -> None:
    served = Served.of([(["a@1"], ["m"], {}), (["b@1"], ["n"], {}), (["c@1"], None, None)])
    assert served.by("a", "m")
    assert not served.by("a", "n")
    assert served.by("c", "whatever")  # a worker that does not say
    assert not served.by("d", "m")


def test_what_another_worker_can_load_is_not_missing() -> None:
    served = Served.of([(["a@1"], [], {"m": "No."}), (["a@1"], ["m"], {"n": "No."})])
    assert served.missing == {"n": "No."}


def test_nobody_asked_means_that_whoever_will_serve_it_may() -> None:
    models = catalogue()
    assert serving(models, None) is models
    assert settled(models, None)[0].steps[0].model == BIG.id


def test_the_next_best_serves_and_the_step_says_for_whom() -> None:
    plan, faults = settled(catalogue(), announced("starter/generator", lacks=NOT_HERE))
    assert faults == []
    assert plan.steps[0].model == "starter/generator"
    assert plan.steps[0].instead_of == BIG.id
    assert plan.to_json()["steps"][0]["instead_of"] == BIG.id


def test_the_best_of_all_says_nothing() -> None:
    plan, _ = settled(catalogue(), announced(BIG.id, "starter/generator"))
    assert (plan.steps[0].model, plan.steps[0].instead_of) == (BIG.id, None)


def test_the_substitute_that_an_entry_names_comes_before_the_next_best() -> None:
    other = replace(BIG, id="other/painter", rank=50)
    models = {**catalogue(fallback="other/painter"), other.id: other}
    served = announced("starter/generator", other.id, lacks=NOT_HERE)
    assert settled(models, served)[0].steps[0].model == other.id


@pytest.mark.parametrize("policy", [Policy(), Policy(models={"text_to_image": BIG.id})])
def test_a_model_that_was_named_is_replaced_by_its_substitute_alone(policy: Policy) -> None:
    served = announced("starter/generator", lacks=NOT_HERE)
    pinned = {"model": BIG.id} if not policy.models else {}
    assert settled(catalogue(), served, policy=policy, **pinned)[1]
    models = catalogue(fallback="starter/generator")
    plan, faults = settled(models, served, policy=policy, **pinned)
    assert faults == []
    assert (plan.steps[0].model, plan.steps[0].instead_of) == ("starter/generator", BIG.id)
    again = settled(models, served, policy=policy, **plan.to_json()["steps"][0])
    assert again == (plan, [])  # approved as it was shown


def test_a_tool_whose_only_model_is_missing_is_refused_and_says_how_to_get_it() -> None:
    models = catalogue()
    del models["starter/generator"]
    for served in (announced(lacks=NOT_HERE), announced(lacks=NOT_HERE).later()):
        fault = refused(models, served)
        assert fault.pointer == "/steps/0/tool"
        assert "big/painter, which no worker can load: Its files are not here." in fault.reason
        assert "medley models pull big/painter" in fault.suggestion


def test_a_pinned_model_that_is_missing_is_refused_and_the_others_are_named() -> None:
    served = announced("starter/generator", lacks=NOT_HERE)
    fault = refused(catalogue(), served, model=BIG.id)
    assert fault.pointer == "/steps/0/model"
    assert "no worker can load" in fault.reason
    assert "starter/generator" in fault.suggestion
    assert "medley models pull big/painter" in fault.suggestion


def test_what_may_wait_waits_for_a_worker_but_not_for_files() -> None:
    served = announced(lacks={"starter/generator": "Gone."}).later()
    assert settled(catalogue(), served)[0].steps[0].model == BIG.id
    assert pick("speak", catalogue(), serving(catalogue(), served), Policy()) is not None


def test_a_worker_offers_what_it_can_load_and_says_why_not(tmp_path: Path) -> None:
    models = {
        **catalogue(source=str(tmp_path / "nothing")),
        "odd": replace(BIG, id="odd", backend="unheard-of"),
        "bare": replace(BIG, id="bare", source="", needs=("no_such_module",)),
    }
    offer, missing = make_offer(Settings(lanes=("generate",)), TOOLS, models)
    assert offer.models == ["medley/align", "starter/generator"]
    drawing = {"embedding_to_image@1", "text_to_image@1"}
    assert set(offer.tools) == {"align@1", *drawing, "load@1", "unload@1"}
    assert str(tmp_path) in missing[BIG.id]
    assert "unheard-of" in missing["odd"]
    assert "no_such_module" in missing["bare"]


def test_nothing_of_the_bundled_catalogue_is_lacking() -> None:
    assert [spec.id for spec in load_catalogue(Settings()).values() if lacking(spec)] == []


def test_files_that_arrive_are_noticed(tmp_path: Path) -> None:
    now = 0.0
    models = catalogue(source=str(tmp_path / "later"))
    found = Installed(tools=TOOLS, models=models)
    offering = Offering(settings=Settings(), current=lambda: found, clock=lambda: now)
    assert BIG.id in offering.missing
    (tmp_path / "later").mkdir()
    assert not offering.look()  # not so soon again
    now = 60.0
    assert offering.look()
    assert BIG.id in (offering.offer.models or ())
    assert offering.row()["lacks"] == {}
    assert not offering.look()

"""From a written plan to the one that runs: what is refused for licences, workers and budgets."""

from dataclasses import replace
from typing import Any

import pytest

from medley.backend import ModelSpec
from medley.gate import Fault, Limits, parse_plan
from medley.modality import Modality
from medley.plan import Plan
from medley.settings import Settings
from medley.toolset import toolbox
from orchestrator.catalogue import load_catalogue
from orchestrator.routing import Policy, Served, usable
from orchestrator.settling import Means, bounded, settle

TOOLS = toolbox()
ASSETS = {"a1": Modality.IMAGE, "a2": Modality.AUDIO}
COMMERCIAL = Policy(commercial_only=True)


@pytest.fixture
def models() -> dict[str, ModelSpec]:
    found = load_catalogue(Settings())
    hub = replace(found["starter/hub"], commercial=False, licence="CC-BY-NC-4.0")
    return {**found, hub.id: hub}


def served(*tools: str) -> Served:
    return Served(tools=dict.fromkeys(tools))


def plan(*steps: dict[str, Any]) -> Plan:
    return parse_plan({"steps": list(steps)})


def describe(step_id: str = "s1", asset: str = "a1", **more: Any) -> dict[str, Any]:
    return {"id": step_id, "tool": "describe", "inputs": {"media": {"asset": asset}}, **more}


def faults(written: Plan, means: Means, limits: Limits | None = None) -> list[Fault]:
    return settle(written, means.known(ASSETS, limits or Limits()), means)[1]


def test_a_refusal_for_its_licence_names_the_model_and_the_licence(
    models: dict[str, ModelSpec],
) -> None:
    (fault,) = faults(plan(describe()), Means(tools=TOOLS, models=models, policy=COMMERCIAL))
    assert fault.pointer == "/steps/0/tool"
    assert "starter/hub (CC-BY-NC-4.0)" in fault.reason


def test_models_that_the_installation_leaves_out_are_named_too(
    models: dict[str, ModelSpec],
) -> None:
    hub = models.pop("starter/hub")
    means = Means(tools=TOOLS, models=models, policy=COMMERCIAL, withheld=[hub])
    (fault,) = faults(plan(describe()), means)
    assert "starter/hub (CC-BY-NC-4.0)" in fault.reason


def test_a_pinned_model_with_a_wrong_licence_is_refused(models: dict[str, ModelSpec]) -> None:
    free = replace(models["starter/hub"], id="free/hub", commercial=True, rank=5)
    means = Means(tools=TOOLS, models={**models, free.id: free}, policy=COMMERCIAL)
    (fault,) = faults(plan(describe(model="starter/hub")), means)
    assert fault.pointer == "/steps/0/model"
    assert "CC-BY-NC-4.0" in fault.reason
    assert "free/hub" in fault.suggestion


def test_an_encoder_with_a_wrong_licence_is_named_where_its_embedding_is_read(
    models: dict[str, ModelSpec],
) -> None:
    encoder = replace(models["starter/encoder"], commercial=False, licence="CC-BY-NC-4.0")
    means = Means(tools=TOOLS, models={**models, encoder.id: encoder}, policy=COMMERCIAL)
    draw = {"id": "s1", "tool": "embedding_to_image", "inputs": {"embedding": {"asset": "a2"}}}
    (fault,) = faults(plan(draw), means)
    assert fault.pointer == "/steps/0/inputs/embedding"
    assert "starter/encoder (CC-BY-NC-4.0)" in fault.reason
    assert [fault.pointer for fault in faults(plan(describe()), means)] == ["/steps/0/tool"]


def test_a_tool_without_a_live_worker_is_refused_where_that_was_asked(
    models: dict[str, ModelSpec],
) -> None:
    written = plan(describe())
    assert faults(written, Means(tools=TOOLS, models=models)) == []
    (fault,) = faults(written, Means(tools=TOOLS, models=models, served=served("speak", "embed")))
    assert fault.reason == "No live worker serves 'describe' now."
    assert fault.suggestion


def test_what_reads_embeddings_needs_a_live_encoder(models: dict[str, ModelSpec]) -> None:
    tools, barred = usable(TOOLS.planned(), models, Policy(), served("describe", "speak"))
    assert set(tools) == {"speak"}
    assert "nothing writes them" in barred["describe"].reason


def test_no_index_is_put_in_that_nobody_serves(models: dict[str, ModelSpec]) -> None:
    means = Means(tools=TOOLS, models=models, served=served("search", "embed"))
    search = plan({"id": "s1", "tool": "search", "inputs": {"query": {"text": "a cat"}}})
    settled, found = settle(search, means.known({}, Limits()), means)
    assert found == []
    assert [step.tool for step in settled.steps] == ["embed", "search"]


def test_the_embeddings_that_are_put_in_count_as_steps(models: dict[str, ModelSpec]) -> None:
    means = Means(tools=TOOLS, models=models)
    two = plan(describe(), describe("s2", "a2"))
    assert faults(two, means, Limits(max_steps=4)) == []
    (fault,) = faults(two, means, Limits(max_steps=3))
    assert fault.pointer == "/steps"
    assert "4 steps with the embeddings" in fault.reason


def test_gpu_seconds_are_those_of_the_chosen_models(models: dict[str, ModelSpec]) -> None:
    costs: dict[tuple[str, str | None], float] = {("describe", "starter/hub"): 3.0}
    means = Means(tools=TOOLS, models=models, costs=costs)
    two = plan(describe(), describe("s2", "a2"))
    assert faults(two, means, Limits(max_gpu_seconds=6)) == []
    assert [fault.pointer for fault in faults(two, means, Limits(max_gpu_seconds=5))] == ["/steps"]


def test_the_tokens_of_a_job_bound_what_its_steps_may_write() -> None:
    written = plan(describe(), describe("s2", params={"max_tokens": 500}), describe("s3"))
    most = [step.params["max_tokens"] for step in bounded(written, TOOLS, 40).steps]
    assert most == [40, 40, 40]
    assert bounded(written, TOOLS, None) is written

"""Planner, lowering, register and answerer: pure decisions around the hub."""

from dataclasses import replace
from typing import Any

import pytest

from medley.backend import ModelSpec
from medley.gate import Known
from medley.modality import Modality
from medley.plain import compose
from medley.plan import AssetBinding, OutputBinding, Plan
from medley.settings import Settings
from medley.tasks import AnswerFacts, KnownAsset, ReplyDraft, StepFact
from medley.toolset import toolbox
from orchestrator.answerer import to_reply, untruths
from orchestrator.catalogue import known_models, load_catalogue
from orchestrator.lowering import lower, unlowered
from orchestrator.planner import PlanRequest, Refused, first_task, judge, repair_task
from orchestrator.register import Entry, Register
from orchestrator.routing import Policy, Served, choose, live_tools, usable

PICTURE, SOUND = "asset_" + "1" * 32, "asset_" + "2" * 32
REGISTER = Register(
    [Entry(asset=PICTURE, modality=Modality.IMAGE), Entry(asset=SOUND, modality=Modality.AUDIO)]
)


@pytest.fixture
def models() -> dict[str, ModelSpec]:
    return load_catalogue(Settings())


@pytest.fixture
def request_(models: dict[str, ModelSpec]) -> PlanRequest:
    return PlanRequest(
        words="What is this? Draw what you hear.",
        register=REGISTER,
        tools=toolbox().planned(),
        models=models,
    )


PLAN: dict[str, Any] = {
    "steps": [
        {"id": "s1", "tool": "describe", "inputs": {"media": {"asset": "a1"}}},
        {"id": "s2", "tool": "describe", "inputs": {"media": {"asset": "a2"}}},
        {"id": "s3", "tool": "embedding_to_image", "inputs": {"embedding": {"asset": "a2"}}},
    ],
    "reply": {"show": ["s3.image"]},
}


def test_a_good_plan_comes_out_with_real_ids_and_models(request_: PlanRequest) -> None:
    plan = judge(PLAN, request_)
    assert isinstance(plan, Plan)
    assert PICTURE in str(plan.to_json())
    assert all(step.model for step in plan.steps)


def test_one_embedding_serves_all_readers_of_the_same_sound(request_: PlanRequest) -> None:
    plan = judge(PLAN, request_)
    assert isinstance(plan, Plan)
    tools = [step.tool for step in plan.steps]
    assert tools.count("embed") == 2
    heard, drawn = plan.step("s2").inputs["media"], plan.step("s3").inputs["embedding"]
    assert isinstance(heard, OutputBinding)
    assert heard == drawn


def test_what_no_other_step_reads_is_shown_unless_the_plan_says_otherwise(
    request_: PlanRequest,
) -> None:
    steps = [
        {"id": "s1", "tool": "text_to_image", "inputs": {"prompt": {"text": "x"}}},
        {"id": "s2", "tool": "resize", "inputs": {"image": {"from": "s1.image"}}},
        {"id": "s3", "tool": "describe", "inputs": {"media": {"asset": "a1"}}},
    ]
    plan = judge({"steps": steps}, request_)
    assert isinstance(plan, Plan)
    assert plan.reply.show == ["s2.image"]


def test_a_drawing_that_is_only_described_is_shown_too(request_: PlanRequest) -> None:
    steps = [
        {"id": "s1", "tool": "text_to_image", "inputs": {"prompt": {"text": "a cat"}}},
        {"id": "s2", "tool": "describe", "inputs": {"media": {"from": "s1.image"}}},
        {"id": "s3", "tool": "speak", "inputs": {"text": {"from": "s2.text"}}},
    ]
    plan = judge({"steps": steps}, request_)
    assert isinstance(plan, Plan)
    assert plan.reply.show == ["s1.image", "s3.audio"]


def test_vectors_that_another_step_reads_are_not_shown(request_: PlanRequest) -> None:
    steps = [
        {"id": "s1", "tool": "embed", "inputs": {"media": {"asset": "a1"}}},
        {"id": "s2", "tool": "embed", "inputs": {"media": {"asset": "a2"}}},
        {
            "id": "s3",
            "tool": "embed_combine",
            "inputs": {"embeddings": [{"from": "s1.embedding"}, {"from": "s2.embedding"}]},
        },
        {"id": "s4", "tool": "describe", "inputs": {"media": {"from": "s3.embedding"}}},
        {
            "id": "s5",
            "tool": "embedding_to_image",
            "inputs": {"embedding": {"from": "s3.embedding"}},
        },
    ]
    plan = judge({"steps": steps}, request_)
    assert isinstance(plan, Plan)
    assert plan.reply.show == ["s5.image"]


def test_a_search_waits_for_an_index_of_what_nobody_embedded(request_: PlanRequest) -> None:
    searches = [
        {"id": f"s{n}", "tool": "search", "inputs": {"query": {"text": name}}}
        for n, name in ((1, "a cat"), (2, "a dog"))
    ]
    plan = judge({"steps": searches}, request_)
    assert isinstance(plan, Plan)
    (index,) = [step for step in plan.steps if step.tool == "index"]
    assert index.model == "starter/encoder"
    assert [step.after for step in plan.steps if step.tool == "search"] == [[index.id]] * 2
    again = unlowered(plan)
    assert index.id not in {name for step in again.steps for name in (step.id, *step.after)}


def test_a_refused_plan_goes_back_to_the_hub_with_its_faults(request_: PlanRequest) -> None:
    refused = judge({"steps": [{"id": "s1", "tool": "paint", "inputs": {}}]}, request_)
    assert isinstance(refused, Refused)
    task = repair_task(request_, refused)
    assert task.faults[0]["pointer"] == "/steps/0/tool"
    assert task.request == first_task(request_).request


@pytest.mark.parametrize(
    "data", [None, [], "steps", {"steps": 3}, {"steps": [{}]}, {"steps": [], "more": 1}]
)
def test_whatever_a_hub_writes_is_refused_without_an_exception(
    request_: PlanRequest, data: Any
) -> None:
    assert isinstance(judge(data, request_), Refused)


@pytest.mark.parametrize("levels", [40, 900, 5000])
def test_a_plan_that_is_nested_without_end_is_refused(request_: PlanRequest, levels: int) -> None:
    deep: Any = {"odd": 1}
    for _ in range(levels):
        deep = {"value": deep}
    step = {"id": "s1", "tool": "speak", "inputs": {"text": deep}}
    assert isinstance(judge({"steps": [step]}, request_), Refused)


def test_commercial_only_never_uses_a_non_commercial_model(models: dict[str, ModelSpec]) -> None:
    private = ModelSpec(
        id="nc", backend="imagebind", tools=frozenset({"embed"}), commercial=False, rank=-5
    )
    both = {**models, "nc": private}
    assert choose("embed", both, Policy()) is private
    assert choose("embed", both, Policy(commercial_only=True)) is not private


def test_a_tool_without_a_live_worker_is_not_offered(models: dict[str, ModelSpec]) -> None:
    assert set(
        live_tools(toolbox(), models, Served(tools={"embed": None, "describe": None}), Policy())
    ) == {
        "embed",
        "describe",
    }


FACTS = AnswerFacts(
    request="Draw a cat and say it",
    assets=[
        KnownAsset(id="a1", modality=Modality.IMAGE),
        KnownAsset(id="a2", modality=Modality.IMAGE, step="s1"),
    ],
    steps=[StepFact(id="s1", tool="text_to_image", status="succeeded", assets=["a2"])],
    show=["a2"],
)


def test_a_reply_that_names_what_does_not_exist_is_refused() -> None:
    assert untruths(ReplyDraft(text="Here it is: [a2]", show=["a2"]), FACTS) == []
    assert untruths(ReplyDraft(text="And a video: [a7]", show=["a2"]), FACTS)
    assert untruths(ReplyDraft(text="Here", show=["a2", "a9"]), FACTS)
    assert untruths(ReplyDraft(text="See https://example.org/x.png", show=["a2"]), FACTS)


def test_a_reply_that_hides_a_failure_is_refused() -> None:
    failed = StepFact(id="s2", tool="speak", status="failed", error="no voice")
    facts = FACTS.model_copy(update={"steps": [*FACTS.steps, failed]})
    assert untruths(ReplyDraft(text="All is well.", show=["a2"]), facts)
    assert untruths(compose(facts), facts) == []


def test_the_plain_reply_is_truthful_and_speaks_the_callers_language() -> None:
    assert untruths(compose(FACTS), FACTS) == []
    assert "画" in compose(FACTS.model_copy(update={"request": "画一只猫"})).text


def test_reply_parts_carry_real_ids() -> None:
    parts = to_reply(ReplyDraft(text="See [a1]", show=["a1"]), REGISTER).parts
    assert [part.type for part in parts] == ["text", "asset"]
    assert PICTURE in str(parts[1])


def test_a_mapped_step_is_lowered_and_can_be_edited_again(request_: PlanRequest) -> None:
    steps = [
        {"id": "s1", "tool": "search", "inputs": {"query": {"text": "cats"}}},
        {
            "id": "s2",
            "tool": "describe",
            "map": "media",
            "inputs": {"media": {"from": "s1.assets"}},
        },
    ]
    plan = judge({"steps": steps}, request_)
    assert isinstance(plan, Plan)
    tools = {step.id: step.tool for step in plan.steps}
    assert (tools["s2"], tools["s2_each1"]) == ("gather", "spread")
    assert plan.step("s2").needs() == {"s2_each1"}
    assert plan.step("s2_each1").needs() == {"s1"}
    again = unlowered(plan)
    assert (again.step("s2").tool, again.step("s2").map) == ("describe", "media")


def test_one_embedding_serves_readers_that_name_the_space_and_readers_that_do_not(
    request_: PlanRequest,
) -> None:
    combined = {"embeddings": [{"asset": "a1"}, {"text": "snow"}]}
    steps = [
        {"id": "s1", "tool": "describe", "inputs": {"media": {"asset": "a1"}}},
        {"id": "s2", "tool": "embed_combine", "inputs": combined},
    ]
    plan = judge({"steps": steps}, request_)
    assert isinstance(plan, Plan)
    assert [step.tool for step in plan.steps].count("embed") == 2


@pytest.mark.parametrize("eyes", [(), ("image",), ("image", "audio")])
def test_media_of_a_chat_are_put_into_words_where_its_hub_does_not_read_them(
    eyes: tuple[Any, ...],
) -> None:
    settings = Settings(hub_url="http://127.0.0.1:9/v1", hub_reads=frozenset(eyes))
    models = load_catalogue(settings)
    kinds = {PICTURE: "image", SOUND: "audio"}
    parts = [
        {"type": "text", "text": "What is in these?"},
        *({"type": "asset", "asset": name, "modality": kind, "media_type": f"{kind}/x"}
          for name, kind in kinds.items()),
    ]  # fmt: skip
    chat = {
        "id": "chat",
        "tool": "chat",
        "inputs": {"seen": [{"asset": name} for name in kinds]},
        "params": {"messages": [{"role": "user", "parts": parts}]},
    }
    known = Known(tools=toolbox(), assets={PICTURE: Modality.IMAGE, SOUND: Modality.AUDIO})
    plan, faults = lower(Plan.model_validate({"steps": [chat]}), known, models, Policy())
    assert (faults, plan.steps[-1].model) == ([], "remote-hub")
    seen: Any = plan.steps[-1].inputs["seen"]
    read = [item.asset if isinstance(item, AssetBinding) else f"{item.step}.text" for item in seen]
    assert read == [
        name if kind in eyes else f"look{number}.text"
        for number, (name, kind) in enumerate(kinds.items(), start=1)
    ]
    looks = {step.id: step for step in plan.steps if step.id.startswith("look")}
    assert len(looks) == 2 - len(eyes)
    for look in looks.values():
        assert look.params.get("question") == "What is in these?"
        assert look.model == "remote-hub"
    again, faults = lower(plan, known, models, Policy())
    assert (again, faults) == (plan, [])


def test_a_hub_reads_in_a_chat_what_it_describes_unless_it_says_otherwise() -> None:
    known = known_models(Settings())

    def reads(model: str) -> frozenset[str]:
        return frozenset(known[model].reads["chat.seen"])

    assert reads("starter/hub") == reads("chatbridge") == {"text"}
    assert reads("google/gemma-3-4b-it") == {"text", "image", "video"}
    assert reads("Qwen/Qwen2.5-Omni-7B") == {"text", "image", "audio", "video"}


def test_the_hub_may_not_plan_what_only_a_caller_may(request_: PlanRequest) -> None:
    mine, _ = usable(toolbox(), request_.models, Policy())
    tools, barred = usable(toolbox(), request_.models, Policy(), by_hub=True)
    assert "align" in mine
    assert "align" not in tools
    asked = replace(request_, tools=tools, barred=barred)
    assert "align" not in first_task(asked).tools
    assert "align" not in toolbox().planned()
    inputs = {"media": [{"asset": "a1"}], "texts": ["a cat"]}
    step = {"id": "s1", "tool": "align", "inputs": inputs, "params": {"hub": "h", "name": "n"}}
    refused = judge({"steps": [step]}, asked)
    assert isinstance(refused, Refused)
    assert refused.faults[0].pointer == "/steps/0/tool"
    assert "caller" in refused.faults[0].reason

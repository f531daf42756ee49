"""Plans that other models really wrote, and gold graphs: nothing raises, nothing is lost, what is
accepted can run.
"""

import copy
import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.agreement import Agreement, plain, read_graph, written_graph
from bench.foreign_tools import name_of, toolbox_of
from bench.recorded_plans import OWN, RECORDED, Outcome, Recorded, judge, load, measure, tools_of
from medley.modality import Modality
from medley.plan import Plan
from medley.settings import Settings
from medley.toolset import toolbox
from orchestrator.catalogue import load_catalogue
from orchestrator.planner import PlanRequest, Refused
from orchestrator.planner import judge as judge_of_hub
from orchestrator.register import Entry, Register

PLANS, GOLD = load(RECORDED / "plans.jsonl"), load(RECORDED / "gold.jsonl")
EVERYTHING = [*PLANS, *GOLD]
SETS = ("", OWN, "huggingface", "multimedia")  # "": the one that it was written for
REQUEST = PlanRequest(
    words="",
    register=Register([Entry(asset="asset_1", modality=Modality.IMAGE)]),
    tools=toolbox().planned(),
    models=load_catalogue(Settings()),
)


def nodes_of(recorded: Recorded) -> list[Any]:
    record = recorded.record.get("result", recorded.record)
    return list(record["task_nodes"])


def outcomes(tools: str) -> list[tuple[Recorded, Outcome]]:
    return [(item, judge(item, tools_of(tools or item.tools))) for item in EVERYTHING]


@pytest.mark.parametrize("tools", SETS)
def test_no_recorded_plan_raises(tools: str) -> None:
    assert [outcome.error for _, outcome in outcomes(tools) if outcome.error] == []


@pytest.mark.parametrize("tools", SETS)
def test_every_unknown_tool_is_named_with_a_suggestion(tools: str) -> None:
    assert [outcome.unnamed for _, outcome in outcomes(tools) if outcome.unnamed] == []


@pytest.mark.parametrize("tools", SETS)
def test_every_plan_is_accepted_and_can_be_lowered_or_has_faults(tools: str) -> None:
    for _, outcome in outcomes(tools):
        assert outcome.lowered == (not outcome.faults)
        assert all(fault.reason and fault.suggestion for fault in outcome.faults)


@pytest.mark.parametrize("tools", SETS)
def test_no_node_of_a_recorded_plan_is_lost(tools: str) -> None:
    for item, outcome in outcomes(tools):
        written = sorted(plain(node["task"]) for node in nodes_of(item))
        assert sorted(plain(step["tool"]) for step in outcome.read["steps"]) == written


def test_no_link_of_a_gold_graph_is_lost() -> None:
    for item in GOLD:
        read = read_graph(judge(item, tools_of(item.tools)).read)
        assert read.edges == written_graph(item.record).edges, item.record["id"]


def test_no_argument_is_lost() -> None:
    """Words and files are in the plan as it was read, wherever they stand."""
    for item, outcome in outcomes(""):
        read = json.dumps(outcome.read, ensure_ascii=False)
        for node in nodes_of(item):
            for argument in node.get("arguments", ()):
                value = argument.get("value") if isinstance(argument, dict) else argument
                marked = any(sign in str(value) for sign in "<>{}$[]'")
                if isinstance(value, str) and not marked and " " in value and ":" not in value:
                    named = "step" in value.lower() or "output" in value.lower()
                    assert named or json.dumps(value, ensure_ascii=False)[1:-1] in read


def test_the_recorded_plans_agree_with_gold_graphs_at_least_as_they_were_written() -> None:
    f1 = measure(PLANS, GOLD)["f1"]
    assert f1["read: nodes"] >= f1["written: nodes"] > 0.7
    assert f1["read: edges"] >= f1["written: edges"] > 0.5


def steps(*nodes: Any, links: Any = None, files: str = "", tools: str = "multimedia") -> Any:
    """The steps of a plan as they were read, and the pointers of its faults."""
    record = {"task_nodes": list(nodes), "task_links": links}
    kinds = {"jpg": Modality.IMAGE, "mp4": Modality.VIDEO, "wav": Modality.AUDIO}
    assets = {name: kinds[name[-3:]] for name in files.split()}
    outcome = judge(Recorded(record, assets, tools), tools_of(tools))
    assert not outcome.error
    return outcome


def node(task: str, *arguments: Any) -> dict[str, Any]:
    return {"task": task, "arguments": list(arguments)}


def chain(*names: str) -> list[dict[str, str]]:
    return [{"source": one, "target": two} for one, two in pairwise(names)]


STILL = node("Video-to-Image", "a.mp4")


@pytest.mark.parametrize(
    "written",
    [
        "<node-0>", "<node-0>.output", "<node_0>", "<node-0>.jpg", "$[0]", "$[0].url$",
        "<output of node-0>", "<output from Video-to-Image>", "<output_of_Video_to_Image>",
        "[Output of Video-to-Image]", "%{VideoToImage#output}%", "%{Video-to-Image.output%}",
        "${Video-to-Image.output}", "${Step 1.output}", "{output_of_step_1}", "output_of_step_1",
        "output of Video-to-Image", "'output_of_Video_to_Image'", "The output from Video-to-Image",
        "Video-to-Image output", "resulting image from step 1", "output_image_from_Video-to-Image",
        "<GENERATED>-0", "Video_to_Image", "video_file_output_from_step_1",
    ],
)  # fmt: skip
def test_one_reference_in_many_spellings(written: str) -> None:
    found = steps(STILL, node("Image-to-Text", written), files="a.mp4")
    assert found.plan is not None, found.faults
    assert found.read["steps"][1]["inputs"] == {"image": {"from": "s1.image"}}


@pytest.mark.parametrize(
    "written",
    [
        "<node-7>", "<French translated text>", "${transcribed_text}", "$TEXT_FROM_IMAGE$",
        "<node-²>", "<node-99999999>", "<node-0> and what follows from it",
        "The colours are: <node-0>", "output of step 9",
    ],
)  # fmt: skip
def test_a_reference_that_leads_nowhere_never_becomes_words(written: str) -> None:
    found = steps(node("Image-to-Text", "a.jpg"), node("Text-to-Audio", written), files="a.jpg")
    assert [fault.pointer for fault in found.faults] == ["/steps/1/inputs/text"]


def test_words_are_words() -> None:
    for words in ("Step by step", "the output of the factory", "translation", "5", "a {b} c"):
        found = steps(node("Text-to-Audio", words))
        assert found.read["steps"][0]["inputs"] == {"text": {"text": words}}


def test_nodes_are_counted_from_one_where_the_order_says_so() -> None:
    found = steps(
        STILL, node("Image Colorizer", "<node-1>"), node("Image-to-Text", "<node-2>"), files="a.mp4"
    )
    assert [step.get("inputs") for step in found.read["steps"][1:]] == [
        {"image": {"from": "s1.image"}},
        {"image": {"from": "s2.image"}},
    ]


def test_nodes_are_counted_from_one_where_the_links_say_so() -> None:
    plan = [
        node("Text Search", "cats"),
        node("URL Extractor", "x"),
        node("Image Downloader", "<node-1>"),
    ]
    by_link = steps(*plan, links=[{"source": "Text Search", "target": "Image Downloader"}])
    assert by_link.read["steps"][2]["inputs"] == {"url": {"from": "s1.text"}}
    assert steps(*plan).read["steps"][2]["inputs"] == {"url": {"from": "s2.url"}}


def test_numbers_that_fit_no_counting_are_refused() -> None:
    plan = (
        STILL,
        node("Image Colorizer", "<node-1>"),
        node("Image Colorizer", "<node-3>"),
        node("Image-to-Text", "<node-3>"),
    )
    found = steps(*plan, files="a.mp4")
    assert {fault.pointer for fault in found.faults} == {
        f"/steps/{place}/inputs/image" for place in (1, 2, 3)
    }


def test_a_link_fills_the_one_input_that_nothing_fills() -> None:
    found = steps(STILL, node("Image-to-Text"), links=chain("Video-to-Image", "Image-to-Text"),
                  files="a.mp4")  # fmt: skip
    assert found.read["steps"][1]["inputs"] == {"image": {"from": "s1.image"}}
    two = steps(
        STILL,
        {**STILL, "task": "Video-to-Image"},
        node("Image-to-Text"),
        links=[{"source": "Video-to-Image", "target": "Image-to-Text"}],
        files="a.mp4",
    )
    assert [fault.pointer for fault in two.faults] == ["/task_links"]


@pytest.mark.parametrize("target", ["none", "Output", None, [], "", "final output"])
def test_a_link_to_the_end_is_no_edge(target: Any) -> None:
    found = steps(STILL, links=[{"source": "Video-to-Image", "target": target}], files="a.mp4")
    assert found.plan is not None


@pytest.mark.parametrize(
    "link",
    [{"source": "Video-to-Image", "target": "Juggler"}, {"source": "x"}, "x", 5, ["a", "b", "c"]],
)
def test_a_link_that_cannot_be_placed_stays_and_is_refused(link: Any) -> None:
    found = steps(STILL, links=[link], files="a.mp4")
    assert found.read["task_links"] == [link]
    assert [fault.pointer for fault in found.faults] == ["/task_links"]


def test_arguments_find_their_inputs_by_what_they_are() -> None:
    found = steps(node("Image Editing", "a.jpg", "Make it blue"), files="a.jpg",
                  tools="huggingface")  # fmt: skip
    assert found.read["steps"][0]["inputs"] == {
        "image": {"asset": "a.jpg"},
        "text": {"text": "Make it blue"},
    }


def test_two_inputs_of_one_type_are_not_told_apart_by_names_that_nobody_knows() -> None:
    given = [{"name": "content_image", "value": "a.jpg"}, {"name": "style_image", "value": "b.jpg"}]
    found = steps(node("Image Style Transfer", *given), files="a.jpg b.jpg")
    assert {fault.pointer for fault in found.faults} == {
        "/steps/0/inputs",
        "/steps/0/inputs/content_image",
        "/steps/0/inputs/style_image",
    }


@pytest.mark.parametrize(
    "arguments",
    [
        [{"images": "a1"}, "a2"],
        [{"name": "images", "value": "a1"}, {"name": "images", "value": "a2"}],
        5, "", None, {"images": {"from": 3}}, [[["a1"]]], [{"name": "images"}], {"images": None},
    ],
)  # fmt: skip
def test_odd_arguments_of_a_tool_of_ours_raise_nothing(arguments: Any) -> None:
    data = {"steps": [{"tool": "collage", "arguments": arguments}]}
    assert isinstance(judge_of_hub(data, REQUEST), Plan | Refused)


def test_what_stands_around_a_wrapped_plan_is_kept() -> None:
    inner = {"steps": ["speak", "describe"], "links": chain("speak", "describe")}
    found = judge_of_hub({"plan": inner, "mood": "good"}, REQUEST)
    assert isinstance(found, Refused)
    assert {fault.pointer for fault in found.faults} == {"/mood"}
    assert found.plan["steps"][1]["inputs"] == {"media": {"from": "s1.audio"}}


def test_a_malformed_plan_names_its_unknown_tools_all_the_same() -> None:
    found = judge_of_hub({"steps": [{"tool": "paint"}], "mood": "good"}, REQUEST)
    assert isinstance(found, Refused)
    assert {fault.pointer for fault in found.faults} == {"/mood", "/steps/0/tool"}


def test_a_tool_is_named_by_words_where_another_key_holds_something_else() -> None:
    found = steps({"task": "Juggler", "tool": [{"name": "text", "value": "three balls"}]})
    assert found.unnamed == set()
    assert {fault.pointer for fault in found.faults} == {"/steps/0/tool", "/steps/0/arguments"}
    known = steps({"task": "Text-to-Audio", "tool": ["three balls"]})
    assert [fault.pointer for fault in known.faults] == ["/steps/0/arguments"]


def test_the_list_whose_items_name_tools_is_the_plan() -> None:
    data = {"steps": chain("speak", "describe"), "task_nodes": [node("speak"), node("describe")]}
    found = judge_of_hub(data, REQUEST)
    assert isinstance(found, Refused)
    assert [step["tool"] for step in found.plan["steps"]] == ["speak", "describe"]


def test_ids_are_found_however_many_are_taken() -> None:
    taken = [{"id": f"s{place + 200}", "tool": "speak"} for place in range(200)]
    many = judge_of_hub({"steps": [*taken, *({"tool": "speak"} for _ in range(56))]}, REQUEST)
    most = judge_of_hub({"steps": [{"tool": "speak"}] * 5000}, REQUEST)
    assert isinstance(many, Refused)
    assert isinstance(most, Refused)


def test_a_tool_of_others_as_a_declaration() -> None:
    item = {
        "id": "Image Search (by Image)",
        "input-type": ["image", "image"],
        "output-type": ["Image"],
    }
    tool = toolbox_of({"nodes": [item]})["image_search_by_image"]
    assert list(tool.inputs) == ["image_1", "image_2"]
    assert tool.outputs["image"].accepts == {Modality.IMAGE}
    assert name_of("GetTVDetail") == "get_tvdetail"
    assert list(
        toolbox_of({"nodes": [{"id": "x", "parameters": [{"name": "q"}]}]})["x"].inputs
    ) == ["q"]


def test_agreement_is_f1_over_all() -> None:
    one, other = (written_graph({"task_nodes": [{"task": name} for name in names]})
                  for names in (["A", "b"], ["a", "c", "a"]))  # fmt: skip
    score = Agreement()
    score.add(one.nodes, other.nodes)
    assert score.f1 == pytest.approx(2 / 5)
    assert Agreement().f1 is None


# Mutations: what models do to plans, and worse.
KEYS = (
    "task_nodes", "task_links", "arguments", "task", "name", "value", "source", "target", "id",
    "steps", "tool", "inputs", "params", "after", "from", "step", "function", "type", "seed",
)  # fmt: skip
ODD = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
    | st.sampled_from(["<node-0>", "<node-1>", "<node-", "${", "%{a}%", "$[0]", "s1", "none", "{}",
                       "<output of >", "step 1", "\ud800", "\0", "Text-to-Image", "[]", "{\"a\":"])
    | st.lists(st.sampled_from(KEYS), max_size=3)
    | st.dictionaries(st.sampled_from(KEYS), st.text(max_size=4) | st.none(), max_size=3)
)  # fmt: skip


def places_of(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inside: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        inside = list(value.items())
    elif isinstance(value, list):
        inside = list(enumerate(value))
    return [found for key, item in inside for found in [(*at, key), *places_of(item, (*at, key))]]


@st.composite
def mutated(draw: Any) -> Recorded:
    chosen = draw(st.sampled_from(EVERYTHING))
    record: Any = copy.deepcopy(dict(chosen.record))
    for _ in range(draw(st.integers(1, 4))):
        *path, last = draw(st.sampled_from(places_of(record) or [("id",)]))
        holder = record
        for key in path:
            holder = holder[key]
        change = draw(st.sampled_from(["drop", "odd", "json", "wrap", "rename", "twice"]))
        if change == "drop" and last in (holder if isinstance(holder, dict) else ()):
            del holder[last]
        elif change == "rename" and isinstance(holder, dict) and last in holder:
            holder[draw(st.sampled_from(KEYS) | st.text(max_size=5))] = holder.pop(last)
        elif change == "twice" and isinstance(holder, list):
            holder.append(copy.deepcopy(holder[last]))
        elif isinstance(holder, list) or last in holder:
            odd = {
                "odd": lambda: draw(ODD),
                "json": lambda holder=holder, last=last: json.dumps(holder[last]),
                "wrap": lambda holder=holder, last=last: [holder[last]],
            }
            holder[last] = odd.get(change, odd["odd"])()
    return Recorded(record, chosen.files, chosen.tools)


@given(mutated())
def test_mutated_plans_raise_nothing_and_lower_when_accepted(recorded: Recorded) -> None:
    for tools in (recorded.tools, OWN):
        outcome = judge(recorded, tools_of(tools))
        assert outcome.error == ""
        assert outcome.unnamed == set()
        assert outcome.lowered == (not outcome.faults)


@given(mutated())
def test_mutated_plans_of_a_hub_are_a_plan_or_refused(recorded: Recorded) -> None:
    assert isinstance(judge_of_hub(recorded.record, REQUEST), Plan | Refused)
    assert isinstance(judge_of_hub(json.dumps(recorded.record), REQUEST), Plan | Refused)


@given(mutated())
def test_no_node_of_a_mutated_plan_is_lost(recorded: Recorded) -> None:
    """Each is a step of the plan as it was read; where none was found, all is refused unread."""
    nodes = recorded.record.get("task_nodes")
    if isinstance(nodes, list) and any(isinstance(item, dict) for item in nodes):
        outcome = judge(recorded, tools_of(recorded.tools))
        assert len(outcome.read["steps"]) >= len(nodes)

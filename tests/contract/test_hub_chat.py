"""Chats: whatever the weights, a form is kept to, and what is streamed is what comes of it."""

import base64
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from PIL import Image

from hub.local import LocalHub
from hub.remote import RemoteHub
from hub.talking import Talk
from medley.backend import ModelSpec, Request, Result
from medley.calls import head, read_message
from medley.errors import BadInput, HubError
from medley.media.values import Audio
from tests.contract.hub_fixtures import Recorder, loaded_hub
from tests.contract.hub_server import serving

WEATHER = {
    "name": "get_weather",
    "about": "The weather in a place.",
    "parameters": {
        "type": "object",
        "properties": {
            "place": {"type": "string"},
            "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
            "days": {"type": "integer"},
        },
        "required": ["place", "unit"],
    },
}
TIME = {"name": "tell_time", "parameters": {}}
FORM = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "age": {"type": "integer"},
        "size": {"type": "number"},
        "likes": {"type": "array", "items": {"enum": ["cats", "dogs"]}},
    },
    "required": ["name", "age", "size", "likes"],
}
PICTURE = Image.new("RGB", (40, 30), "red")
Ask = Callable[..., tuple[Result, Recorder]]


@pytest.fixture(scope="module", params=["compact", "chat"])
def hub(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> LocalHub:
    return loaded_hub(tmp_path_factory.mktemp("hub"), compact=request.param == "compact")


@pytest.fixture
def ask(hub: LocalHub, tmp_path: Path) -> Ask:
    def one(words: str = "Hello", seed: int = 0, **params: Any) -> tuple[Result, Recorder]:
        control = Recorder(tmp_path)
        (result,) = hub.run([chat(words, seed, **params)], control)
        return result, control

    return one


def chat(words: str = "Hello", seed: int = 0, **params: Any) -> Request:
    messages = [{"role": "user", "parts": [{"type": "text", "text": words}]}]
    return Request(tool="chat", inputs={}, params={"messages": messages, **params}, seed=seed)


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_required_call_has_arguments_as_its_schema_says(ask: Ask, temperature: float) -> None:
    result, control = ask(
        functions=[WEATHER, TIME], choice="get_weather", sampling={"temperature": temperature}
    )
    assert result.error is None
    said: Any = result.outputs["said"]
    (call,) = said["calls"]
    jsonschema.validate(json.loads(call["arguments"]), WEATHER["parameters"])
    assert (call["name"], said["end"], result.outputs["text"]) == ("get_weather", "calls", "")
    streamed = read_message("".join(control.deltas), ["get_weather"], whole=True)
    assert streamed is not None
    assert (streamed.name, streamed.arguments) == (call["name"], call["arguments"])  # type: ignore[union-attr]


def test_with_two_functions_required_one_of_them_is_called(ask: Ask) -> None:
    result, _ = ask(functions=[WEATHER, TIME], choice="required")
    said: Any = result.outputs["said"]
    assert said["calls"][0]["name"] in ("get_weather", "tell_time")


@pytest.mark.parametrize("seed", range(4))
def test_left_to_itself_a_hub_talks_or_calls_and_nothing_else(ask: Ask, seed: int) -> None:
    result, _ = ask(
        functions=[TIME], seed=seed, max_tokens=60, sampling={"temperature": 1.0, "top_p": 0.9}
    )
    said: Any = result.outputs["said"]
    assert bool(said["calls"]) != bool(result.outputs["text"])
    if said["calls"]:
        assert json.loads(said["calls"][0]["arguments"]) == {}


def test_a_function_that_is_not_to_be_called_is_not(ask: Ask) -> None:
    result, _ = ask(functions=[TIME], choice="none", max_tokens=20)
    said: Any = result.outputs["said"]
    assert said["calls"] == []


@pytest.mark.parametrize("seed", range(3))
def test_a_message_in_a_form_obeys_its_schema(ask: Ask, seed: int) -> None:
    result, control = ask(form=FORM, seed=seed, sampling={"temperature": 1.0})
    assert result.error is None, result.error
    found = json.loads(str(result.outputs["text"]), parse_constant=pytest.fail)
    jsonschema.validate(found, FORM)
    assert abs(found["size"]) <= 1e15
    assert "".join(control.deltas) == result.outputs["text"]


def test_words_are_cut_at_the_limit_and_say_so(ask: Ask) -> None:
    result, control = ask(max_tokens=5)
    said: Any = result.outputs["said"]
    assert said["end"] == "length"
    assert result.usage["output_tokens"] == 5
    assert "".join(control.deltas) == str(result.outputs["text"]).rstrip("\ufffd")


def test_words_end_before_a_word_that_ends_them(ask: Ask) -> None:
    free, _ = ask(max_tokens=40)
    text = str(free.outputs["text"])
    stop = text[3:5]
    result, control = ask(max_tokens=40, sampling={"stop": [stop]})
    assert result.outputs["text"] == text[: text.find(stop)]
    assert text.startswith("".join(control.deltas))


def test_the_same_seed_says_the_same_and_another_one_something_else(ask: Ask) -> None:
    warm = {"max_tokens": 20, "sampling": {"temperature": 1.0}}
    texts = [ask(seed=seed, **warm)[0].outputs["text"] for seed in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2]


def test_tokens_can_be_counted_without_a_word(ask: Ask) -> None:
    short, _ = ask("Hi", max_tokens=0)
    long, _ = ask("Hi " * 50, max_tokens=0)
    assert short.usage["output_tokens"] == 0
    assert long.usage["input_tokens"] > short.usage["input_tokens"] > 0


@pytest.mark.parametrize(
    "params",
    [
        {"form": {"type": "objekt"}},
        {"functions": [{"name": "f", "parameters": {"type": "string"}}]},
        {"functions": [TIME, TIME]},
        {"functions": [TIME], "choice": "other"},
        {"form": {"$ref": "http://127.0.0.1:1/schema"}},
    ],
)
def test_a_form_that_is_none_is_the_callers_mistake(ask: Ask, params: dict[str, Any]) -> None:
    result, _ = ask(**params)
    assert result.error is not None
    assert result.error.code == "bad_input"


def test_calls_are_read_while_they_grow() -> None:
    whole = head("f") + '{"a":1}}'
    assert read_message(whole[:5], ["f"], whole=False) is None
    assert read_message(whole, ["f"], whole=True) == read_message(whole, ["f"], whole=False)
    assert read_message("Hello", ["f"], whole=False).text == "Hello"  # type: ignore[union-attr]


@pytest.mark.parametrize("blank", ["", " "])
def test_a_call_that_is_cut_is_never_half_a_line_of_words(blank: str) -> None:
    talk = Talk.of(chat(functions=[WEATHER, TIME], choice="auto"))
    begin = f'{{{blank}"call":{blank}"get_weather",{blank}"arguments":{blank}'
    line = begin + '{"place":"Oslo","unit":"celsius"}' + blank + "}"
    told = ""
    for end in range(len(line)):
        cut = talk.outputs(line[:end], cut=True)
        calls = cut["said"]["calls"]
        assert (cut["text"], cut["said"]["end"]) == ("", "length")
        assert bool(calls) == (end >= len(begin.rstrip()))
        growing = read_message(line[:end], ["get_weather", "tell_time"], whole=False)
        if growing is None:
            continue
        assert growing.arguments.startswith(told)  # type: ignore[union-attr]
        told = growing.arguments  # type: ignore[union-attr]
        assert line[len(begin) :].startswith(told)
    assert told == '{"place":"Oslo","unit":"celsius"}'
    assert talk.outputs("Hello {", cut=True)["text"] == "Hello {"


def test_a_server_is_asked_under_the_callers_schema(hub: LocalHub, tmp_path: Path) -> None:
    with serving(hub) as server:
        remote = RemoteHub()
        options = {"max_tokens": 600, "timeout_s": 60}
        spec = ModelSpec(
            id="r", backend="openai", tools=RemoteHub.tools, source=server.url, options=options
        )
        remote.load(spec, "cpu")
        form = {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}
        form["additionalProperties"] = False
        warm = {"temperature": 0.5, "top_p": 0.5}
        called, formed, free = remote.run(
            [
                chat(functions=[TIME], choice="required", sampling=warm, seed=7),
                chat(form=form),
                chat(functions=[TIME], max_tokens=5),
            ],
            Recorder(tmp_path),
        )
        remote.unload()
    said: Any = called.outputs["said"]
    assert [call["name"] for call in said["calls"]] == ["tell_time"]
    jsonschema.validate(json.loads(str(formed.outputs["text"])), form)
    assert free.outputs["text"]
    asked = next(body for body in server.seen if body["temperature"])
    assert (asked["top_p"], asked["seed"]) == (0.5, 7)


def looking(*media: Any) -> Request:
    asset = {"type": "asset", "asset": "a", "modality": "image", "media_type": "image/png"}
    parts = [{"type": "text", "text": "What is this?"}, asset, {"type": "text", "text": "Say it."}]
    params = {"messages": [{"role": "user", "parts": parts}], "max_tokens": 4}
    return Request(tool="chat", inputs={"seen": list(media)}, params=params)


def test_a_hub_that_reads_words_says_that_it_sees_nothing(hub: LocalHub, tmp_path: Path) -> None:
    seen, told = hub.run([looking(PICTURE), looking("A red square.")], Recorder(tmp_path))
    assert isinstance(seen.error, BadInput)
    assert told.error is None


def test_a_server_is_shown_pictures_and_sounds_where_they_stand(
    hub: LocalHub, tmp_path: Path
) -> None:
    tone = Audio(samples=np.zeros((1, 1600), dtype=np.float32), rate=16_000)
    with serving(hub) as server:
        remote = RemoteHub()
        spec = ModelSpec(id="r", backend="openai", tools=RemoteHub.tools, source=server.url)
        remote.load(spec, "cpu")
        for medium in (PICTURE, tone, "A red square."):
            (result,) = remote.run([looking(medium)], Recorder(tmp_path))
            assert result.error is None
        remote.unload()
    pictured, heard, told = [body["messages"][-1]["content"] for body in server.seen]
    assert [part["type"] for part in pictured] == ["text", "image_url", "text"]
    assert (pictured[0]["text"], pictured[2]["text"]) == ("What is this?", "Say it.")
    data = pictured[1]["image_url"]["url"].removeprefix("data:image/jpeg;base64,")
    with Image.open(io.BytesIO(base64.b64decode(data))) as sent:
        assert sent.size == PICTURE.size
    assert heard[1]["input_audio"]["format"] == "wav"
    assert 'source="image">\nA red square.' in told


def test_each_medium_stands_by_its_words_and_only_a_user_shows_any() -> None:
    def message(role: str, *parts: str, **more: Any) -> dict[str, Any]:
        asset = {"type": "asset", "asset": "a", "modality": "image", "media_type": "image/png"}
        told = [asset if part == "*" else {"type": "text", "text": part} for part in parts]
        return {"role": role, "parts": told, **more}

    messages = [
        message("system", "Be brief."),
        message("user", "Draw.", "*"),
        message("assistant", "Here.", "*"),
        message("tool", "42", "*", call="c1"),
        message("user", "*", "Again."),
        message("assistant", "*"),
    ]
    media = [Image.new("RGB", (side, 1)) for side in range(1, 6)]
    request = Request(tool="chat", inputs={"seen": media}, params={"messages": messages})
    said = [(item["role"], item["content"]) for item in Talk.of(request).prompt()]
    first, drawn, given, own, last = media
    result = '<untrusted source="function c1">\n42\n</untrusted>'
    assert said == [
        ("system", ["Be brief."]),
        ("user", ["Draw.", first]),
        ("assistant", ["Here."]),
        ("user", [drawn, result, given, own, "Again."]),
        ("assistant", []),
        ("user", [last]),
    ]


def test_a_call_with_blanks_in_it_is_read_all_the_same() -> None:
    talk = Talk.of(chat(functions=[WEATHER], choice="required"))
    text = '{ "call": "get_weather", "arguments": {"place": "Oslo", "unit": "celsius"} }'
    said = talk.outputs(text, cut=False)["said"]
    assert json.loads(said["calls"][0]["arguments"]) == {"place": "Oslo", "unit": "celsius"}
    with pytest.raises(HubError):
        talk.outputs('{"call": "get_weather", "arguments": {"place": 3}}', cut=False)

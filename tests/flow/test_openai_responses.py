"""`/v1/responses` with OpenAI's own client: the seven cases of Open Responses' compliance suite,
and what Medley promises beyond them.
"""

import base64
import json
import time
from typing import Any

import httpx2
import jsonschema
import openai
import pytest

from tests.flow import openai_world
from tests.flow.api_world import png
from tests.flow.openai_world import OpenAiWorld

REQUIRED = frozenset(
    {"id", "object", "created_at", "completed_at", "status", "incomplete_details", "model"}
    | {"previous_response_id", "instructions", "output", "error", "tools", "tool_choice"}
    | {"truncation", "parallel_tool_calls", "text", "top_p", "presence_penalty"}
    | {"frequency_penalty", "top_logprobs", "temperature", "reasoning", "user", "usage"}
    | {"max_output_tokens", "max_tool_calls", "store", "background", "service_tier"}
    | {"metadata", "safety_identifier", "prompt_cache_key"}
)
#: A hub of random weights has no reason to stop by itself.
MOST = 24
WEATHER: Any = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather in a place.",
    "parameters": {
        "type": "object",
        "properties": {"location": {"type": "string"}, "unit": {"enum": ["c", "f"]}},
        "required": ["location", "unit"],
        "additionalProperties": False,
    },
}
PICTURE = "data:image/png;base64," + base64.b64encode(png()).decode()
world, client = openai_world.world, openai_world.client


def whole(response: Any) -> dict[str, Any]:
    """The object, checked for all that it has to have."""
    found: dict[str, Any] = response.to_dict()
    assert found.keys() >= REQUIRED
    assert found["object"] == "response"
    return found


def events_of(stream: Any) -> list[dict[str, Any]]:
    """The events, checked for their order."""
    events = [event.to_dict(warnings=False) for event in stream]
    numbers = [event["sequence_number"] for event in events]
    assert numbers == sorted(set(numbers))
    return events


def test_basic_response(client: openai.OpenAI) -> None:
    for model, most, status in (("medley", None, "completed"), ("tiny", MOST, "incomplete")):
        response = client.responses.create(model=model, input="Say hello.", max_output_tokens=most)
        found = whole(response)
        assert (found["status"], found["output"][-1]["type"]) == (status, "message"), found
        assert found["output"][-1]["role"] == "assistant"
        assert response.output_text
        assert response.usage is not None
        assert response.usage.total_tokens == (
            response.usage.input_tokens + response.usage.output_tokens
        )
        assert response.usage.output_tokens > 0


@pytest.mark.parametrize(("model", "most"), [("medley", None), ("tiny", MOST)])
def test_streaming_response(client: openai.OpenAI, model: str, most: int | None) -> None:
    stream = client.responses.create(
        model=model, input="Count to 5.", stream=True, max_output_tokens=most
    )
    events = events_of(stream)
    kinds = [event["type"] for event in events]
    assert kinds[:2] == ["response.created", "response.in_progress"]
    assert kinds[-1] == {"medley": "response.completed", "tiny": "response.incomplete"}[model]
    told = "".join(e["delta"] for e in events if e["type"] == "response.output_text.delta")
    done = next(e for e in events if e["type"] == "response.output_text.done")
    assert told == done["text"] != ""
    for kind in (
        "output_item.added",
        "content_part.added",
        "content_part.done",
        "output_item.done",
    ):
        assert f"response.{kind}" in kinds
    again = whole(client.responses.retrieve(events[-1]["response"]["id"]))
    assert again == events[-1]["response"]


def test_system_prompt(client: openai.OpenAI) -> None:
    messages: Any = [
        {"type": "message", "role": "system", "content": "You are a pirate."},
        {"type": "message", "role": "user", "content": "Say hello."},
    ]
    found = whole(client.responses.create(model="tiny", input=messages, max_output_tokens=MOST))
    assert found["output"][-1]["type"] == "message"


def test_tool_calling(client: openai.OpenAI) -> None:
    found = whole(
        client.responses.create(
            model="medley",
            input="What is the weather in San Francisco?",
            tools=[WEATHER],
            tool_choice="required",
        )
    )
    (call,) = found["output"]
    assert (call["type"], call["name"], call["status"]) == (
        "function_call", "get_weather", "completed",
    )  # fmt: skip
    jsonschema.validate(json.loads(call["arguments"]), WEATHER["parameters"])
    answered: Any = [
        {"role": "user", "content": "What is the weather?"},
        call,
        {"type": "function_call_output", "call_id": call["call_id"], "output": "Sunny."},
    ]
    after = client.responses.create(model="medley", input=answered, max_output_tokens=20)
    assert after.output_text


def test_tool_calling_streaming(client: openai.OpenAI) -> None:
    events = events_of(
        client.responses.create(
            model="medley",
            input="What is the weather in Oslo?",
            tools=[WEATHER],
            tool_choice={"type": "function", "name": "get_weather"},
            stream=True,
        )
    )
    kinds = [event["type"] for event in events]
    added = next(e for e in events if e["type"] == "response.output_item.added")
    assert added["item"]["type"] == "function_call"
    deltas = [e for e in events if e["type"] == "response.function_call_arguments.delta"]
    done = next(e for e in events if e["type"] == "response.function_call_arguments.done")
    assert "".join(e["delta"] for e in deltas) == done["arguments"]
    assert json.loads(done["arguments"])
    assert kinds[-1] == "response.completed"


def test_image_input(client: openai.OpenAI) -> None:
    content: Any = [
        {"type": "input_text", "text": "What do you see?"},
        {"type": "input_image", "image_url": PICTURE, "detail": "auto"},
    ]
    response = client.responses.create(
        model="medley",
        input=[{"role": "user", "content": content}],
        text={"format": {"type": "text"}},
    )
    assert whole(response)["status"] in ("completed", "failed")
    listed = client.responses.input_items.list(response.id)
    kinds = [part.type for part in listed.data[0].content]  # type: ignore[union-attr]
    assert kinds == ["input_text", "input_image"]


def test_multi_turn(client: openai.OpenAI) -> None:
    messages: Any = [
        {"role": "user", "content": "My name is Alice."},
        {"role": "assistant", "content": "Hello Alice!"},
        {"role": "user", "content": "What is my name?"},
    ]
    assert whole(client.responses.create(model="medley", input=messages))["output"]


def test_a_turn_goes_on_from_the_response_before_it(client: openai.OpenAI) -> None:
    first = client.responses.create(model="tiny", input="My name is Alice.", max_output_tokens=8)
    second = client.responses.create(
        model="tiny", input="And now?", previous_response_id=first.id, max_output_tokens=8
    )
    listed = client.responses.input_items.list(second.id, order="asc")
    roles = [item.role for item in listed.data]  # type: ignore[union-attr]
    assert roles == ["user", "assistant", "user"]
    assert second.previous_response_id == first.id
    page = client.responses.input_items.list(second.id, limit=1)
    assert [item.id for item in page] == [item.id for item in reversed(listed.data)]


def test_the_stream_of_the_client_gives_the_final_response(client: openai.OpenAI) -> None:
    form: Any = {
        "type": "json_schema",
        "name": "person",
        "schema": {
            "type": "object",
            "properties": {"name": {"type": "string"}, "old": {"type": "boolean"}},
            "required": ["name", "old"],
            "additionalProperties": False,
        },
    }
    with client.responses.stream(model="tiny", input="Invent one.", text={"format": form}) as told:
        final = told.get_final_response()
    jsonschema.validate(json.loads(final.output_text), form["schema"])
    assert final.status == "completed"


def test_an_answer_to_a_plan_is_cut_at_its_most_tokens_too(client: openai.OpenAI) -> None:
    events = events_of(
        client.responses.create(model="medley", input="Hello", max_output_tokens=4, stream=True)
    )
    told = "".join(e["delta"] for e in events if e["type"] == "response.output_text.delta")
    last = events[-1]
    assert (last["type"], last["response"]["output"][-1]["content"][0]["text"]) == (
        "response.incomplete", told,
    )  # fmt: skip


def test_a_response_that_reached_its_most_tokens_is_incomplete(client: openai.OpenAI) -> None:
    response = client.responses.create(model="tiny", input="Go on", max_output_tokens=3)
    assert (response.status, response.usage and response.usage.output_tokens) == ("incomplete", 3)
    assert response.incomplete_details
    assert response.incomplete_details.reason == "max_output_tokens"


def test_what_runs_in_the_background_is_taken_up_behind_any_number(
    world: OpenAiWorld, client: openai.OpenAI
) -> None:
    begun = client.responses.create(model="tiny", input="Hi", background=True, max_output_tokens=30)
    assert begun.status in ("queued", "in_progress")
    every = events_of(client.responses.retrieve(begun.id, stream=True))
    assert every[-1]["type"] == "response.incomplete"
    for number in (0, 3, every[-2]["sequence_number"]):
        rest = client.responses.retrieve(begun.id, stream=True, starting_after=number)
        assert events_of(rest) == [e for e in every if e["sequence_number"] > number]


def test_live_and_told_again_are_the_same_events(client: openai.OpenAI) -> None:
    live = events_of(
        client.responses.create(model="tiny", input="Hello", stream=True, max_output_tokens=25)
    )
    again = events_of(client.responses.retrieve(live[0]["response"]["id"], stream=True))
    assert [strip(event) for event in live] == [strip(event) for event in again]


def strip(event: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in event.items() if name != "response"}


def test_the_wire_is_that_of_open_responses(world: OpenAiWorld) -> None:
    body = {"model": "tiny", "input": "Hello", "stream": True, "max_output_tokens": 5}
    reply = httpx2.post(f"{world.url}/v1/responses", json=body, timeout=120)
    assert reply.headers["content-type"].startswith("text/event-stream")
    blocks = [block for block in reply.text.split("\n\n") if block and not block.startswith(":")]
    assert blocks[-1] == "data: [DONE]"
    for block in blocks[:-1]:
        name, data = block.split("\n")
        assert name.removeprefix("event: ") == json.loads(data.removeprefix("data: "))["type"]


def test_plan_and_steps_are_told_only_when_they_are_asked_for(client: openai.OpenAI) -> None:
    asked: Any = {"include": ["medley:steps"]}
    events = events_of(
        client.responses.create(model="medley", input="Hello", stream=True, extra_body=asked)
    )
    kinds = {e["item"]["type"] for e in events if e["type"] == "response.output_item.added"}
    assert "medley:plan" in kinds
    plain = events_of(client.responses.create(model="medley", input="Hello", stream=True))
    assert not any("medley:" in json.dumps(e.get("item", "")) for e in plain)
    assert not any(e["type"].startswith("medley:") for e in plain)


def test_a_response_is_a_job(world: OpenAiWorld, client: openai.OpenAI) -> None:
    response = client.responses.create(
        model="tiny", input="Hi", metadata={"who": "me"}, max_output_tokens=4
    )
    with httpx2.Client(base_url=world.url) as plain:
        job = plain.get(f"/v1/jobs/{response.id}").json()
        assert job["id"] == response.id.replace("resp_", "job_")
        assert (job["status"], job["metadata"]) == ("succeeded", {"who": "me"})
        assert job["plan"]["steps"][0]["tool"] == "chat"
        assert job["id"] in [item["id"] for item in plain.get("/v1/jobs").json()["data"]]
    assert client.responses.retrieve(job["id"]).id == response.id


def test_a_response_is_stopped_and_forgotten(world: OpenAiWorld, client: openai.OpenAI) -> None:
    world.working.clear()
    begun = client.responses.create(model="tiny", input="Hi", background=True)
    stopped = client.responses.cancel(begun.id)
    world.working.set()
    assert stopped.status == "cancelled"
    client.responses.delete(begun.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(begun.id)


def test_what_is_not_stored_cannot_be_retrieved(client: openai.OpenAI) -> None:
    response = client.responses.create(model="tiny", input="Hi", store=False, max_output_tokens=4)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(response.id)


def test_tokens_are_counted_by_the_hub(client: openai.OpenAI) -> None:
    short = client.responses.input_tokens.count(model="tiny", input="Hi")
    longer = client.responses.input_tokens.count(model="tiny", input="Hi " * 20)
    assert longer.input_tokens > short.input_tokens > 0
    answered = client.responses.create(model="tiny", input="Hi", max_output_tokens=4)
    assert answered.usage is not None
    assert answered.usage.input_tokens == short.input_tokens


def test_a_conversation_holds_what_was_said(client: openai.OpenAI) -> None:
    talk = client.conversations.create(metadata={"a": "b"})
    for words in ("One", "Two"):
        client.responses.create(
            model="tiny", input=words, conversation=talk.id, max_output_tokens=6
        )
    items = client.conversations.items.list(talk.id, order="asc").data
    assert [item.role for item in items] == ["user", "assistant"] * 2  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"tools": [{"type": "web_search"}]}, "tools.0.type"),
        ({"tools": [{"type": "image_generation", "size": "7x7"}]}, "tools.0.size"),
        ({"tools": [WEATHER, {"type": "image_generation"}]}, "tools"),
        ({"tool_choice": {"type": "function", "name": "nobody"}}, "tool_choice"),
        ({"input": [{"type": "computer_call"}]}, "input.0.type"),
        (
            {"input": [{"role": "user", "content": [
                {"type": "input_image", "image_url": "http://127.0.0.1:1/a.png"}]}]},
            "input.0.content.0.image_url",
        ),
        (
            {"input": [{"role": "user", "content": [
                {"type": "input_image", "image_url": "data:image/png;base64,AAAA"}]}]},
            "input.0.content.0.image_url",
        ),
        ({"input": [{"role": "user", "content": [
            {"type": "input_image", "file_id": "asset_no"}]}]}, "input.0.content.0.file_id"),
        ({"temperature": 3}, "temperature"),
        ({"background": True, "store": False}, "background"),
        ({"unheard_of": 1}, "unheard_of"),
        ({"top_logprobs": 2}, "top_logprobs"),
        ({"text": {"format": {"type": "yaml"}}}, "text.format.type"),
        ({"input": []}, "input"),
    ],
)  # fmt: skip
def test_what_cannot_be_served_is_refused_by_name(
    client: openai.OpenAI, body: dict[str, Any], param: str
) -> None:
    asked: Any = {"model": "medley", "input": "Hi", **body}
    with pytest.raises(openai.BadRequestError) as error:
        client.post("/responses", body=asked, cast_to=object)
    assert error.value.param == param


def test_unknown_models_and_responses_are_not_found(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as error:
        client.responses.create(model="nobody/knows", input="Hi")
    assert error.value.code == "model_not_found"
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve("resp_0")
    with pytest.raises(openai.NotFoundError):
        client.responses.create(model="tiny", input="Hi", previous_response_id="resp_0")


@pytest.mark.parametrize(
    ("endpoint", "body"),
    [
        ("/v1/responses", {"input": "Say hello."}),
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": "Say hello."}]}),
    ],
)
def test_a_batch_may_ask_the_hub(client: openai.OpenAI, endpoint: Any, body: Any) -> None:
    picture = [{"type": "input_image", "image_url": "https://elsewhere.example/a.png"}]
    wrong = {"r1": {"stream": True}, "r2": {"input": [{"role": "user", "content": picture}]}}
    lines = [
        {"custom_id": name, "method": "POST", "url": endpoint, "body": {"model": "medley"} | asked}
        for name, asked in {"r0": body, **wrong}.items()
    ]
    data = "\n".join(json.dumps(line) for line in lines).encode()
    file = client.files.create(file=("in.jsonl", data), purpose="batch")
    made = client.batches.create(input_file_id=file.id, endpoint=endpoint, completion_window="24h")
    until = time.monotonic() + 120
    while made.status not in ("completed", "failed") and time.monotonic() < until:
        time.sleep(0.2)
        made = client.batches.retrieve(made.id)
    assert made.status == "completed"
    (row,) = map(json.loads, client.files.content(str(made.output_file_id)).text.splitlines())
    answer = row["response"]["body"]
    assert answer.get("output") or answer["choices"][0]["message"]["content"]
    refused = [
        json.loads(line)["response"]["status_code"]
        for line in client.files.content(str(made.error_file_id)).text.splitlines()
    ]
    assert refused == [400, 400]

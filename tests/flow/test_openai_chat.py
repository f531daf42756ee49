"""`/v1/chat/completions` and `/v1/conversations` with OpenAI's own client."""

import base64
import json
import re
import time
from typing import Any

import httpx2
import jsonschema
import openai
import pytest

from tests.flow import openai_world
from tests.flow.api_world import png, wav
from tests.flow.hub_world import wait_until
from tests.flow.openai_world import OpenAiWorld

MOST = 16
TOOL: Any = {
    "type": "function",
    "function": {
        "name": "get_time",
        "parameters": {
            "type": "object",
            "properties": {"zone": {"enum": ["utc", "local"]}},
            "required": ["zone"],
        },
    },
}
HELLO: Any = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}]
world, client = openai_world.world, openai_world.client


def test_a_completion_has_words_and_counted_tokens(client: openai.OpenAI) -> None:
    found = client.chat.completions.create(
        model="tiny", messages=HELLO, max_completion_tokens=MOST, temperature=1.0, seed=3
    )
    assert found.object == "chat.completion"
    assert found.choices[0].message.content
    assert found.choices[0].finish_reason == "length"
    assert found.usage is not None
    assert found.usage.completion_tokens == MOST
    assert found.usage.prompt_tokens > 0


def test_a_call_that_is_cut_is_no_words(client: openai.OpenAI) -> None:
    asked: Any = {"tools": [TOOL], "tool_choice": "required", "max_tokens": 3}
    found = client.chat.completions.with_raw_response.create(model="tiny", messages=HELLO, **asked)
    choice = found.parse().choices[0]
    assert (choice.finish_reason, choice.message.content or "") == ("length", "")
    assert re.match(r"queue;dur=\d+, work;dur=\d+, app;dur=", found.headers["server-timing"])
    told = list(client.chat.completions.create(model="tiny", messages=HELLO, stream=True, **asked))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in told) == ""
    assert told[-1].choices[0].finish_reason == "length"


def test_the_same_seed_says_the_same(client: openai.OpenAI) -> None:
    texts = [
        client.chat.completions.create(
            model="tiny", messages=HELLO, max_tokens=MOST, temperature=1.5, top_p=0.9, seed=seed
        )
        .choices[0]
        .message.content
        for seed in (5, 5, 6)
    ]
    assert texts[0] == texts[1] != texts[2]


def test_the_whole_service_answers_and_says_what_it_made(client: openai.OpenAI) -> None:
    found = client.chat.completions.create(model="gpt-4o", messages=HELLO)
    assert found.choices[0].finish_reason == "stop"
    assert found.choices[0].message.content
    assert found.to_dict()["medley"]["outputs"] == []  # type: ignore[index]


@pytest.mark.parametrize("model", ["tiny", "medley"])
def test_chunks_add_up_to_the_message(client: openai.OpenAI, model: str) -> None:
    chunks = list(
        client.chat.completions.create(
            model=model,
            messages=HELLO,
            max_tokens=MOST if model == "tiny" else None,
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    assert chunks[0].choices[0].delta.role == "assistant"
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert chunks[-2].choices[0].finish_reason in ("stop", "length")
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens > 0
    assert len({chunk.id for chunk in chunks}) == 1


def test_the_wire_has_no_names_and_ends_with_done(world: OpenAiWorld) -> None:
    body = {"model": "tiny", "messages": HELLO, "stream": True, "max_tokens": 4}
    reply = httpx2.post(f"{world.url}/v1/chat/completions", json=body, timeout=120)
    lines = [line for line in reply.text.split("\n") if line and not line.startswith(":")]
    assert all(line.startswith("data: ") for line in lines)
    assert lines[-1] == "data: [DONE]"


@pytest.mark.parametrize("streams", [False, True])
def test_a_function_is_called_and_its_result_answered(client: openai.OpenAI, streams: bool) -> None:
    asked: Any = {"model": "medley", "messages": HELLO, "tools": [TOOL], "tool_choice": "required"}
    if streams:
        with client.chat.completions.stream(**asked) as stream:
            choice = stream.get_final_completion().choices[0]
    else:
        choice = client.chat.completions.create(**asked).choices[0]
    assert choice.finish_reason == "tool_calls"
    assert choice.message.tool_calls
    call: Any = choice.message.tool_calls[0]
    jsonschema.validate(json.loads(call.function.arguments), TOOL["function"]["parameters"])
    if streams:
        return
    after: Any = [
        *HELLO,
        choice.message.to_dict(),
        {"role": "tool", "tool_call_id": call.id, "content": "12:00"},
    ]
    done = client.chat.completions.create(
        model="medley", messages=after, tools=[TOOL], tool_choice="none", max_tokens=MOST
    )
    assert done.choices[0].message.content


def test_a_response_format_is_kept_to(client: openai.OpenAI) -> None:
    schema = {
        "type": "object",
        "properties": {"n": {"enum": [1, 2]}, "word": {"type": "string"}},
        "required": ["n", "word"],
    }
    form: Any = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    found = client.chat.completions.create(model="tiny", messages=HELLO, response_format=form)
    jsonschema.validate(json.loads(found.choices[0].message.content or ""), schema)


def test_media_in_a_message_are_looked_at_first(world: OpenAiWorld, client: openai.OpenAI) -> None:
    picture = "data:image/png;base64," + base64.b64encode(png()).decode()
    content: Any = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": picture}},
        {"type": "input_audio", "input_audio": {"data": sound(), "format": "wav"}},
        {"type": "file", "file": {"filename": "a.txt", "file_data": "data:text/plain,hello"}},
    ]
    messages: Any = [{"role": "user", "content": content}]
    begun = client.post(
        "/chat/completions",
        body={"model": "tiny", "messages": messages, "stream": True, "max_tokens": 4},
        cast_to=httpx2.Response,
    )
    job = httpx2.get(f"{world.url}/v1/jobs/{begun.headers['medley-job-id']}").json()
    tools = [step["tool"] for step in job["plan"]["steps"]]
    assert tools.count("describe") == 2
    assert tools[-1] == "chat"


def test_a_hub_that_sees_is_shown_the_picture_itself(
    world: OpenAiWorld, client: openai.OpenAI
) -> None:
    picture = "data:image/png;base64," + base64.b64encode(png()).decode()
    content: Any = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": picture}},
    ]
    messages: Any = [{"role": "user", "content": content}]
    found = client.chat.completions.create(model="seeing", messages=messages, max_tokens=4)
    assert found.usage is not None
    assert found.usage.completion_tokens == 4
    job = httpx2.get(f"{world.url}/v1/jobs/{found.to_dict()['medley']['job']}").json()
    assert [step["tool"] for step in job["plan"]["steps"]] == ["chat"]


def sound() -> str:
    return base64.b64encode(wav()).decode()


@pytest.mark.parametrize("streams", [False, True])
def test_a_caller_who_goes_away_takes_the_job_along(world: OpenAiWorld, streams: bool) -> None:
    world.working.clear()
    body = {"model": "tiny", "messages": HELLO, "stream": streams, "metadata": {"s": str(streams)}}
    with pytest.raises(httpx2.TimeoutException):
        httpx2.post(f"{world.url}/v1/chat/completions", json=body, timeout=2)

    def gone() -> bool:
        jobs = httpx2.get(f"{world.url}/v1/jobs").json()["data"]
        mine = [job for job in jobs if job["metadata"] == {"s": str(streams)}]
        return bool(mine) and mine[0]["status"] == "canceled"

    wait_until(gone)
    world.working.set()


def test_a_call_that_takes_too_long_names_its_job(
    world: OpenAiWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.openai.telling.PATIENCE_S", 0.2)
    world.working.clear()
    with pytest.raises(openai.APIStatusError) as error:
        world.client.chat.completions.create(model="tiny", messages=HELLO, max_tokens=4)
    world.working.set()
    assert error.value.status_code == 504
    assert error.value.response.headers["x-should-retry"] == "false"
    job = error.value.response.headers["medley-job-id"]
    assert job in error.value.message
    until = time.monotonic() + 60
    while httpx2.get(f"{world.url}/v1/jobs/{job}").json()["status"] != "succeeded":
        assert time.monotonic() < until
        time.sleep(0.1)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"n": 2}, "n"),
        ({"tools": [{"type": "custom"}]}, "tools.0.type"),
        ({"logprobs": True}, "logprobs"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "owl", "content": "x"}]}, "messages.0.role"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages.0.tool_call_id"),
        ({"messages": [{"role": "user", "content": [{"type": "video"}]}]},
         "messages.0.content.0.type"),
        ({"modalities": ["audio"], "audio": {"format": "aac"}}, "audio.format"),
        ({"keep_alive": 3}, "keep_alive"),
        ({"functions": [{"name": "f"}]}, "functions"),
        ({"function_call": "auto"}, "function_call"),
        ({"messages": [{"role": "function", "name": "f", "content": "1"}]}, "messages.0.role"),
    ],
)  # fmt: skip
def test_what_cannot_be_served_is_refused_by_name(
    client: openai.OpenAI, body: dict[str, Any], param: str
) -> None:
    asked: Any = {"model": "tiny", "messages": HELLO, **body}
    with pytest.raises(openai.BadRequestError) as error:
        client.post("/chat/completions", body=asked, cast_to=object)
    assert error.value.param == param


def test_what_clients_send_by_habit_is_passed_over(client: openai.OpenAI) -> None:
    found = client.chat.completions.create(
        model="tiny",
        messages=HELLO,
        max_tokens=4,
        user="me",
        logit_bias={"1": 1},
        presence_penalty=0,
        reasoning_effort="low",
        service_tier="auto",
        store=False,
    )
    assert found.choices


def test_a_form_that_is_none_is_the_callers_mistake(client: openai.OpenAI) -> None:
    form: Any = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "owl"}}}
    with pytest.raises(openai.BadRequestError) as error:
        client.chat.completions.create(model="tiny", messages=HELLO, response_format=form)
    assert error.value.code == "bad_input"


def test_conversations_have_openais_shape_and_ours(client: openai.OpenAI) -> None:
    said: Any = [{"type": "message", "role": "user", "content": "Hello"}]
    talk = client.conversations.create(items=said, metadata={"a": "1"})
    assert (talk.object, talk.metadata) == ("conversation", {"a": "1"})
    assert isinstance(talk.created_at, int)
    assert client.conversations.update(talk.id, metadata={"b": "2"}).metadata == {"b": "2"}
    more: Any = [
        {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "done"},
        {"role": "assistant", "content": [{"type": "output_text", "text": "There."}]},
    ]
    made = client.conversations.items.create(talk.id, items=more).data
    kinds = [item.type for item in client.conversations.items.list(talk.id, order="asc")]
    assert kinds == ["message", "function_call", "function_call_output", "message"]
    found: Any = client.conversations.items.retrieve(made[2].id, conversation_id=talk.id)
    assert found.content[0].text == "There."
    client.conversations.items.delete(made[0].id, conversation_id=talk.id)
    rest = client.conversations.items.list(talk.id, order="asc").data
    assert [item.to_dict()["parent"] for item in rest] == [None, rest[0].id, rest[1].id]
    assert client.conversations.retrieve(talk.id).id == talk.id
    assert client.conversations.delete(talk.id).deleted is True
    with pytest.raises(openai.NotFoundError):
        client.conversations.retrieve(talk.id)

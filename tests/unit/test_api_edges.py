"""The small pure parts of the HTTP service: strict JSON, file names, preferences, the document."""

import json
from contextlib import suppress

import pytest
from fastapi.exceptions import RequestValidationError
from hypothesis import given
from hypothesis import strategies as st

from api import openapi, problems
from api.downloads import disposition, file_name, matches
from api.incoming import display_name
from api.openai.image_bodies import ImageEditIn
from api.orders import parse
from api.problems import ApiError
from api.routes.jobs import wait_of
from api.schemas.requests import JobIn
from api.strict_json import loads
from medley.gate import Fault
from medley.modality import Modality
from medley.plan import AssetBinding, TextBinding, Workflow
from orchestrator.binding import bind
from orchestrator.events import client_url
from orchestrator.idempotency import fingerprint

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(codec="ascii", min_codepoint=1)), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(JSON)
def test_honest_json_is_read_as_it_is(value: object) -> None:
    assert loads(json.dumps(value)) == value


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    with suppress(ApiError):
        loads(raw)


def test_the_deepest_json_that_is_read_has_32_levels() -> None:
    loads("[" * 32 + "]" * 32)
    with pytest.raises(ApiError, match="deeper"):
        loads("[" * 33 + "]" * 33)


@pytest.mark.parametrize(
    ("text", "pointer"),
    [
        (r'{"a": [1, "\u0000"]}', "/a/1"),
        (r'{"a/b": {"c": "\ud800"}}', "/a~1b/c"),
        ('{"n": 9223372036854775808}', "/n"),
        ('{"n": -1' + "0" * 4000 + "}", "/n"),
        ('{"n": 1e999}', "/n"),
    ],
)
def test_what_cannot_be_stored_is_refused_with_its_place(text: str, pointer: str) -> None:
    with pytest.raises(ApiError) as caught:
        loads(text)
    assert [fault["pointer"] for fault in caught.value.errors] == [pointer]


@pytest.mark.parametrize(
    "options", [{"seed": True}, {"seed": "7"}, {"seed": 7.5}, {"ask": "no"}, {"min_score": "0.5"}]
)
def test_a_number_or_a_truth_value_is_what_json_means_by_it(options: dict[str, object]) -> None:
    with pytest.raises(RequestValidationError) as caught:
        parse(JobIn, {"input": "Draw a cat", "options": options})
    (name,) = options
    assert [item["loc"] for item in caught.value.errors()] == [("body", "options", name)]


def test_in_a_form_numbers_are_words() -> None:
    sent = {"prompt": "a cat", "n": "2", "stream": "true", "strength": "0.4"}
    form = parse(ImageEditIn, sent, strict=False)
    assert (form.n, form.stream, form.strength) == (2, True, 0.4)
    assert parse(ImageEditIn, {"prompt": "a cat", "strength": 1}).strength == 1


@given(st.text())
def test_a_file_name_is_safe_in_a_header(name: str) -> None:
    header = disposition("text/html", file_name(display_name(name), "asset_1", "image/png"))
    assert header.startswith("attachment; ")
    assert header.isascii()
    assert header.isprintable()
    assert header.count('"') == 2


def test_only_pictures_sounds_and_videos_are_shown_inline() -> None:
    assert disposition("image/png", "a.png") == 'inline; filename="a.png"'
    assert disposition("image/svg+xml", "a.svg").startswith("attachment")
    assert "filename*=UTF-8''K%C3%A4tzchen.png" in disposition("image/png", "Kätzchen.png")


def test_a_name_keeps_its_stem_and_gets_the_true_extension() -> None:
    assert display_name("../../etc/pass\nwd") == "pass_wd"
    assert display_name("C:\\evil\\cat.png") == "cat.png"
    assert file_name("cat.exe", "asset_1", "image/jpeg") == "cat.jpg"
    assert file_name("", "asset_1", "audio/wav") == "asset_1.wav"


@pytest.mark.parametrize(
    ("prefer", "seconds"),
    [
        (None, None),
        ("respond-async", None),
        ("wait=5", 5),
        ("respond-async, wait=10", 10),
        ("wait=3600", 60),
        ("wait=soon", None),
        ("await=5", None),
    ],
)
def test_the_preferred_wait_is_at_most_a_minute(prefer: str | None, seconds: int | None) -> None:
    assert wait_of(prefer) == seconds


def test_tags_match_weakly_and_by_star() -> None:
    assert matches('W/"a", "b"', '"a"')
    assert matches("*", '"a"')
    assert not matches('"c"', '"a"')
    assert not matches(None, '"a"')


def test_a_redis_url_of_celery_becomes_one_of_redis_py() -> None:
    assert client_url("redis+socket:///run/x.sock?virtual_host=2") == "unix:///run/x.sock?db=2"
    assert client_url("redis://host/0") == "redis://host/0"


def test_a_fingerprint_sees_order_of_files_and_not_of_keys() -> None:
    assert fingerprint({"a": 1, "b": 2}, ["x"]) == fingerprint({"b": 2, "a": 1}, ["x"])
    assert fingerprint({}, ["x", "y"]) != fingerprint({}, ["y", "x"])


def test_inputs_of_a_workflow_fill_single_ports_and_lists() -> None:
    workflow = Workflow.model_validate(
        {
            "name": "Sheet",
            "inputs": {
                "photos": {"modality": "image", "many": True},
                "title": {"modality": "text", "required": False},
            },
            "plan": {
                "steps": [
                    {"id": "s1", "tool": "collage", "inputs": {"images": {"input": "photos"}}},
                    {
                        "id": "s2",
                        "tool": "caption",
                        "inputs": {"image": {"from": "s1.image"}, "text": {"input": "title"}},
                    },
                ]
            },
        }
    )
    pictures = [AssetBinding(asset="a1"), AssetBinding(asset="a2")]
    known = {"a1": Modality.IMAGE, "a2": Modality.IMAGE}
    plan, faults = bind(workflow, {"photos": pictures}, known)
    assert faults == []
    assert plan.steps[0].inputs["images"] == pictures
    assert "text" not in plan.steps[1].inputs
    _, faults = bind(workflow, {"photos": TextBinding(text="x")}, known)
    assert faults == [Fault("/inputs/photos", "Got text; takes image.", "Give image.")]


def test_the_committed_document_is_true() -> None:
    assert openapi.FILE.read_text(encoding="utf-8") == openapi.text(), "run `make openapi`"


def test_errors_where_openai_is_spoken_are_plain_json() -> None:
    assert problems.media_type("/v1/images/generations") == "application/json"
    assert problems.media_type("/v1/responses") == "application/json"
    assert problems.media_type("/v1/jobs/images") == problems.MEDIA_TYPE
    assert problems.media_type("/") == problems.MEDIA_TYPE
    faults = [{"pointer": "/tools/0/size", "reason": "no"}]
    openai = problems.body(400, "c", "d", instance="/v1/responses", request_id="r", errors=faults)
    assert openai["error"]["param"] == "tools.0.size"

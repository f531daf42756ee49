"""Files that are named by URLs: assets, parts of a request, values of a workflow."""

import base64
import json
import socket
from collections.abc import Iterator
from ipaddress import ip_network
from typing import Any

import pytest

from api.main import create_app
from api.openai.calls import Refused
from api.openai.given import media
from medley.settings import Settings
from tests.flow.api_world import World, caption_plan, open_world, png, wav
from tests.rude_server import Rude, answer, rude

DATA = "data:image/png;base64,"


@pytest.fixture
def open_settings(settings: Settings) -> Settings:
    """Settings under which this machine's own servers may be asked."""
    changes: dict[str, Any] = {"url_networks": (ip_network("127.0.0.0/8"),), "url_ports": ()}
    return settings.model_copy(update=changes)


@pytest.fixture
def world(open_settings: Settings) -> Iterator[World]:
    with open_world(create_app(open_settings), open_settings) as opened:
        yield opened


@pytest.fixture
def pictures() -> Iterator[Rude]:
    """A server of pictures and a sound, each at its own path."""

    def send(line: socket.socket, request: bytes) -> None:
        path = request.split(b" ")[1].partition(b"?")[0].decode()
        found = {"/red.png": png("red"), "/blue.png": png("blue"), "/a.wav": wav()}
        found["/lie.png"] = b"<html>no picture</html>"
        body = found.get(path)
        (answer(body) if body else answer(b"", "404 Not Found"))(line, request)

    with rude(send) as server:
        yield server


def data_url(data: bytes) -> str:
    """The bytes inside a URL."""
    return DATA + base64.b64encode(data).decode()


def test_an_asset_is_taken_from_a_url(world: World, pictures: Rude) -> None:
    url = f"{pictures.url}/red.png?signature=secret"
    first = world.client.post("/v1/assets", json={"url": url})
    again = world.client.post("/v1/assets", json={"url": url, "name": "mine.png"})
    assert (first.status_code, again.status_code) == (201, 200)
    shown = first.json()
    assert (shown["name"], shown["media_type"]) == ("red.png", "image/png")
    assert shown["origin"] == {"kind": "url", "url": f"{pictures.url}/red.png"}
    assert world.client.get(shown["urls"]["content"]).content == png("red")
    assert again.json()["id"] == shown["id"]


def test_an_asset_is_taken_out_of_a_data_url(world: World) -> None:
    sent = world.client.post("/v1/assets", json={"url": data_url(png("blue")), "name": "b.png"})
    assert sent.status_code == 201
    assert sent.json()["origin"] == {"kind": "upload"}
    assert sent.json()["name"] == "b.png"


def test_what_cannot_be_taken_is_refused_and_leaves_nothing(world: World, pictures: Rude) -> None:
    for url, status, code in [
        ("/none.png", 422, "url_failed"),
        ("/lie.png", 415, "unsupported_media"),
        ("ftp://example.com/a.png", 422, "url_refused"),
        ("http://169.254.169.254/latest/", 422, "url_refused"),
        ("http://[::1]/a.png", 422, "url_refused"),
        ("data:image/png,plain", 422, "url_refused"),
        (DATA + "@@@@", 422, "url_refused"),
        (DATA, 422, "broken_media"),
        (DATA + base64.b64encode(b"<svg onload=alert(1)>").decode(), 415, "unsupported_media"),
        ("", 422, "invalid_request"),
    ]:
        named = pictures.url + url if url.startswith("/") else url
        sent = world.client.post("/v1/assets", json={"url": named})
        assert (sent.status_code, sent.json()["code"]) == (status, code), url
        if code.startswith("url_"):
            assert sent.json()["errors"][0]["pointer"] == "/url"
    assert world.client.get("/v1/assets").json()["data"] == []
    assert list((world.settings.asset_folder / "tmp").iterdir()) == []


def test_nothing_is_fetched_from_inside_unless_its_network_is_listed(
    settings: Settings, pictures: Rude
) -> None:
    with open_world(create_app(settings), settings) as world:
        sent = world.client.post("/v1/assets", json={"url": f"{pictures.url}/red.png"})
        assert (sent.status_code, sent.json()["code"]) == (422, "url_refused")
    assert pictures.seen == []


def test_fetching_can_be_switched_off_and_data_urls_stay(
    open_settings: Settings, pictures: Rude
) -> None:
    off = open_settings.model_copy(update={"url_inputs": False})
    with open_world(create_app(off), off) as world:
        sent = world.client.post("/v1/assets", json={"url": f"{pictures.url}/red.png"})
        assert (sent.status_code, sent.json()["code"]) == (422, "url_inputs_off")
        assert world.client.post("/v1/assets", json={"url": data_url(png())}).status_code == 201
    assert pictures.seen == []


def test_parts_of_a_request_may_be_urls(world: World, pictures: Rude) -> None:
    parts = [
        {"type": "text", "text": "What is on these?"},
        {"type": "url", "url": f"{pictures.url}/red.png"},
        {"type": "url", "url": data_url(png("green"))},
        {"type": "url", "url": f"{pictures.url}/a.wav"},
        {"type": "url", "url": f"{pictures.url}/red.png"},
    ]
    job = world.submit(input=parts)
    kinds = [part["modality"] or part["type"] for part in job["input"]]
    assert kinds == ["text", "image", "image", "audio", "image"]
    assert job["input"][1]["asset"] == job["input"][4]["asset"]
    assert len(pictures.seen) == 2


def test_the_place_of_a_url_that_gives_nothing_is_named(world: World, pictures: Rude) -> None:
    parts = [{"type": "text", "text": "hm"}, {"type": "url", "url": f"{pictures.url}/none.png"}]
    sent = world.client.post("/v1/jobs", json={"input": parts})
    assert sent.status_code == 422
    (fault,) = sent.json()["errors"]
    assert (fault["pointer"], fault["reason"]) == ("/input/1/url", "The URL answered 404.")


def test_values_of_a_workflow_may_be_urls(world: World, pictures: Rude) -> None:
    plan = caption_plan("asset_x")
    plan["steps"][0]["inputs"]["image"] = {"input": "photo"}
    workflow = {"name": "Caption", "inputs": {"photo": {"modality": "image"}}, "plan": plan}
    saved = world.client.post("/v1/workflows", json=workflow)
    assert saved.status_code == 201, saved.text
    run = {"inputs": {"photo": {"url": f"{pictures.url}/blue.png"}}}
    headers = {"Idempotency-Key": "k"}
    path = f"/v1/workflows/{saved.json()['id']}/runs"
    first = world.client.post(path, json=run, headers=headers)
    again = world.client.post(path, json=run, headers=headers)
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json()["id"] == again.json()["id"]
    assert len(pictures.seen) == 1, "what was answered once is not fetched again"


def test_more_urls_than_are_accepted_are_refused(world: World) -> None:
    parts = [{"type": "url", "url": f"https://example.com/{place}"} for place in range(17)]
    sent = world.client.post("/v1/jobs", json={"input": parts})
    assert (sent.status_code, sent.json()["code"]) == (422, "invalid_request")


def test_a_url_with_a_file_of_the_same_name_is_not_mixed_up(world: World, pictures: Rude) -> None:
    url = f"{pictures.url}/red.png"
    request = json.dumps(
        {"input": [{"type": "url", "url": url}, {"type": "file", "file": "red.png"}]}
    )
    files = {"file": ("red.png", png("blue"))}
    sent = world.client.post("/v1/jobs", data={"request": request}, files=files)
    assert sent.status_code == 202, sent.text
    red, blue = sent.json()["input"]
    assert world.client.get(red["url"]).content == png("red")
    assert world.client.get(blue["url"]).content == png("blue")


def test_media_in_the_form_of_openai_may_be_an_address_of_the_web(
    world: World, pictures: Rude
) -> None:
    here = world.client.app.state.service  # type: ignore[attr-defined]
    found = media(here, "default", f"{pictures.url}/red.png", "input")
    assert (found.media_type, found.origin["kind"]) == ("image/png", "url")
    with pytest.raises(Refused, match="404"):
        media(here, "default", f"{pictures.url}/none.png", "input")
    with pytest.raises(Refused, match="not asked"):
        media(here, "default", "http://10.0.0.1/", "input")

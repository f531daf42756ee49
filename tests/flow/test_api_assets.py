"""Assets over HTTP: in by form or as they are, out by ranges, refused when they are not media."""

import hashlib
from collections.abc import Iterator

import pytest

from api.main import create_app
from medley.settings import Settings
from tests.flow.api_world import World, caption_plan, open_world, png, wav


@pytest.fixture
def world(settings: Settings) -> Iterator[World]:
    with open_world(create_app(settings), settings) as opened:
        yield opened


def test_a_new_file_is_created_and_the_same_bytes_are_found_again(world: World) -> None:
    first = world.client.post("/v1/assets", files={"file": ("cat.png", png())})
    again = world.client.post("/v1/assets", files={"file": ("other.png", png())})
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert first.json()["sha256"] == hashlib.sha256(png()).hexdigest()
    assert first.json()["facts"] == {"width": 32, "height": 24} | first.json()["facts"]
    assert first.headers["location"] == f"/v1/assets/{first.json()['id']}"


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_a_raw_body_is_a_file_with_its_name_in_a_header(world: World, method: str) -> None:
    headers = {"content-type": "application/octet-stream", "x-filename": "K%C3%A4tzchen.png"}
    sent = world.client.request(method, "/v1/assets", content=png(), headers=headers)
    assert sent.status_code == 201
    assert (sent.json()["name"], sent.json()["media_type"]) == ("Kätzchen.png", "image/png")


def test_several_files_of_a_form_come_back_as_a_list(world: World) -> None:
    files = [("a", ("a.png", png("blue"))), ("b", ("b.wav", wav()))]
    sent = world.client.post("/v1/assets", files=files)
    assert [item["modality"] for item in sent.json()["data"]] == ["image", "audio"]


def test_content_has_ranges_validators_and_headers_that_stop_browsers(world: World) -> None:
    asset = world.upload(name='ev"il\r\nx.html')
    whole = world.client.get(f"/v1/assets/{asset}/content")
    part = world.client.get(f"/v1/assets/{asset}/content", headers={"range": "bytes=0-3"})
    assert whole.content == png()
    assert (part.status_code, part.content) == (206, png()[:4])
    assert part.headers["content-range"] == f"bytes 0-3/{len(png())}"
    same = {"if-none-match": whole.headers["etag"]}
    assert world.client.get(f"/v1/assets/{asset}/content", headers=same).status_code == 304
    assert whole.headers["etag"] == f'"{hashlib.sha256(png()).hexdigest()}"'
    assert whole.headers["x-content-type-options"] == "nosniff"
    assert whole.headers["content-security-policy"].startswith("sandbox")
    assert "immutable" in whole.headers["cache-control"]
    assert whole.headers["content-disposition"].endswith('filename="x.png"') or (
        "html" not in whole.headers["content-disposition"]
    )


def test_a_range_beyond_the_end_is_a_problem_that_says_the_size(world: World) -> None:
    asset = world.upload()
    reply = world.client.get(f"/v1/assets/{asset}/content", headers={"range": "bytes=999999-"})
    assert reply.status_code == 416
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.headers["content-range"] == f"bytes */{len(png())}"


def test_head_of_the_content_has_its_length_and_no_body(world: World) -> None:
    reply = world.client.head(f"/v1/assets/{world.upload()}/content")
    assert (reply.status_code, reply.content) == (200, b"")
    assert reply.headers["content-length"] == str(len(png()))


def test_a_thumbnail_is_a_small_webp(world: World) -> None:
    reply = world.client.get(f"/v1/assets/{world.upload(png(size=(400, 300)))}/thumbnail?w=64")
    assert (reply.status_code, reply.headers["content-type"]) == (200, "image/webp")
    assert reply.content[8:12] == b"WEBP"


def test_assets_are_listed_by_how_they_came_about(world: World) -> None:
    asset = world.upload()
    uploaded = world.client.get("/v1/assets", params={"origin": "upload"}).json()["data"]
    assert asset in [item["id"] for item in uploaded]
    assert all(item["origin"]["kind"] == "upload" for item in uploaded)
    made = world.client.get("/v1/assets", params={"origin": "step"}).json()["data"]
    assert asset not in [item["id"] for item in made]
    assert world.client.get("/v1/assets", params={"origin": "sky"}).status_code == 422


def test_assets_are_listed_by_one_or_more_modalities(world: World) -> None:
    picture, sound = world.upload(), world.upload(wav(), "a.wav")
    both = world.client.get("/v1/assets", params={"modality": ["image", "audio"]}).json()["data"]
    assert {picture, sound} <= {item["id"] for item in both}
    one = world.client.get("/v1/assets", params={"modality": "audio"}).json()["data"]
    assert {item["modality"] for item in one} == {"audio"}


def test_what_keeps_an_asset_from_being_deleted_is_named(world: World) -> None:
    job, asset = world.plan_job()
    plan = caption_plan(asset)
    flow = world.client.post("/v1/workflows", json={"name": "postcard", "plan": plan}).json()
    named = world.client.get(f"/v1/assets/{asset}/uses").json()["data"]
    kinds = {item["id"]: item["object"] for item in named}
    assert (kinds[job["id"]], kinds[flow["id"]]) == ("job", "workflow")
    assert len(named) == len(kinds)
    assert all(world.client.get(item["url"]).status_code == 200 for item in named)
    assert world.client.delete(f"/v1/assets/{asset}").status_code == 409
    unused = world.upload(png("pink", (11, 7)))
    assert world.client.get(f"/v1/assets/{unused}/uses").json()["data"] == []
    assert world.client.get("/v1/assets/asset_0/uses").status_code == 404


@pytest.mark.parametrize(
    ("data", "codes"),
    [
        (b"", {"broken_media"}),
        (b"<html><script>alert(1)</script></html>", {"unsupported_media"}),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", {"unsupported_media"}),
        (png()[:40], {"broken_media", "unsupported_media"}),
        (b"#EXTM3U\nfile:///etc/passwd\n", {"unsupported_media"}),
        (b"\x89PNG\r\n\x1a\n" + bytes(200), {"broken_media", "unsupported_media"}),
        (b"\0" * 5000, {"broken_media", "unsupported_media"}),
    ],
)
def test_what_is_no_media_is_refused_with_a_reason(
    world: World, data: bytes, codes: set[str]
) -> None:
    reply = world.client.post("/v1/assets", files={"file": ("cat.png", data, "image/png")})
    assert reply.status_code in (415, 422)
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.json()["code"] in codes
    assert list((world.settings.asset_folder / "tmp").iterdir()) == []
    assert world.client.get("/v1/assets").json()["data"] == []


def test_a_file_beyond_the_limit_is_refused_and_leaves_nothing(settings: Settings) -> None:
    small = settings.model_copy(update={"max_upload_bytes": 1000})
    with open_world(create_app(small), small) as world:
        form = world.client.post("/v1/assets", files={"file": ("big.png", bytes(5000))})
        raw = world.client.post(
            "/v1/assets", content=bytes(5000), headers={"content-type": "image/png"}
        )
        assert [form.status_code, raw.status_code] == [413, 413]
        assert [form.json()["code"], raw.json()["code"]] == ["too_large", "too_large"]
        assert list((small.asset_folder / "tmp").iterdir()) == []


def test_a_body_beyond_every_limit_is_a_problem_too(settings: Settings) -> None:
    small = settings.model_copy(update={"max_upload_bytes": 1000})
    with open_world(create_app(small), small) as world:
        sent = world.client.post(
            "/v1/assets", content=bytes(6 << 20), headers={"content-type": "image/png"}
        )
        assert (sent.status_code, sent.json()["code"]) == (413, "too_large")
        assert sent.headers["content-type"] == "application/problem+json"


FORM = "multipart/form-data; boundary=x"
NAMELESS = b"--x\r\nContent-Disposition: form-data\r\n\r\nhi\r\n--x--\r\n"
LONG_HEADER = b"--x\r\nA: " + b"b" * 20000 + b"\r\n\r\nhi\r\n--x--\r\n"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"--x\r\nnothing", FORM),
        (b"", FORM),
        (b"--x--\r\n", "multipart/form-data"),
        (NAMELESS, FORM),
        (LONG_HEADER, FORM),
        (b"garbage", "multipart/form-data; boundary=" + "y" * 300),
    ],
)
def test_a_broken_form_is_refused(world: World, body: bytes, kind: str) -> None:
    reply = world.client.post("/v1/assets", content=body, headers={"content-type": kind})
    assert (reply.status_code, reply.json()["code"]) == (400, "bad_form")


def test_lists_go_on_after_the_last_id(world: World) -> None:
    ids = [world.upload(png(colour)) for colour in ("red", "green", "blue")]
    first = world.client.get("/v1/assets?limit=2").json()
    rest = world.client.get(f"/v1/assets?limit=2&after={first['last_id']}").json()
    assert [item["id"] for item in first["data"] + rest["data"]] == ids[::-1]
    assert (first["has_more"], rest["has_more"]) == (True, False)


def test_an_asset_that_a_job_names_cannot_be_deleted(world: World) -> None:
    used, free = world.upload(), world.upload(png("blue"))
    world.submit(input=[{"type": "asset", "asset": used}])
    reply = world.client.delete(f"/v1/assets/{used}")
    assert (reply.status_code, reply.json()["code"]) == (409, "asset_in_use")
    assert world.client.delete(f"/v1/assets/{free}").status_code == 204
    assert world.client.get(f"/v1/assets/{free}").status_code == 404

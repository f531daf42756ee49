"""Recipes in files, lineage, and content credentials, over HTTP."""

import base64
import hashlib
import io
import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import openai
import pytest
from PIL import Image, PngImagePlugin
from sqlalchemy import text

from api.main import create_app
from api.openai.files_out import reader
from api.problems import MEDIA_TYPE
from medley.errors import Unavailable
from medley.media import credentials
from medley.media.carrying import carry, notes_in
from medley.media.carrying_pictures import Notes
from medley.media.credentials import MissingExtra
from medley.media.facts import Limits
from medley.settings import Settings
from medley.toolset import toolbox
from orchestrator.assets import FolderStore
from orchestrator.database import transaction
from orchestrator.engine import asset_ids, load_assets, resolve
from tests.flow.api_world import World, caption_plan, open_world, png, served, wav
from tests.signing import ISSUER, make_chain
from workers.media import to_parts


@pytest.fixture
def world(settings: Settings) -> Iterator[World]:
    with open_world(create_app(settings), settings) as opened:
        yield opened


@pytest.fixture
def signing(settings: Settings, tmp_path: Path) -> Settings:
    certificate, key = make_chain(tmp_path)
    return settings.model_copy(update={"c2pa_certificate": certificate, "c2pa_key": key})


def work(world: World, colour: str) -> None:
    """Runs one step as a worker would, with a plain picture as its output."""
    lease = world.hands.take()
    store = FolderStore(world.settings.asset_folder)
    with transaction(world.hands.db) as conn:
        inputs = resolve(lease, load_assets(conn, lease.tenant, asset_ids(lease)))
    values = {"image": Image.new("RGB", (16, 12), colour)}
    stored = to_parts(values, lease, toolbox()[lease.tool], inputs, store, Limits())
    world.hands.finish(lease, outputs=stored.to_json(), assets=stored.assets)


def made(world: World, colour: str = "blue", **more: Any) -> tuple[dict[str, Any], str]:
    """A finished job of `caption_plan`, and the picture that it shows."""
    job, _ = world.plan_job(**more)
    work(world, "green")
    work(world, colour)
    done = world.client.get(f"/v1/jobs/{job['id']}").json()
    assert done["status"] == "succeeded"
    return done, done["outputs"][0]["asset"]


def read(world: World, data: bytes, name: str = "found.png") -> Any:
    return world.client.post("/v1/recipes/read", files={"file": (name, data)})


def test_a_download_carries_its_recipe_and_the_stored_bytes_stay_what_their_hash_says(
    world: World,
) -> None:
    job, asset = made(world)
    plain = world.client.get(f"/v1/assets/{asset}/content")
    carried = world.client.get(job["outputs"][0]["url"])
    shown = world.client.get(f"/v1/assets/{asset}").json()
    assert hashlib.sha256(plain.content).hexdigest() == shown["sha256"]
    assert plain.headers["etag"] == f'"{shown["sha256"]}"'
    own = hashlib.sha256(carried.content)
    assert carried.headers["etag"] == f'"{own.hexdigest()}"' != plain.headers["etag"]
    digest = base64.b64encode(own.digest()).decode()
    assert carried.headers["repr-digest"] == f"sha-256=:{digest}:"
    picture = Image.open(io.BytesIO(carried.content))
    assert picture.tobytes() == Image.open(io.BytesIO(plain.content)).tobytes()
    recipe = json.loads(picture.text["medley"])  # type: ignore[attr-defined]
    assert recipe["medley"] == 1
    assert (recipe["job"], recipe["output"]) == (job["id"], "s2.image")
    assert recipe["words"] == "hello"
    assert [step["id"] for step in recipe["plan"]["steps"]] == ["s1", "s2"]
    assert picture.text["parameters"].startswith("hello\n")  # type: ignore[attr-defined]
    assert "Size: 16x12" in picture.text["parameters"]  # type: ignore[attr-defined]


def test_parts_of_a_download_with_its_recipe_fit_together(world: World) -> None:
    job, _ = made(world)
    url = job["outputs"][0]["url"]
    whole = world.client.get(url)
    tag = whole.headers["etag"]
    parts = [
        world.client.get(url, headers={"range": place, "if-range": tag})
        for place in ("bytes=0-99", "bytes=100-")
    ]
    assert [part.status_code for part in parts] == [206, 206]
    assert b"".join(part.content for part in parts) == whole.content
    assert world.client.get(url, headers={"if-none-match": tag}).status_code == 304
    head = world.client.head(url)
    assert (head.headers["etag"], head.headers["content-length"]) == (tag, str(len(whole.content)))


def test_an_upload_goes_out_as_it_came_in(world: World) -> None:
    asset = world.upload(png("red"))
    assert world.client.get(f"/v1/assets/{asset}/content?recipe=true").content == png("red")


def test_a_job_and_an_installation_can_do_without_recipes(world: World) -> None:
    job, asset = made(world, options={"recipe": False})
    plain = world.client.get(f"/v1/assets/{asset}/content").content
    assert world.client.get(job["outputs"][0]["url"]).content == plain
    with open_world(
        create_app(world.settings.model_copy(update={"recipes": False})), world.settings
    ) as without:
        job, asset = made(without, "yellow")
        plain = without.client.get(f"/v1/assets/{asset}/content").content
        assert without.client.get(job["outputs"][0]["url"]).content == plain


def test_a_file_that_is_turned_into_another_kind_carries_its_recipe_too(
    settings: Settings,
) -> None:
    app = create_app(settings)
    with open_world(app, settings) as world:
        job, asset = made(world)
        read = reader(app.state.service, "default")
        for form in ("png", "jpeg", "webp"):
            recipe = json.loads(notes_in(io.BytesIO(base64.b64decode(read(asset, form)))))
            assert (recipe["job"], recipe["words"]) == (job["id"], "hello")
        _, without = made(world, "red", options={"recipe": False})
        assert notes_in(io.BytesIO(base64.b64decode(read(without, "webp")))) == ""


def test_a_file_gives_its_job_back(world: World) -> None:
    job, asset = made(world)
    carried = world.client.get(job["outputs"][0]["url"]).content
    found = read(world, carried).json()
    assert (found["asset"], found["ready"], found["missing"]) == (asset, True, [])
    again = world.submit(**found["job"])
    assert [step["tool"] for step in again["plan"]["steps"]] == ["resize", "caption"]
    assert again["plan"]["steps"][0]["inputs"] == job["plan"]["steps"][0]["inputs"]
    raw = world.client.post(
        "/v1/recipes/read", content=carried, headers={"content-type": "image/png"}
    )
    assert raw.json()["job"] == found["job"]


def test_a_file_from_elsewhere_says_what_is_missing(world: World) -> None:
    job, _ = made(world)
    carried = world.client.get(job["outputs"][0]["url"]).content
    given = world.client.get(f"/v1/jobs/{job['id']}").json()["plan"]["steps"][0]["inputs"]
    with world.hands.db.begin() as conn:
        conn.execute(
            text("UPDATE assets SET tenant = 'another' WHERE id = :id"),
            {"id": given["image"]["asset"]},
        )
    found = read(world, carried).json()
    assert (found["ready"], found["missing"]) == (False, [hashlib.sha256(png()).hexdigest()])
    refused = world.client.post("/v1/jobs", json=found["job"])
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["pointer"] == "/plan/steps/0/inputs/image"


NO_RECIPES = (
    (None, "carries no recipe"),
    ("{", "is no recipe"),
    ('{"medley": 1}', "is no recipe: version"),
    ('{"medley": 2, "version": "9"}', "is no recipe: medley"),
    ("[" * 5000, "is no recipe"),
    ('{"a": NaN}', "is no recipe"),
    ("x" * 900_000, "bytes of notes"),
)


def test_what_is_no_recipe_is_refused(world: World) -> None:
    for notes, why in NO_RECIPES:
        info = PngImagePlugin.PngInfo()
        if notes is not None:
            info.add_itxt("medley", notes, zip=True)
        file = io.BytesIO()
        Image.new("L", (2, 2)).save(file, "PNG", pnginfo=info)
        reply = read(world, file.getvalue())
        assert (reply.status_code, reply.json()["code"]) == (422, "no_recipe"), reply.text
        assert why in reply.json()["detail"]
        assert reply.headers["content-type"] == MEDIA_TYPE


def test_files_of_other_kinds_and_broken_ones_are_refused(world: World) -> None:
    assert read(world, b"nothing that is known").status_code == 415
    assert read(world, b"GIF89a nothing").status_code == 422
    assert read(world, b"\x89PNG\r\n\x1a\n broken").status_code == 422
    assert read(world, wav(), "a.wav").json()["code"] == "no_recipe"
    assert read(world, b"RIFF\xff\xff\xff\xffWAVEfmt " + b"\xff" * 64).status_code == 422
    both = {"a": ("a.png", png()), "b": ("b.png", png("red"))}
    assert world.client.post("/v1/recipes/read", files=both).json()["code"] == "bad_form"
    assert world.client.post("/v1/recipes/read", json={}).status_code == 415
    assert list((world.settings.asset_folder / "tmp").iterdir()) == []


def test_lineage_goes_through_jobs_back_to_the_upload(world: World) -> None:
    first, one = made(world)
    second = world.submit(plan=caption_plan(one, words="twice"))
    work(world, "orange")
    work(world, "purple")
    last = world.client.get(f"/v1/jobs/{second['id']}").json()["outputs"][0]["asset"]
    found = world.client.get(f"/v1/assets/{last}/provenance").json()
    kinds = {node["id"]: node["type"] for node in found["nodes"]}
    upload = first["plan"]["steps"][0]["inputs"]["image"]["asset"]
    assert kinds[upload] == kinds[one] == "asset"
    assert kinds[f"{first['id']}/s1"] == kinds[f"{second['id']}/s2"] == "step"
    edges = {(edge["from"], edge["to"]) for edge in found["edges"]}
    chain = [upload, f"{first['id']}/s1", f"{first['id']}/s2", one]
    chain += [f"{second['id']}/s1", f"{second['id']}/s2", last]
    assert edges == set(pairwise(chain))
    assert found["recipe"]["words"] == "twice"
    world.client.delete(f"/v1/jobs/{first['id']}")
    later = world.client.get(f"/v1/assets/{last}/provenance").json()
    assert {"type": "gone", "id": f"{first['id']}/s2"} in later["nodes"]


def test_an_upload_has_no_recipe_and_strangers_have_no_lineage(world: World) -> None:
    asset = world.upload()
    found = world.client.get(f"/v1/assets/{asset}/provenance").json()
    assert (found["recipe"], found["edges"], len(found["nodes"])) == (None, [], 1)
    with world.hands.db.begin() as conn:
        conn.execute(text("UPDATE assets SET tenant = 'another'"))
    assert world.client.get(f"/v1/assets/{asset}/provenance").status_code == 404


def test_signed_files_verify_in_the_openai_client_and_carry_their_recipe(
    signing: Settings, tmp_path: Path
) -> None:
    app = create_app(signing)
    with open_world(app, signing) as world:
        job, _ = made(world)
        first = world.client.get(job["outputs"][0]["url"])
        again = world.client.get(job["outputs"][0]["url"])
        assert first.content == again.content
        assert read(world, first.content).json()["ready"]
        signed = world.upload(first.content, "signed.png")
        back = world.client.get(f"/v1/assets/{signed}/content?recipe=true").content
        assert back == first.content  # a signed upload stays valid
    right, wrong = tmp_path / "signed.png", tmp_path / "changed.png"
    right.write_bytes(first.content)
    carry(right, wrong, "image/png", Notes(text="{}", parameters="changed after it was signed"))
    with served(create_app(signing)) as url:
        client = openai.OpenAI(base_url=f"{url}/v1", api_key="any", max_retries=0)
        checks = client.content_provenance_checks
        good = checks.create(file=("a.png", first.content)).results[0]
        assert good.type == "c2pa"
        assert (good.validation_state, good.issuer) == ("valid", ISSUER)
        # Nothing with weights had a part in these two pictures.
        assert (good.outcome, good.model) == ("not_detected", job["plan"]["steps"][1]["model"])
        bad = checks.create(file=("a.png", wrong.read_bytes())).results[0]
        assert (bad.type, bad.validation_state) == ("c2pa", "invalid")
        none = checks.create(file=("a.png", png())).results[0]
        assert (none.type, none.validation_state) == ("c2pa", "not_present")
        with pytest.raises(openai.APIStatusError, match="415"):
            checks.create(file=("a.txt", b"hello"))


def test_a_key_that_does_not_fit_and_an_absent_extra_are_said_at_the_start(
    signing: Settings, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = signing.model_copy(update={"c2pa_key": signing.c2pa_certificate})
    with pytest.raises(Unavailable, match="C2PA certificate or key"):
        open_world(create_app(wrong), wrong).__enter__()
    half = signing.model_copy(update={"c2pa_key": None})
    with pytest.raises(Unavailable, match="or neither"):
        open_world(create_app(half), half).__enter__()
    monkeypatch.setattr(credentials, "installed", lambda: False)
    with pytest.raises(MissingExtra, match=r"\[c2pa\]"):
        open_world(create_app(signing), signing).__enter__()
    with open_world(create_app(settings), settings) as world:
        reply = world.client.post("/v1/content_provenance_checks", files={"file": png()})
        assert (reply.status_code, reply.json()["code"]) == (501, "missing_extra")

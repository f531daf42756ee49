"""The rooms of the page (gallery, assets, workflows, models, system) in headless Chromium, on the
whole service with the bundled models.
"""

import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from medley.client import Medley
from tests.e2e.snippets import ROOT, run_python

AXE = (ROOT / "tests" / "vendor" / "axe.min.js").read_text()
COMFY = {
    "3": {
        "class_type": "KSampler",
        "inputs": {
            "seed": 5,
            "steps": 4,
            "cfg": 2,
            "positive": ["6", 0],
            "negative": ["7", 0],
            "latent_image": ["5", 0],
        },
    },
    "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 64, "height": 64}},
    "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "an apple"}},
    "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "watermark"}},
    "8": {"class_type": "VAEDecode", "inputs": {"samples": ["3", 0]}},
    "9": {"class_type": "SaveImage", "inputs": {"images": ["8", 0]}},
    "10": {"class_type": "ControlNetApply", "inputs": {}},
}

pytestmark = pytest.mark.page


@pytest.fixture(scope="module")
def medley(page_service: str) -> Any:
    with Medley(page_service) as client:
        yield client


@pytest.fixture(scope="module")
def drawn(medley: Medley) -> dict[str, str]:
    """A picture of a cat, one of a pizza and a spoken word: their assets by step."""
    steps = [
        {"id": name, "tool": "text_to_image", "inputs": {"prompt": f"a {name}"}}
        for name in ("cat", "pizza")
    ]
    steps.append({"id": "word", "tool": "speak", "inputs": {"text": "hello"}})
    show = ["cat.image", "pizza.image", "word.audio"]
    job = medley.post("/v1/jobs", {"plan": {"steps": steps, "reply": {"show": show}}})
    for _ in medley.events(job["id"]):
        pass
    return {item["step"]: item["asset"] for item in medley.job(job["id"])["outputs"]}


def open_room(page: Any, path: str, sight: str) -> None:
    page.evaluate("path => { location.hash = path }", path)
    page.wait_for_selector(sight)


def serious(page: Any, *rules: str) -> list[str]:
    """What axe finds that is serious, by all rules or by these."""
    page.evaluate(AXE)
    chosen = {"resultTypes": ["violations"], **({"runOnly": list(rules)} if rules else {})}
    found = page.evaluate("options => axe.run(options)", chosen)
    return [
        f"{item['id']}: {node['html'][:200]} {json.dumps(node['any'][:1])[:300]}"
        for item in found["violations"]
        if item["impact"] in ("serious", "critical")
        for node in item["nodes"]
    ]


def test_the_gallery_finds_by_words_and_by_a_mix_and_draws_it(
    page: Any, drawn: dict[str, str]
) -> None:
    open_room(page, "/gallery", f"[data-asset={drawn['cat']}]")
    page.locator(f"[data-asset={drawn['cat']}] a.face").focus()
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.matches('a.face')")
    page.fill("#seek", "pizza")
    page.keyboard.press("Enter")
    page.wait_for_selector(".tile-of .score")
    assert page.locator(".tile-of").first.get_attribute("data-asset") == drawn["pizza"]
    page.click("#mixing")
    for words in ("cat", "pizza"):
        page.fill("#mix input[type=text]", words)
        page.keyboard.press("Enter")
    page.locator("#mix input[type=range]").last.fill("-0.5")
    page.wait_for_function("() => location.hash.includes('mix=-0.5')")
    page.wait_for_selector(".tile-of .score")
    page.click("#draw")
    image = page.wait_for_selector(".drawn img")
    page.wait_for_function("image => image.naturalWidth === 64", arg=image)
    page.reload()
    page.wait_for_selector(".tile-of .score")
    assert page.locator("#mix output").all_inner_texts() == ["1.00", "-0.50"]
    page.get_by_role("button", name="Sounds").click()
    page.wait_for_selector(f"[data-asset={drawn['word']}]")
    page.wait_for_function("() => !document.querySelector('.tile-of.image')")


def test_a_file_that_is_dropped_on_the_gallery_is_searched_by(
    page: Any, drawn: dict[str, str]
) -> None:
    open_room(page, "/gallery", f"[data-asset={drawn['cat']}]")
    page.set_input_files("#seek-file", str(ROOT / "demo" / "picture.png"))
    page.wait_for_function("() => location.hash.includes('like=asset_')")
    page.wait_for_selector(".result-title img")
    page.wait_for_selector(".tile-of .score")


def test_an_asset_says_how_it_was_made_and_what_keeps_it(
    page: Any, medley: Medley, drawn: dict[str, str], tmp_path: Path
) -> None:
    open_room(page, f"/assets/{drawn['cat']}", ".asset .uses a")
    assert "starter/generator" in page.locator(".asset .about").inner_text()
    row = page.wait_for_selector(".made-table tbody tr").inner_text()
    assert "text to image" in row
    assert "a cat" in row
    assert "seed" in row
    page.locator(".lineage-of details").evaluate("part => { part.open = true }")
    assert '"medley": 1' in page.locator(".lineage-of pre").inner_text()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.get_by_role("button", name="Delete").click()
    page.wait_for_selector("dialog[open] .uses a")
    assert page.locator("dialog[open]").evaluate("box => box.scrollHeight <= box.clientHeight")
    page.keyboard.press("Escape")
    assert medley.get(f"/v1/assets/{drawn['cat']}")
    from PIL import Image

    Image.new("RGB", (9, 5), "teal").save(tmp_path / "teal.png")
    unused = medley.upload(tmp_path / "teal.png")["id"]
    open_room(page, f"/assets/{unused}", ".asset .about")
    page.wait_for_function("() => document.querySelector('h1').textContent === 'teal.png'")
    page.get_by_role("button", name="Delete").click()
    page.locator("dialog[open] .danger").click()
    page.wait_for_function("() => location.hash === '#/gallery'")
    assert unused not in [item["id"] for item in medley.get("/v1/assets")["data"]]


def test_a_workflow_is_run_edited_saved_and_published(
    page: Any, medley: Medley, tmp_path: Path
) -> None:
    open_room(page, "/workflows/new?template=postcard", ".graph .node[data-step=write]")
    page.fill("#run-subject", "a cat")
    page.click("#run-flow")
    page.wait_for_selector("[data-run=succeeded]", timeout=120_000)
    assert page.locator(".graph .node.succeeded, .graph .node.cached").count() == 2
    page.wait_for_selector(".run-result figure img")
    page.get_by_role("button", name="Add step").click()
    page.keyboard.type("rotate")
    page.keyboard.press("Enter")
    page.wait_for_selector(".graph .node.faulty[data-step=s3]")
    page.click("#save-flow")
    assert "to put right" in page.wait_for_selector(".notes .trouble").inner_text()
    page.reload()
    page.wait_for_selector(".graph .node[data-step=s3]")
    page.locator(".outline button").last.click()
    page.locator(".inspector [data-key='inputs.image.0']").select_option("write.image")
    page.wait_for_selector(".verdict .succeeded")
    page.keyboard.press("Control+s")
    page.wait_for_function("() => location.hash.startsWith('#/workflows/wf_')")
    page.click("[data-name=code]")
    page.click("role=tab[name=Shell]")
    assert "medley workflows run wf_" in page.locator(".code-rooms pre").inner_text()
    page.click("role=tab[name=Python]")
    program = page.locator(".code-rooms pre").inner_text().replace("…", "a cat")
    run_python(program, tmp_path)
    assert {file.suffix for file in tmp_path.iterdir()} == {".png"}
    page.fill("#flow-tool", "page_postcard")
    page.get_by_role("button", name="Publish", exact=True).click()
    page.wait_for_selector(".code-rooms .succeeded")
    assert medley.get("/v1/tools/flow.page_postcard")["outputs"]
    page.click("[data-name=inputs]")
    page.fill("#input-name-greeting", "wish")
    page.keyboard.press("Tab")
    page.wait_for_selector("#input-name-wish")
    page.wait_for_selector(".verdict .succeeded")
    page.click("#save-flow")
    page.wait_for_function(
        "() => document.querySelector('.flow-head .chip').textContent === 'version 2'"
    )
    page.click("[data-name=versions]")
    page.wait_for_selector(".versions li:nth-child(2)")
    assert "changed write" in page.locator(".versions li").first.inner_text()


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl on this machine")
def test_the_programs_that_the_page_shows_do_what_they_say(
    page: Any, medley: Medley, drawn: dict[str, str], tmp_path: Path
) -> None:
    words = "Is it : true, or 'false'?\nWhat is \"null\" : null,"
    job = medley.run(words, [medley.asset(drawn["cat"])], options={"ask": False}).wait()
    inputs = {
        "pic": {"modality": "image"},
        "words": {"modality": "text", "default": "a; it's : true,"},
    }
    plan = {
        "steps": [
            {"id": "s1", "tool": "rotate", "inputs": {"image": {"input": "pic"}}},
            {"id": "s2", "tool": "speak", "inputs": {"text": {"input": "words"}}},
        ],
        "reply": {"show": ["s1.image"]},
    }
    flow = medley.post("/v1/workflows", {"name": "Turned", "inputs": inputs, "plan": plan})
    of_job, of_flow = page.evaluate(
        "async ([job, flow]) => { const made = await import('/programs.js');"
        " return [made.jobPrograms(job), made.flowPrograms(flow)] }",
        [medley.get(f"/v1/jobs/{job.id}"), flow],
    )
    (tmp_path / "pic.png").write_bytes(medley.asset(drawn["cat"]).read())
    python = "\n".join([of_job["python"], of_job["openai"], of_flow["python"]])
    cli = "import sys; from medley.cli import app; sys.argv = ['medley', *sys.argv[1:]]; app()"
    shell = shlex.split(of_flow["shell"].replace("\\\n", ""))
    curl = shlex.split(of_flow["curl"].replace("\\\n", ""))
    assert shell[0] == "medley"
    for command in (
        [sys.executable, "-c", python],
        [sys.executable, "-c", cli, *shell[1:], "--url", medley.url],
        [*curl, "-sS", "--fail-with-body"],
    ):
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    jobs = [medley.get(f"/v1/jobs/{one.id}") for one in medley.jobs(limit=5)]
    again = [one for one in jobs if one["kind"] == "request"]
    assert [one["input"][0]["text"] for one in again] == [words] * 2
    ran = [one for one in jobs if one["kind"] != "request"]
    said = [step["inputs"]["text"] for one in ran for step in one["plan"]["steps"][1:]]
    assert said == [{"text": "a; it's : true,"}] * 3


def test_a_version_saved_elsewhere_is_not_overwritten_unasked(page: Any, medley: Medley) -> None:
    plan = {"steps": [{"id": "s1", "tool": "speak", "inputs": {"text": "hello"}}]}
    flow = medley.post("/v1/workflows", {"name": "Shared", "plan": plan})
    open_room(page, f"/workflows/{flow['id']}", ".graph .node[data-step=s1]")
    elsewhere = {"name": "Shared, changed", "plan": plan}
    etag = {"if-match": f'"{flow["id"]}@1"'}
    put = page.request.put
    assert put(f"{medley.url}/v1/workflows/{flow['id']}", data=elsewhere, headers=etag).ok
    page.fill(".flow-about", "mine")
    page.click("#save-flow")
    page.wait_for_selector(".hint")
    assert medley.get(f"/v1/workflows/{flow['id']}")["version"] == 2
    page.reload()
    page.wait_for_function("() => document.querySelector('.flow-about')?.value === 'mine'")
    page.get_by_role("button", name="Save mine over it").click()
    page.wait_for_function(
        "() => document.querySelector('.flow-head .chip').textContent === 'version 3'"
    )
    assert medley.get(f"/v1/workflows/{flow['id']}")["about"] == "mine"


def test_a_comfyui_workflow_is_read_with_its_gaps_named(page: Any, tmp_path: Path) -> None:
    open_room(page, "/workflows", "#flow-file")
    (tmp_path / "broken.json").write_text('{"steps": ')
    page.set_input_files("#flow-file", str(tmp_path / "broken.json"))
    assert "not JSON" in page.wait_for_selector(".trouble").inner_text()
    (tmp_path / "apple.json").write_text(json.dumps(COMFY))
    page.set_input_files("#flow-file", str(tmp_path / "apple.json"))
    page.wait_for_selector(".graph .node[data-step=s1]")
    notes = page.locator(".hint").inner_text()
    assert "watermark" in notes
    assert "ControlNetApply" in notes
    assert page.locator("#run-prompt").get_attribute("placeholder") == "an apple"
    page.wait_for_selector(".verdict .succeeded")


def test_a_job_becomes_a_workflow_with_inputs(
    page: Any, medley: Medley, drawn: dict[str, str]
) -> None:
    job = medley.get(f"/v1/assets/{drawn['cat']}")["origin"]["job"]
    open_room(page, f"/workflows/new?job={job}", ".graph .node[data-step=word]")
    page.click("[data-name=inputs]")
    page.get_by_role("button", name="Make it an input: word text").click()
    page.wait_for_selector("#input-name-text")
    page.wait_for_selector(".graph .ends.text")


def test_a_search_is_not_among_the_requests(
    page: Any, medley: Medley, drawn: dict[str, str]
) -> None:
    found = medley.post("/v1/search", {"mix": [{"text": "pizza", "weight": 1}]})
    job = medley.job(found.get("job") or found["id"]).wait().id
    page.reload()
    page.wait_for_selector("#recent a")
    assert f"#/jobs/{job}" not in page.locator("#recent").inner_html()


def test_no_view_looks_otherwise_after_another_one(page: Any) -> None:
    worn = """() => [...document.styleSheets].filter((sheet) => !sheet.disabled)
        .map((sheet) => new URL(sheet.href).pathname)"""
    open_room(page, "/workflows/new?template=postcard", ".graph .node[data-step=write]")
    assert page.evaluate(worn)[1:] == ["/work.css", "/rooms.css", "/flows.css", "/graph.css"]
    open_room(page, "/models", ".model")
    assert page.evaluate(worn) == ["/page.css", "/rooms.css"]
    open_room(page, "/", ".composer")
    assert page.evaluate(worn) == ["/page.css", "/work.css"]
    open_room(page, "/workflows/new?template=postcard", ".graph .node[data-step=write]")
    assert page.evaluate(worn)[1:] == ["/work.css", "/rooms.css", "/flows.css", "/graph.css"]


def test_a_step_that_gave_nothing_keeps_room_for_one_picture(page: Any, medley: Medley) -> None:
    steps = [
        {"id": "s1", "tool": "text_to_image", "inputs": {"prompt": "a cat"}},
        {
            "id": "s2",
            "tool": "crop",
            "inputs": {"image": {"from": "s1.image"}},
            "params": {"left": 0.7, "right": 0.7},
        },
    ]
    job = medley.post("/v1/jobs", {"plan": {"steps": steps}})
    for _ in medley.events(job["id"]):
        pass
    open_room(page, f"/jobs/{job['id']}", ".graph .node.failed .made.empty")
    page.wait_for_selector(".graph .node.succeeded .made img")
    high = page.locator(".graph .made").evaluate_all("all => all.map((one) => one.offsetHeight)")
    assert high[0] == high[1]
    assert "must exceed" in page.locator(".trouble").inner_text()


def test_models_are_unloaded_and_loaded_and_the_system_shows_it(page: Any, medley: Medley) -> None:
    asked = medley.post("/v1/models/starter/encoder/load", {})
    medley.job(asked["id"]).wait()
    open_room(page, "/models", "[data-model='starter/encoder']")
    row = page.locator("[data-model='starter/encoder']")
    row.get_by_role("button", name="Unload: starter/encoder").click()
    page.wait_for_selector(".toast")
    page.reload()  # another worker may hold it still
    held = medley.get("/v1/models/starter/encoder")["status"] == "loaded"
    if not held:
        row.get_by_role("button", name="Load: starter/encoder", exact=True).click()
        page.wait_for_selector(".toast")
    row.get_by_role("button", name="Unload: starter/encoder").wait_for()
    page.fill(".models input[type=search]", "imagebind")
    page.wait_for_function("() => document.querySelectorAll('.model').length < 10")
    open_room(page, "/system", ".worker-list li")
    page.wait_for_selector(".worker-list :text('starter/encoder')")  # with a worker's next beat
    job = medley.post("/v1/jobs", {"input": "Draw a rocket.", "options": {"approve": "plan"}})
    page.wait_for_selector(f".open-jobs [data-job={job['id']}] .waiting")
    page.locator(f"[data-stop={job['id']}]").click()
    page.wait_for_selector(f".open-jobs [data-job={job['id']}] .canceled")


def test_the_rooms_are_accessible_in_both_themes_and_fit_a_phone(
    page: Any, medley: Medley, drawn: dict[str, str]
) -> None:
    plan = {"steps": [{"id": "s1", "tool": "speak", "inputs": {"text": "hello"}}]}
    flow = medley.post("/v1/workflows", {"name": "Hello", "plan": plan})["id"]
    rooms = {
        "/gallery?mix=1:cat": ".tile-of",
        f"/assets/{drawn['cat']}": ".asset .uses a",
        "/workflows": ".flow-card",
        f"/workflows/{flow}": ".graph .node",
        "/models?id=starter/hub": ".model-more",
        "/system": ".worker-list li",
    }
    for theme, rules in (("light", ()), ("dark", ("color-contrast",))):
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        for path, sight in rooms.items():
            open_room(page, path, sight)
            assert serious(page, *rules) == [], (path, theme)
    page.evaluate("localStorage.setItem('language', 'zh')")
    page.reload()
    page.set_viewport_size({"width": 390, "height": 800})
    for path, sight in rooms.items():
        open_room(page, path, sight)
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= 390, path

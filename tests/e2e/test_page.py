"""The page in headless Chromium, on the whole service with the bundled models."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.snippets import ROOT, run_python

AXE = (ROOT / "tests" / "vendor" / "axe.min.js").read_text()
ENDED = "[data-status=succeeded]"

pytestmark = pytest.mark.page


def ask(page: Any, words: str, *files: Path) -> None:
    """Writes a request, waits until its files are there, and sends it."""
    page.fill("#words", words)
    if files:
        page.set_input_files("#words-pick", [str(file) for file in files])
        page.wait_for_function(
            "count => document.querySelectorAll('.chips li img').length === count",
            arg=len(files),
        )
    page.click(".composer .send")


def wait_for(page: Any, status: str = "succeeded", turns: int = 1) -> None:
    """Waits until the newest turn is in this state and the page has so many of them."""
    page.wait_for_function(
        """([status, turns]) => {
            const found = [...document.querySelectorAll('.turn')];
            return found.length === turns && found.at(-1).dataset.status === status;
        }""",
        arg=[status, turns],
        timeout=400_000,
    )


def faults(page: Any) -> list[str]:
    """What axe finds that is serious."""
    page.evaluate(AXE)
    found = page.evaluate("axe.run({resultTypes: ['violations']})")
    return [
        f"{item['id']}: {node['html'][:160]} {json.dumps(node['any'][:1])[:300]}"
        for item in found["violations"]
        if item["impact"] in ("serious", "critical")
        for node in item["nodes"]
    ]


def test_a_picture_and_a_sound_become_a_plan_an_answer_and_a_new_picture(page: Any) -> None:
    files = (ROOT / "demo" / "picture.png", ROOT / "demo" / "sound.wav")
    ask(page, "What is in the picture, and what do you hear? Then draw what you hear.", *files)
    wait_for(page)
    assert page.locator(".answer").inner_text().strip()
    drawn = page.locator(".reply figure img").last
    drawn.scroll_into_view_if_needed()
    page.wait_for_function("image => image.naturalWidth === 64", arg=drawn.element_handle())
    page.click(".fold")
    page.wait_for_selector(".graph .node.succeeded, .graph .node.cached")
    assert page.locator(".graph .node").count() >= 5
    page.click("role=tab[name=Timeline]")
    page.wait_for_selector(".timeline .span")
    assert page.locator(".timeline .span").count() >= 5
    page.locator(".reply .picture").last.click()
    assert page.locator("dialog.lightbox[open] img").count() == 1
    page.keyboard.press("Escape")
    page.wait_for_selector("dialog.lightbox", state="detached")


def test_a_plan_is_shown_priced_edited_and_run(page: Any) -> None:
    page.fill("#words", "Draw a cat")
    page.keyboard.press("Control+Shift+Enter")
    page.wait_for_selector(".preview .verdict .price")
    page.click(".preview .outline button")
    page.fill("[data-key='params.steps']", "9000")
    page.wait_for_selector("[data-fault='params.steps'] .fault b")  # with what would work
    assert page.locator(".graph .node.faulty").get_attribute("data-step") == "s1"
    assert page.locator("#run-plan").is_disabled()
    page.fill("[data-key='params.steps']", "4")
    page.wait_for_selector(".graph .node.faulty", state="detached")
    page.click(".preview .tools button:has-text('Add step')")
    page.fill(".picker input", "rotate")
    page.keyboard.press("Enter")
    page.wait_for_selector(".graph .node.faulty[data-step=s2]")  # its picture is missing
    page.select_option("[data-key='inputs.image.0']", "s1.image")
    page.wait_for_selector(".graph .node.faulty", state="detached")
    assert page.locator(".graph .react-flow__edge").count() == 3
    page.keyboard.press("Control+z")
    page.wait_for_selector(".graph .node.faulty[data-step=s2]")
    page.keyboard.press("Control+y")
    page.wait_for_selector("#run-plan:not([disabled])")
    page.click("#run-plan")
    wait_for(page)
    assert page.locator(".reply figure").count() == 2


def test_a_job_waits_at_its_plan_and_runs_the_edited_one(page: Any) -> None:
    page.click("#options")
    page.check("#option-approve")
    ask(page, "Draw a dog")
    wait_for(page, "waiting")
    page.click(".approval .outline button")
    page.fill("[data-key='inputs.prompt.0.words']", "a fish")
    page.fill("[data-key='params.steps']", "5")
    page.click(".approval button:has-text('Save changes'):not([disabled])")
    page.wait_for_function("() => document.querySelector('#news').textContent.includes('2')")
    page.reload()  # what was saved is there
    page.wait_for_selector(".approval .graph .node")
    assert "a fish" in page.locator(".approval .graph").inner_text()
    page.click("role=button[name='Approve and run']")
    wait_for(page)
    page.click("role=button[name=Recipe]")
    assert "a fish" in page.locator(".recipe").inner_text()


def test_a_conversation_goes_on_forks_and_is_there_after_a_reload(page: Any) -> None:
    ask(page, "Say good morning aloud.")
    wait_for(page)
    ask(page, "Say thank you aloud.")
    wait_for(page, turns=2)
    page.locator(".turn").last.get_by_role("button", name="Change and ask again").click()
    page.fill(".otherwise textarea", "Say good night aloud.")
    page.click(".otherwise .send")
    page.wait_for_function("() => document.body.innerText.includes('2 of 2')")
    wait_for(page, turns=2)
    page.locator(".turn").last.get_by_role("button", name="Previous version").click()
    page.wait_for_function("() => document.body.innerText.includes('1 of 2')")
    wait_for(page, turns=2)
    assert "Say thank you" in page.locator(".turn").last.inner_text()
    page.locator(".turn").last.get_by_role("button", name="Again", exact=True).click()
    page.wait_for_function("() => document.body.innerText.includes('3 of 3')")
    wait_for(page, turns=2)
    address = page.url
    page.reload()
    wait_for(page, turns=2)
    assert page.url == address
    assert "Say good morning" in page.locator("#recent").inner_text()


def test_a_step_runs_again_with_other_parameters(page: Any) -> None:
    ask(page, "Draw a dog and write Hello on it")
    wait_for(page)
    page.click("role=link[name='Open by itself']")
    page.wait_for_selector(".graph .node[data-step=s2]")
    first = page.url
    page.click(".graph .node[data-step=s2]")
    page.select_option(".inspector [data-key='params.place']", "top")
    page.click("role=button[name='Run again from here']")
    page.wait_for_function("first => location.href !== first", arg=first)
    wait_for(page)
    assert page.locator(".graph .node[data-step=s1]").get_attribute("data-state") in (
        "succeeded",
        "cached",
    )
    page.click("role=button[name='Use it elsewhere']")
    assert "/v1/jobs" in page.locator(".programs pre").inner_text()


def test_a_saved_picture_brings_its_plan_back(page: Any, tmp_path: Path) -> None:
    ask(page, "Draw a tree")
    wait_for(page)
    with page.expect_download() as saved:
        page.locator(".reply figcaption a[download]").click()
    kept = tmp_path / "tree.png"
    saved.value.save_as(kept)
    first = page.locator(".reply figure").get_attribute("data-asset")
    page.click("#rooms a >> nth=0")
    page.wait_for_selector(".examples button")
    data = [base64.b64encode(kept.read_bytes()).decode()]
    page.evaluate(
        """([data]) => {
            const bytes = Uint8Array.from(atob(data), (sign) => sign.charCodeAt(0));
            const dataTransfer = new DataTransfer();
            dataTransfer.items.add(new File([bytes], "tree.png", {type: "image/png"}));
            for (const name of ["dragover", "drop"])
                window.dispatchEvent(new DragEvent(name, {dataTransfer, cancelable: true}));
        }""",
        data,
    )
    page.click(".restore button")
    page.wait_for_selector(".preview .graph .node[data-step=s1]")
    page.click("#run-plan")
    page.wait_for_function("() => location.hash.startsWith('#/jobs/')")
    wait_for(page)
    assert page.locator(".reply figure").get_attribute("data-asset") == first


def test_the_programs_that_the_page_gives_run(page: Any, page_service: str, tmp_path: Path) -> None:
    ask(page, 'Draw a "fish"')
    wait_for(page)
    page.click("role=button[name='Use it elsewhere']")
    shown = page.locator(".programs pre")
    for name, sign in (("Python", "png"), ("OpenAI SDK", "")):
        page.click(f"role=tab[name='{name}']")
        program = shown.inner_text()
        assert page_service in program
        assert sign in run_python(program, tmp_path)
    assert [file.suffix for file in tmp_path.iterdir()] == [".png"]
    assert page.evaluate(
        "() => { const box = document.querySelector('.programs').getBoundingClientRect();"
        " return box.top < innerHeight && box.bottom <= innerHeight; }"
    )


def test_what_is_wrong_is_said_where_it_is(page: Any) -> None:
    page.click(".composer .send")
    assert "few words" in page.locator(".composer [role=alert]").inner_text()
    bad = {"name": "bad.png", "mimeType": "image/png", "buffer": b"no picture"}
    page.set_input_files("#words-pick", [bad])
    page.wait_for_selector(".chips li.bad")
    page.click("role=button[name='Remove bad.png']")
    page.evaluate(
        """() => {
            const data = new DataTransfer();
            data.items.add(new File(["nothing"], "pasted.txt", {type: "text/plain"}));
            window.dispatchEvent(new ClipboardEvent("paste", {clipboardData: data}));
        }"""
    )
    page.wait_for_selector(".chips li:has-text('pasted.txt')")
    page.click("role=button[name='Remove pasted.txt']")
    page.click("role=button[name=Record]")
    page.wait_for_selector(".meter:not([hidden])")
    page.wait_for_timeout(700)
    page.click("role=button[name='Stop recording']")
    page.wait_for_selector(".chips li img")
    page.goto(page.url.partition("#")[0] + "#/jobs/job_nothing")
    page.wait_for_selector("[role=alert]")
    assert "job_nothing" in page.locator("#place").inner_text()


def test_the_page_speaks_chinese_fits_a_phone_and_answers_keys(page: Any) -> None:
    page.click("#language")
    assert page.locator(".composer .send").inner_text() == "发送"
    page.click("#language")
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.click("#menu")
    page.click("#recent-title")
    page.keyboard.press("Escape")
    assert page.locator("#menu").get_attribute("aria-expanded") == "false"
    page.locator("#place").focus()
    page.keyboard.press("?")
    assert page.locator("#keys[open] kbd").count() > 8
    page.keyboard.press("Escape")


def test_axe_finds_nothing_serious_dark_and_light(page: Any) -> None:
    def look() -> list[str]:
        found = []
        for theme in ("dark", "light"):
            page.emulate_media(color_scheme=theme, reduced_motion="reduce")
            found += [f"{theme} {fault}" for fault in faults(page)]
        return found

    page.fill("#words", "Draw a cat and write Hello on it")
    page.click("#options")
    page.click("#preview")
    page.wait_for_selector(".preview .verdict .price")
    page.click(".preview .outline button")
    assert look() == []
    page.click(".composer .send")
    wait_for(page)
    page.click(".fold")
    page.click(".graph .node[data-step=s2]")
    page.click("role=button[name=Recipe]")
    assert look() == []
    page.click("role=tab[name=Timeline]")
    page.click("role=button[name='Use it elsewhere']")
    assert look() == []


def test_changes_to_a_plan_keep_it_whole(page: Any) -> None:
    done = page.evaluate(
        """async () => {
            const edits = await import("/plan_edits.js");
            const list = await (await fetch("/v1/tools")).json();
            const tools = new Map(list.data.map((tool) => [tool.name, tool]));
            const link = (source, sourcePort, target, targetPort) =>
                ({source, sourcePort, target, targetPort});
            let {plan, id: a} = edits.addStep({steps: [], reply: {}}, tools.get("text_to_image"));
            let id;
            ({plan, id} = edits.addStep(plan, tools.get("rotate"), true));
            plan = edits.connect(plan, link(a, "image", id, "image"), tools);
            const circle = edits.fits(plan, link(id, "image", a, "prompt"), tools);
            const words = edits.fits(plan, link(a, "image", id, "nothing"), tools);
            plan = edits.renameStep(plan, a, "drawn");
            const renamed = plan.steps[1].inputs.image.from;
            const other = edits.changeTool(plan, "drawn", tools.get("speak"), tools);
            const each = edits.addStep(
                {steps: [{id: "f", tool: "extract_frames", inputs: {}, params: {}}], reply: {}},
                tools.get("describe"));
            const mapped = edits.connect(each.plan, link("f", "images", each.id, "media"), tools);
            plan = edits.removeStep(plan, "drawn");
            return {
                circle, words, renamed, map: mapped.steps[1].map, left: plan.steps[0].inputs,
                show: plan.reply.show, tool: other.steps[1].inputs.image.from,
                place: edits.placeOf("/plan/steps/0/params/degrees", plan),
            };
        }"""
    )
    assert done == {
        "circle": False,
        "words": False,
        "renamed": "drawn.image",
        "map": "media",
        "left": {},
        "show": [f"{done['place']['step']}.image"],
        "tool": "drawn.audio",
        "place": {"step": "s2", "field": "params", "port": None, "param": "degrees"},
    }

"""The page in headless Chromium, on the whole service with the bundled models."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from medley.settings import Settings
from medley.supervisor import Supervisor

CHROMIUM = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
ROOT = Path(__file__).parents[2]
WEIGHTS = ROOT / "starter" / "weights" / "hub" / "config.json"
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
]  # fmt: skip

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
    pytest.mark.skipif(not WEIGHTS.exists(), reason="the starter models are not in this checkout"),
]


@pytest.fixture(scope="module")
def service() -> Iterator[str]:
    home = Path(tempfile.mkdtemp(prefix="medley-page-"))
    if os.geteuid() == 0:
        home.chmod(0o755)
    with Supervisor(Settings(home=home, port=0)) as supervisor:
        yield supervisor.url
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Any, service: str) -> Iterator[Any]:
    faults: list[str] = []
    page = browser.new_page()
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto(service)
    yield page
    page.close()
    assert faults == []


def ask(page: Any, words: str, *files: Path) -> None:
    page.fill("#words", words)
    if files:
        page.set_input_files("#pick", [str(file) for file in files])
    page.click("#send")


def wait_for_end(page: Any, status: str = "succeeded") -> None:
    page.wait_for_selector(f"article [data-status={status}]", timeout=120_000)


def test_a_picture_and_a_sound_become_a_plan_an_answer_and_a_new_picture(page: Any) -> None:
    files = (ROOT / "demo" / "picture.png", ROOT / "demo" / "sound.wav")
    ask(page, "What is in the picture, and what do you hear? Then draw what you hear.", *files)
    wait_for_end(page)
    assert page.locator("svg g.node.succeeded, svg g.node.cached").count() >= 5
    assert page.locator("article .answer").inner_text().strip()
    drawn = page.locator("article .media figure img").last
    drawn.scroll_into_view_if_needed()
    page.wait_for_function("image => image.naturalWidth === 64", arg=drawn.element_handle())


def test_a_plan_can_be_seen_before_it_runs(page: Any) -> None:
    page.check("#approve")
    ask(page, "Draw a cat")
    wait_for_end(page, "waiting")
    assert page.locator("svg g.node.succeeded").count() == 1  # the plan itself
    page.get_by_role("button", name="Run this plan").click()
    wait_for_end(page)


def test_reloading_loses_nothing(page: Any) -> None:
    ask(page, "Draw a dog")
    wait_for_end(page)
    address = page.url
    page.reload()
    wait_for_end(page)
    assert page.url == address
    assert "Draw a dog" in page.locator("#jobs").inner_text()


def test_an_empty_request_is_refused_in_words(page: Any) -> None:
    page.click("#send")
    assert page.locator("#trouble").is_visible()


def test_the_page_speaks_chinese_and_fits_a_phone(page: Any) -> None:
    page.click("#language")
    assert page.locator("#send").inner_text() == "发送"
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")

"""One service with the bundled models and one headless Chromium for all tests of the page."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from medley.settings import Settings
from medley.supervisor import Supervisor

ROOT = Path(__file__).parents[2]
WEIGHTS = ROOT / "starter" / "weights" / "hub" / "config.json"
AXE = ROOT / "tests" / "vendor" / "axe.min.js"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM = os.environ.get("MEDLEY_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
    "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
]  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The tests of the page come last: their service and browser stay until the end."""
    items.sort(key=lambda item: "page_service" in getattr(item, "fixturenames", ()))


@pytest.fixture(scope="session")
def page_service() -> Iterator[str]:
    if not WEIGHTS.exists():
        pytest.skip("the starter models are not in this checkout")
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    home = Path(tempfile.mkdtemp(prefix="medley-page-"))
    if os.geteuid() == 0:
        home.chmod(0o755)
    try:
        with Supervisor(Settings(home=home, port=0)) as supervisor:
            yield supervisor.url
    finally:
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def browser(page_service: str) -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Any, page_service: str) -> Iterator[Any]:
    """The page, in English, dark; a script error in it fails the test."""
    faults: list[str] = []
    context = browser.new_context(color_scheme="dark", locale="en-GB", permissions=["microphone"])
    page = context.new_page()
    page.set_default_timeout(60_000)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto(page_service)
    page.wait_for_selector("#place *")
    yield page
    context.close()
    assert faults == []

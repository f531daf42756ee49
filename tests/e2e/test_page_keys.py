"""Signing in on the page, in headless Chromium: cookie, changes, event stream, signing out."""

from collections.abc import Iterator
from typing import Any

import pytest

from api.main import create_app
from medley.settings import Settings
from orchestrator import keys
from orchestrator.database import create_engine
from orchestrator.keys import NewKey, Scope
from tests.flow.api_world import served

pytestmark = pytest.mark.page


@pytest.fixture
def secret(database_url: str) -> str:
    scopes = frozenset({Scope.READ, Scope.RUN})
    with create_engine(database_url).begin() as conn:
        return keys.create(conn, NewKey(tenant="acme", name="Ada", scopes=scopes))[1]


@pytest.fixture
def page(browser: Any, settings: Settings, secret: str) -> Iterator[Any]:
    with served(create_app(settings)) as url:
        context = browser.new_context(locale="en-GB")
        page = context.new_page()
        page.goto(url)
        yield page
        context.close()


def test_a_browser_signs_in_with_a_key(page: Any, secret: str) -> None:
    page.wait_for_selector("dialog#sign-in[open]")
    page.fill("#api-key", "mk_wrong")
    page.press("#api-key", "Enter")
    page.wait_for_selector("#sign-in [role=alert]:not(:empty)")
    page.fill("#api-key", secret)
    page.press("#api-key", "Enter")
    page.wait_for_selector("dialog#sign-in", state="hidden")

    assert "medley_session" not in page.evaluate("document.cookie")
    asked = """async () => {
        const headers = {"content-type": "application/json"};
        const body = JSON.stringify({input: "hello"});
        const job = await (await fetch("/v1/jobs", {method: "POST", headers, body})).json();
        const stream = new EventSource(`/v1/jobs/${job.id}/events`);
        const told = await new Promise((done, fail) => {
            stream.addEventListener("snapshot", (event) => done(JSON.parse(event.data).status));
            stream.onerror = fail;
        });
        stream.close();
        const session = await (await fetch("/v1/session")).json();
        await fetch("/v1/session", {method: "DELETE"});
        return [told, session.tenant, (await fetch("/v1/jobs")).status];
    }"""
    assert page.evaluate(asked) == ["queued", "acme", 401]

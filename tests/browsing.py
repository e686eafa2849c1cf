"""A browser for tests of the page: fixtures to import, and what several tests do on the page."""

import shutil
from types import SimpleNamespace

import pytest
from fake_policies import fake_demo
from served_page import FakeClient, served, services_on

from data.workspace import Workspace
from ui.texts import Texts

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = "--no-sandbox --disable-gpu --disable-background-networking --disable-component-update --disable-sync"
needs_browser = pytest.mark.skipif(BROWSER is None, reason="no Chromium (or google-chrome) found")
PATIENCE = 180_000  # milliseconds; the machine may be busy with other things


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=BROWSER, args=[*FLAGS.split(), "--no-first-run"])
        yield opened
        opened.close()


@pytest.fixture
def visit(browser):
    """Opens pages; at the end none of them may have had an error or have asked another machine."""
    troubles, contexts = [], []

    def open_page(address, *, width=1366, height=800, locale="en-US", scheme="light"):
        size = {"width": width, "height": height}
        contexts.append(browser.new_context(viewport=size, locale=locale, color_scheme=scheme))
        page = contexts[-1].new_page()
        page.set_default_timeout(PATIENCE)
        page.on("console", lambda m: m.type == "error" and troubles.append(f"console: {m.text}"))
        page.on("pageerror", lambda error: troubles.append(f"script: {error}"))
        page.on("request", lambda r: outside(r.url, address) and troubles.append(f"request: {r.url}"))
        page.goto(address)
        page.wait_for_selector("#pipeline .chip", state="attached")  # on a phone the header is folded
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert troubles == []


def outside(url, address):
    server = address.split("/zh")[0].split("/#")[0]
    return not url.startswith((server, "data:", "blob:"))


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    """The page with answers that come at once, and no job."""
    folder = tmp_path_factory.mktemp("quick")
    workspace = Workspace(folder / "workspace").create()
    with (
        services_on(workspace, fake_demo(folder / "demo"), FakeClient()) as services,
        served(services) as address,
    ):
        yield SimpleNamespace(workspace=workspace, address=address)


def go_to(page, tab, language="en"):
    page.get_by_role("tab", name=Texts(language)("tab." + tab), exact=True).click()
    page.wait_for_selector(f"#tab-{tab}-button[aria-selected=true]")


def fill(page, field, text):
    page.locator(f"#{field} input, #{field} textarea").first.fill(text)

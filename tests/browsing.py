"""A browser for tests of the page: fixtures to import, and what several tests do on the page."""

import contextlib
import shutil
from types import SimpleNamespace

import pytest
from fake_policies import fake_demo
from served_page import FakeClient, served, services_on
from waiting import NEVER

from data.workspace import Workspace
from ui.texts import Texts

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = "--no-sandbox --disable-gpu --disable-background-networking --disable-component-update --disable-sync"
needs_browser = pytest.mark.skipif(BROWSER is None, reason="no Chromium (or google-chrome) found")
PATIENCE = 1000 * NEVER  # milliseconds
COUNT_REQUESTS = """
(() => {
    const ask = window.fetch;
    window.unanswered = 0;
    window.fetch = (...request) => {
        window.unanswered++;
        return ask(...request).finally(() => window.unanswered--);
    };
})();
"""
# True once no answer of the server was waited for while the screen was drawn five times.
IS_SETTLED = """
() => new Promise((answer) => {
    let quiet = 0;
    const look = () => {
        quiet = window.unanswered ? 0 : quiet + 1;
        quiet === 5 ? answer(true) : requestAnimationFrame(look);
    };
    look();
})
"""
# Notes whether the button to vote is, or becomes, disabled, however briefly.
WATCH_THE_BUTTON = """
() => {
    const button = document.querySelector("#vote-button");
    window.voteWasDisabled = button.disabled;
    const note = () => (window.voteWasDisabled = true);
    new MutationObserver(note).observe(button, {attributeFilter: ["disabled"]});
}
"""


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=BROWSER, args=[*FLAGS.split(), "--no-first-run"])
        yield opened
        opened.close()


def new_page(browser, troubles, address, *, width=1366, height=800, locale="en-US", scheme="light"):
    """An empty page, which adds its errors and its requests to other machines to `troubles`."""
    size = {"width": width, "height": height}
    page = browser.new_context(viewport=size, locale=locale, color_scheme=scheme).new_page()
    page.set_default_timeout(PATIENCE)
    page.add_init_script(COUNT_REQUESTS)
    page.on("console", lambda m: m.type == "error" and troubles.append(f"console: {m.text}"))
    page.on("pageerror", lambda error: troubles.append(f"script: {error}"))
    page.on("request", lambda r: outside(r.url, address) and troubles.append(f"request: {r.url}"))
    return page


def load(page, address):
    page.goto(address)
    page.wait_for_selector("#pipeline .chip", state="attached")  # on a phone the header is folded


@pytest.fixture
def visit(browser):
    """Opens pages; the test fails at its end if one had an error or sent a request to another machine."""
    troubles, pages = [], []

    def open_page(address, **screen):
        pages.append(new_page(browser, troubles, address, **screen))
        load(pages[-1], address)
        return pages[-1]

    yield open_page
    for page in pages:
        page.context.close()
    assert troubles == [], troubles


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


def settled(page):
    """Wait until the page has its answers and has drawn them, however long that takes."""
    page.evaluate(IS_SETTLED)


def prompt_box(page):
    return page.locator("#prompt-box textarea, #prompt-box input").first


def order_box(page):
    return page.locator("#order-box textarea, #order-box input").first


@contextlib.contextmanager
def new_round(page):
    """Wait for the end of a round that the block begins; an earlier one without a vote may be on the page."""
    page.evaluate(WATCH_THE_BUTTON)
    yield
    page.wait_for_function("() => window.voteWasDisabled")
    page.wait_for_selector("#vote-button:not([disabled])")


def ask(page, text):
    prompt_box(page).fill(text)
    with new_round(page):
        page.locator("#ask-button").click()
    wait_for_answers(page)
    page.wait_for_function("() => !document.querySelector('#reveal table')")


def wait_for_answers(page):
    """Wait for the button and the box: both are enabled together, and keys go to the box."""
    page.wait_for_selector("#vote-button:not([disabled])")
    page.wait_for_selector("#order-box :is(input, textarea):not([disabled])")


def press(page, keys):
    """Press keys at the current focus, which is on the answers right after asking."""
    for key in keys:
        page.keyboard.press(key)


def rank_by_clicks(page, letters="BADC"):
    """Click the panes from best to worst, vote, and wait until it is shown who was who."""
    for letter in letters:
        page.locator(f"#pane-{letter} .pane-head").click()
    page.locator("#vote-button").click()
    page.wait_for_selector("#reveal table")

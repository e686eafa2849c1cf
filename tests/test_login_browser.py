"""Logging in and out in a real browser with the keyboard alone. Skipped where no Chromium is found."""

import shutil

import pytest
from fake_policies import fake_demo
from served_page import PASSWORDS, FakeClient, served, services_on, with_accounts
from waiting import NEVER

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
PATIENCE = 1000 * NEVER  # milliseconds


@pytest.mark.skipif(BROWSER is None, reason="no Chromium (or google-chrome) found")
def test_a_rater_logs_in_votes_and_logs_out(workspace, tmp_path):
    from playwright.sync_api import sync_playwright

    troubles = []
    access = with_accounts(workspace)
    with (
        services_on(workspace, fake_demo(tmp_path / "demo"), FakeClient(), access) as services,
        served(services) as address,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=BROWSER, args=FLAGS)
        page = browser.new_context(locale="en-US").new_page()
        page.set_default_timeout(PATIENCE)
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("console", lambda message: message.type == "error" and troubles.append(message.text))
        page.goto(address)
        assert page.url.endswith("/login")
        page.get_by_label("Name").fill("rob")
        page.get_by_label("Password").fill(PASSWORDS["rob"])
        page.keyboard.press("Enter")
        page.locator("#prompt-box").wait_for()
        shown = [tab.inner_text() for tab in page.get_by_role("tab").all() if tab.is_visible()]
        assert shown == ["Arena"], "a rater has no use for other tabs"
        assert not page.locator("#run-missing").is_visible()
        page.locator("#prompt-box textarea, #prompt-box input").first.fill("Hello")
        page.locator("#ask-button").click()
        page.wait_for_selector("#vote-button:not([disabled])")
        for letter in "BADC":
            page.locator(f"#pane-{letter} .pane-head").click()
        page.locator("#vote-button").click()
        page.wait_for_selector("#reveal table")
        store = services.arena.store
        assert [vote["rater"] for vote in store.votes()] == [store.pseudonyms.rater("user:rob")]
        page.locator("#account button").click()
        page.wait_for_url("**/login")
        page.goto(address)
        assert page.url.endswith("/login")
        browser.close()
    assert troubles == []

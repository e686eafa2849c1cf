"""Logging in and out in a real browser with the keyboard alone. Skipped where no Chromium is found."""

from browsing import ask, needs_browser, new_page, rank_by_clicks
from fake_policies import fake_demo
from served_page import PASSWORDS, FakeClient, served, services_on, with_accounts

pytest_plugins = ("browsing",)
pytestmark = needs_browser


def test_a_rater_logs_in_votes_and_logs_out(browser, workspace, tmp_path):
    troubles = []
    access = with_accounts(workspace)
    with (
        services_on(workspace, fake_demo(tmp_path / "demo"), FakeClient(), access) as services,
        served(services) as address,
    ):
        page = new_page(browser, troubles, address)
        page.goto(address)
        assert page.url.endswith("/login")
        page.get_by_label("Name").fill("rob")
        page.get_by_label("Password").fill(PASSWORDS["rob"])
        page.keyboard.press("Enter")
        page.locator("#prompt-box").wait_for()
        shown = [tab.inner_text() for tab in page.get_by_role("tab").all() if tab.is_visible()]
        assert shown == ["Arena"], "a rater has no use for other tabs"
        assert not page.locator("#run-missing").is_visible()
        ask(page, "Hello")
        rank_by_clicks(page)
        store = services.arena.store
        assert [vote["rater"] for vote in store.votes()] == [store.pseudonyms.rater("user:rob")]
        page.locator("#account button").click()
        page.wait_for_url("**/login")
        page.goto(address)
        assert page.url.endswith("/login")
        page.context.close()
    assert troubles == []

"""The arena's modes in a real browser: a pair, a rating, a skip, own votes and copies, by keys and by mouse.

One server and one page for all of it; skipped with a reason where no Chromium is found.
"""

from browsing import ask, go_to, needs_browser, new_round, press, prompt_box

from ui.texts import Texts

pytest_plugins = ("browsing",)
pytestmark = needs_browser
T = Texts("en")


def choose(page, group, key):
    page.locator(f"#{group} label", has_text=T(key)).first.click()


def ask_in(page, mode, text):
    """Ask in a mode and wait until it can be voted on."""
    choose(page, "mode", f"mode.{mode}")
    prompt_box(page).fill(text)
    with new_round(page):
        page.locator("#ask-button").click()


def test_a_rater_judges_in_every_mode_and_finds_the_votes_again(visit, quick):
    page = visit(quick.address)
    go_to(page, "arena")
    ask_in(page, "pair", "Which is better?")
    assert page.locator(".arena-pane:visible").count() == 2 and not page.locator("#vote-do-tie").is_visible()
    press(page, "b")
    page.keyboard.press("Enter")
    page.wait_for_selector("#next-button")

    ask_in(page, "rate", "How good is it?")
    assert page.locator(".arena-pane:visible").count() == 1 and not page.locator("#order-box").is_visible()
    press(page, "4")
    page.locator("#tags-box label", has_text=T("tag.too_long")).click()
    page.locator("#vote-button").click()
    page.wait_for_selector("#next-button")
    page.wait_for_selector(f"text={T('tag.too_long')} 1")

    ask_in(page, "rank", "Which one first?")
    page.locator("#skip-box input").click()
    page.get_by_role("option", name=T("skip.cannot_judge")).click()
    page.wait_for_selector(f"text={T('arena.skipped')}")

    page.locator("#mine button").first.click()
    page.wait_for_selector("text=Your votes in this season: 2.")
    page.locator("#mine-retract").click()
    page.wait_for_selector("text=Your votes in this season: 1.")


def test_too_alike_new_answers_and_a_follow_up(visit, quick):
    page = visit(quick.address)
    go_to(page, "arena")
    ask(page, "Anything")
    with new_round(page):
        page.locator("#regenerate-button").click()
    press(page, "e")
    assert page.locator("#order-box :is(input, textarea)").first.input_value() == "A=B=C=D"
    page.keyboard.press("Enter")
    page.wait_for_selector("#go-on-button")
    prompt_box(page).fill("And then?")
    page.locator("#go-on-button").click()
    page.wait_for_selector("#vote-button:not([disabled])")
    assert page.locator("#pane-A .message").count() >= 4

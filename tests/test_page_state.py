"""The page in a browser, without a training: what survives a reload, keys, start buttons, and people's first
minutes."""

from types import SimpleNamespace

import pytest
from browsing import ask, fill, go_to, needs_browser, rank_by_clicks, settled
from fake_policies import fake_demo
from served_page import FakeClient, QuickJobs, served, services_on

from data.workspace import Workspace
from ui.texts import Texts

pytest_plugins = ("browsing",)
pytestmark = needs_browser


@pytest.fixture(scope="module")
def student(tmp_path_factory):
    """The page on an empty workspace, with real trainings of the smallest size."""
    folder = tmp_path_factory.mktemp("student")
    workspace = Workspace(folder / "workspace").create()
    with (
        services_on(workspace, fake_demo(folder / "demo"), FakeClient(), runner=QuickJobs) as services,
        served(services) as address,
    ):
        yield SimpleNamespace(workspace=workspace, address=address)


def selected(page):
    return page.evaluate("document.querySelector('#tabs [role=tab][aria-selected=true]').dataset.tabId")


def wait_for_tab(page, tab):
    page.wait_for_selector(f"#tab-{tab}-button[aria-selected=true]")


def test_tab_form_and_language_survive_a_reload_and_the_address_names_them(visit, quick):
    page = visit(quick.address)
    assert selected(page) == "start"
    go_to(page, "sft")
    fill(page, "sft-max_steps", "40")
    page.wait_for_function("() => document.querySelector('#command-sft textarea').value.includes('=40')")
    assert page.url.endswith("/#sft")
    page.reload()
    wait_for_tab(page, "sft")
    page.wait_for_function("() => document.querySelector('#sft-max_steps input').value === '40'")
    page.wait_for_function("() => document.querySelector('#command-sft textarea').value.includes('=40')")
    page.locator("#reset-sft").click()
    page.wait_for_function("() => document.querySelector('#sft-max_steps input').value === '60'")
    page.locator(".languages a").click()
    wait_for_tab(page, "sft")
    assert "/zh/" in page.url and page.url.endswith("#sft")
    page.wait_for_selector(f"#start-sft:has-text('{Texts('zh')('then.sft')}')")


def test_arrow_keys_move_tabs_and_back_returns(visit, quick):
    page = visit(quick.address + "/#data")
    wait_for_tab(page, "data")
    page.locator("#tab-data-button").focus()
    page.keyboard.press("ArrowRight")
    wait_for_tab(page, "sft")
    assert page.evaluate("document.activeElement.id") == "tab-sft-button"
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline not in ("none", "")
    page.keyboard.press("Home")
    wait_for_tab(page, "start")
    page.go_back()
    wait_for_tab(page, "sft")


def test_the_start_button_of_an_empty_workspace_offers_the_data_first_and_is_in_sight(visit, quick):
    page = visit(quick.address + "/#sft", height=768)
    button = page.locator("#start-sft")
    page.wait_for_selector("#start-sft:has-text('Prepare the data, then start SFT')")
    box = button.bounding_box()
    assert box["y"] >= 0 and box["y"] + box["height"] <= 768
    page.locator("#tab-sft").get_by_role("button", name="More settings").click()
    settled(page)
    box = button.bounding_box()
    assert box["y"] + box["height"] <= 768  # also with all settings unfolded


def test_a_newcomer_finds_the_arena_with_one_click_and_the_terms_explained(visit, quick):
    page = visit(quick.address)
    term = page.locator("#tab-start .term").first
    term.hover()
    assert page.locator("#tab-start .term .tip").first.is_visible()
    page.locator("#home-chat").click()
    wait_for_tab(page, "arena")
    page.wait_for_selector("#prompt-box :is(input, textarea)")


def test_a_phone_in_chinese_unfolds_the_header_and_reaches_every_tab_with_a_thumb(visit, quick):
    page = visit(quick.address, width=390, height=844, locale="zh-CN")
    assert not page.locator("#bar").is_visible()
    page.locator(".unfold").click()
    page.wait_for_selector("#pipeline .chip")
    page.locator(".unfold").click()
    for tab in page.locator("#tabs [role=tab]").all():
        box = tab.bounding_box()
        assert box["height"] >= 44 and 844 - 70 <= box["y"] <= 844 - 44
    go_to(page, "runs", "zh")


def test_a_rater_on_a_phone_in_chinese_asks_votes_and_sees_who_was_who(visit, quick):
    page = visit(quick.address + "/zh/", width=390, height=844, locale="zh-CN")
    page.locator("#home-chat").click()
    wait_for_tab(page, "arena")
    ask(page, "Hello")
    rank_by_clicks(page)
    assert "ppo-int4" in page.inner_text("#reveal")


def test_two_people_on_one_device_have_votes_of_their_own(visit, quick):
    page = visit(quick.address + "/#arena")
    ask(page, "Hello")
    rank_by_clicks(page)
    page.locator("#mine button").first.click()
    page.wait_for_selector("text=Your votes in this season: 1.")
    fill(page, "rater-name", "Bob")
    with page.expect_navigation():  # the page loads again, under the other name
        page.locator("#rate-as").click()
    page.wait_for_selector("#vote-button[disabled]")
    page.locator("#mine button").first.click()
    page.wait_for_selector("text=Your votes in this season: 0.")
    page.wait_for_function("() => document.querySelector('#rater-name :is(input, textarea)').value === 'Bob'")


@pytest.mark.slow
def test_a_student_trains_from_an_empty_workspace_chats_and_starts_again(visit, student):
    """SFT on an empty workspace: the button prepares the data first; the run is followed to its end, its
    curve is explained, its model answers, and its settings fill the form again."""
    page = visit(student.address + "/#sft")
    page.wait_for_selector("#start-sft:has-text('Prepare the data')")
    fill(page, "sft-max_steps", "3")
    page.wait_for_function("() => document.querySelector('#command-sft textarea').value.includes('steps=3')")
    page.locator("#start-sft").click()
    page.wait_for_selector("#card-sft .phase")
    page.wait_for_selector("#card-sft .chip.done", timeout=600_000)
    page.wait_for_selector("#view-sft .reading li")
    page.locator("#view-sft .onward a").click()
    page.wait_for_selector("#tab-runs-button[aria-selected=true]")
    page.locator("#run-chat button.label-wrap").click()
    page.locator("#chat-box :is(input, textarea)").first.fill("Hello")
    page.locator("#chat-send").click()
    page.wait_for_selector("#run-chat :text('Answer with one.')")
    page.locator(".brand-name a").click()
    wait_for_tab(page, "start")
    page.wait_for_selector("#picture a[href='#sft'] .chip.done")
    go_to(page, "data")
    fill(page, "pair-index", "99999")
    page.wait_for_selector(".problem:has-text('There is no pair number 99999')")
    go_to(page, "runs")
    page.locator("#again").click()
    wait_for_tab(page, "sft")
    page.wait_for_function("() => document.querySelector('#sft-max_steps input').value === '3'")


@pytest.mark.slow
@pytest.mark.parametrize("width, height", [(1366, 768), (390, 844)])
def test_nothing_jumps_while_the_page_opens(visit, quick, width, height):
    page = visit(quick.address, width=width, height=height)
    settled(page)
    # Gradio lays a translucent cover over what it loads; a cover that changes its size moves nothing.
    shift = page.evaluate(
        """() => {
            const moved = source => source.node && !/translucent/.test(source.node.className || "");
            return new Promise(done => new PerformanceObserver(list => done(list.getEntries()
            .filter(entry => !entry.hadRecentInput && entry.sources.some(moved))
            .reduce((sum, entry) => sum + entry.value, 0)))
            .observe({type: "layout-shift", buffered: true}) || setTimeout(() => done(0), 500)); }"""
    )
    assert shift < 0.05

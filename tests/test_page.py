"""The page in a real browser with real jobs, a real inference process and real votes on a small random base.

The tests open the page, start a short SFT run, reload in the middle, see it finish, ask in the arena, vote
with the keyboard, and see the reveal and the updated leaderboard. No error may reach the console, and no
request may leave the machine. The tests are skipped with a reason where no Chromium is found.
"""

from types import SimpleNamespace

import pytest
from browsing import (
    ask,
    fill,
    go_to,
    load,
    needs_browser,
    new_page,
    order_box,
    press,
    prompt_box,
    settled,
    wait_for_answers,
)
from little_policies import save_policies
from served_page import UrgentJobs, served, services_on

from data.workspace import Workspace
from pipeline.arena.client import InferenceClient
from pipeline.runs.reader import list_runs, read_run

pytest_plugins = ("browsing",)
pytestmark = needs_browser


@pytest.fixture(scope="module")
def shared(browser, quick):
    troubles = []
    page = new_page(browser, troubles, quick.address)
    yield page, troubles
    page.context.close()


@pytest.fixture
def arena(shared, quick):
    """The arena on a page that several tests share. It is loaded again if its last round has no vote."""
    page, troubles = shared
    troubles.clear()
    if not page.locator("#reveal table").count():
        load(page, quick.address)
        go_to(page, "arena")
    yield page
    assert troubles == []


@pytest.fixture(scope="module")
def real(tmp_path_factory, random_base):
    """The page with real services, small random policies and a small data set."""
    from pipeline.commands.execute import execute
    from pipeline.settings.layers import build

    folder = tmp_path_factory.mktemp("page")
    workspace = Workspace(folder / "workspace").create()
    sizes = ["train_rows=400", "validation_rows=20", "test_rows=20"]
    execute("prepare", build("prepare", "tiny", overrides=sizes), workspace)
    save_policies(random_base, folder / "demo")
    client = InferenceClient(workspace)
    with services_on(workspace, {"tiny": folder / "demo"}, client, runner=UrgentJobs) as services:
        services.arena.start()
        with served(services) as address:
            yield SimpleNamespace(workspace=workspace, address=address, base=random_base)


def vote(page):
    """Vote that all answers are bad, so that the next test can ask on this page."""
    page.locator("#pane-A").focus()
    press(page, ["x", "Enter"])
    page.wait_for_selector("#reveal table")


@pytest.mark.faults(45)
def test_training_survives_a_reload_and_is_seen_to_finish(visit, real):
    page = visit(real.address)
    go_to(page, "sft")
    fill(page, "sft-max_steps", "12")
    fill(page, "sft-base_model", str(real.base))
    page.keyboard.press("Enter")  # a base of one's own, beside those that are offered
    fill(page, "sft-learning_rate", "0.001")
    for change in ("max_steps=12", "learning_rate=0.001", "base_model="):
        command = "(text) => document.querySelector('#command-sft textarea').value.includes(text)"
        page.wait_for_function(command, arg=change)
    page.locator("#start-sft").click()
    page.wait_for_selector("#now-card .chip.running")
    assert page.locator("#card-sft .job").count() == 1  # the run is on show, in one card
    run = list_runs(real.workspace)[0].id

    page.reload()
    page.wait_for_selector(f"#card-sft :text('#{run[-4:]}')")  # the address names the tab
    assert page.locator("#sft-max_steps input").input_value() == "12"
    page.wait_for_selector("#card-sft .chip.done")
    record = read_run(real.workspace, run)
    assert record.status == "done"
    assert record.config["max_steps"] == 12 and record.config["learning_rate"] == 0.001
    page.wait_for_selector("#tab-sft .charts .js-plotly-plot")
    settled(page)
    bar = page.locator("#tab-sft .start-bar").bounding_box()
    assert bar["height"] < 150, "the bar with the start button covers the form beside the charts"
    go_to(page, "runs")
    page.wait_for_selector(f"#runs-list :text('{run}')")


def test_ask_vote_by_keyboard_reveal_and_leaderboard(visit, real):
    page = visit(real.address)
    go_to(page, "arena")
    ask(page, "What is the capital of France?")
    before = page.inner_text("#leaderboard")
    assert "ppo-" not in page.inner_text("#tabs")
    press(page, ["b", "a", "=", "d", "c"])
    assert order_box(page).input_value() == "B>A=D>C"
    assert page.locator("#pane-D").get_attribute("data-place") == "2"
    assert page.locator("#pane-C").get_attribute("data-place") == "4"
    page.keyboard.press("Enter")
    page.wait_for_selector("#reveal table")
    assert {"sft", "ppo-bf16", "ppo-int8", "ppo-int4"} <= set(page.inner_text("#reveal").split())
    page.wait_for_function("(old) => document.querySelector('#leaderboard').innerText !== old", arg=before)


def test_keys_undo_tie_and_all_bad(arena):
    page = arena
    ask(page, "Hello")
    press(page, ["3", "1", "Backspace"])
    assert order_box(page).input_value() == "C"
    press(page, ["="] + list("a"))
    assert order_box(page).input_value() == "C=A"
    press(page, ["x"])
    assert order_box(page).input_value() == "none"
    press(page, ["Enter"])
    page.wait_for_selector("#reveal table")


def test_clicking_the_panes_ranks_them_and_a_new_round_starts_clean(arena):
    page = arena
    ask(page, "Hello")
    for letter in "DAB":
        page.locator(f"#pane-{letter} .pane-head").click()
    page.locator("#pane-A .pane-head").click()  # a second click removes it from the order
    assert order_box(page).input_value() == "D>B"
    page.locator("#comment-box textarea").fill("D is best")
    page.locator("#vote-button").click()
    page.wait_for_function(
        "() => document.querySelector('#order-box input, #order-box textarea').value.length > 3"
    )
    assert page.locator("#reveal table").count() == 0
    page.locator("#vote-button").click()
    page.wait_for_selector("#reveal table")
    assert order_box(page).input_value() == "D>B>A=C"
    ask(page, "Hello again")
    assert order_box(page).input_value() == ""
    assert page.locator("#comment-box textarea").input_value() == ""
    vote(page)


def test_a_whole_session_by_keyboard(arena):
    """Type, Enter, rank, Enter, N: every key reaches the right element."""
    page = arena
    prompt_box(page).fill("")
    prompt_box(page).click()
    page.keyboard.type("Hello")
    page.keyboard.press("Enter")
    wait_for_answers(page)
    press(page, "bacd")
    assert prompt_box(page).input_value() == "Hello" and order_box(page).input_value() == "B>A>C>D"
    page.keyboard.press("Enter")
    page.wait_for_selector("#reveal table")
    page.wait_for_selector("#next-button")
    page.keyboard.press("n")
    page.wait_for_function("() => !document.querySelector('#reveal table')")
    wait_for_answers(page)
    assert prompt_box(page).input_value() not in ("", "Hello")
    page.locator("#pane-C").focus()
    page.keyboard.press("Space")
    assert order_box(page).input_value() == "C"
    vote(page)


def test_enter_on_the_button_that_asked_votes_and_does_not_ask_again(arena):
    page = arena
    ask(page, "Hello")
    press(page, ["b", "a", "c", "d", "Enter"])
    page.wait_for_selector("#reveal table")


def test_an_empty_question_leaves_the_round_and_its_order(arena):
    page = arena
    ask(page, "Hello")
    press(page, "ba")
    prompt_box(page).fill("")
    page.locator("#ask-button").click()
    page.wait_for_selector(".toast-wrap, .toast-body")
    assert order_box(page).input_value() == "B>A"
    assert "Answer with" in page.inner_text("#pane-A")


@pytest.mark.faults(29)
def test_model_and_user_text_are_inert(arena):
    page = arena
    ask(page, "<img src='https://example.org/x.png' onerror='window.hacked = 1'> **bold** <script>1</script>")
    assert page.locator(".arena-pane img, .arena-pane script, .arena-pane strong").count() == 0
    assert "<img" in page.inner_text("#pane-A")
    assert page.evaluate("window.hacked") is None
    vote(page)


def test_a_form_that_cannot_run_states_the_reason(visit, quick):
    page = visit(quick.address)
    go_to(page, "sft")
    # Types while the tab is still being filled: the response to the last change must remain.
    fill(page, "sft-learning_rate", "9")
    page.wait_for_selector(".problem:has-text('Learning rate: at most 1')")
    settled(page)
    assert page.locator(".problem:has-text('Learning rate')").count() == 1
    fill(page, "sft-learning_rate", "0.001")
    page.get_by_text("Needs about").locator("visible=true").first.wait_for()

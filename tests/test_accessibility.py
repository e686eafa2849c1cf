"""No axe-core violation of impact serious or worse, and nothing wider than the screen or cut off at its edge:
three tabs on a phone in Chinese, and in the slow tests every tab in both themes, languages and
widths.
"""

import itertools
from pathlib import Path

import axe_core_python
import pytest
from browsing import go_to, needs_browser, settled
from fake_policies import fake_demo
from served_page import FakeClient, served, services_on

from data.errors import Code
from data.workspace import Workspace
from pipeline.runs.record import Run
from pipeline.settings.layers import build
from ui.page import TABS

pytest_plugins = ("browsing",)
pytestmark = needs_browser
AXE = (Path(axe_core_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
TOO_WIDE = "document.documentElement.scrollWidth - innerWidth"
# What the page cuts off at the screen's edge makes it no wider; what can be scrolled sideways is not cut off.
CUT_OFF = """() => {
  const scrolls = (e) => e && (/auto|scroll/.test(getComputedStyle(e).overflowX) || scrolls(e.parentElement));
  const shown = {visibilityProperty: true, opacityProperty: true};
  return [...document.querySelectorAll('#tabs [role=tabpanel] *')].flatMap((e) => {
    const {width, right} = e.getBoundingClientRect();
    const inside = width < 2 || right < innerWidth + 1;
    if (inside || !e.checkVisibility(shown) || scrolls(e.parentElement)) return [];
    return [`cut off: ${e.tagName} ${e.id || e.className}, at ${Math.round(right)} px`];
  }).slice(0, 5);
}"""
RUN = "axe.run(document, {resultTypes: ['violations']})"
LOOKS = sorted(itertools.product(("en", "zh"), (390, 1366), ("dark", "light")))
QUICK_TABS = ("start", "sft", "arena")  # text, a form with a run, and the panes of the answers


@pytest.fixture(scope="module")
def lived_in(tmp_path_factory):
    """The page on a workspace with runs that are done, failed and running."""
    folder = tmp_path_factory.mktemp("lived-in")
    workspace = Workspace(folder / "workspace").create()
    with (
        services_on(workspace, fake_demo(folder / "demo"), FakeClient()) as services,
        served(services) as address,
    ):
        for stage in ("sft", "ppo"):
            run = Run.create(workspace, stage, build(stage))
            run.start_attempt()
            run.set_total(10)
            for step in range(1, 9):
                run.log({"step": step, "loss": 2 / step, "objective/scores": 0.1 * step, "objective/kl": 0.2})
            run.finish({"eval_loss": 0.5}) if stage == "sft" else run.fail("loss became inf", Code.UNSTABLE)
        done = Run.create(
            workspace, "ppo", build("ppo", overrides=["name=a-name-of-many-words-that-needs-room"])
        )
        done.start_attempt()
        done.finish({"score_gain": 0.49, "kl_per_token": 0.288, "gold_mean": 0.819, "win_rate_vs_sft": 0.77})
        running = Run.create(workspace, "reward", build("reward", precision="int8"))
        running.start_attempt()
        yield address


def serious(page):
    """The violations of impact serious or worse, in short."""
    return [
        f"{found['id']}: {node['target']} {node['html'][:120]}"
        for found in page.evaluate(RUN)["violations"]
        if found["impact"] in ("serious", "critical")
        for node in found["nodes"]
    ]


def look_at_tabs(page, language, tabs):
    page.evaluate(AXE)
    found = {}
    for tab in tabs:
        go_to(page, tab, language)
        settled(page)
        problems = serious(page)
        if (wide := page.evaluate(TOO_WIDE)) > 0:
            problems.append(f"{wide} px too wide")
        problems += page.evaluate(CUT_OFF)
        if problems:
            found[tab] = problems
    return found


def look(visit, address, language, opened_at, width, scheme, tabs=TABS):
    """What is wrong with the tabs of a page that was opened at one width and then became another."""
    locale = {"en": "en-US", "zh": "zh-CN"}[language]
    page = visit(address, width=opened_at, height=800, locale=locale, scheme=scheme)
    page.set_viewport_size({"width": width, "height": 800})
    return look_at_tabs(page, language, tabs)


def test_three_tabs_on_a_phone_have_no_serious_violation_and_fit(visit, lived_in):
    """The page was opened on a wide screen, which then became narrow."""
    assert look(visit, lived_in, "zh", 1366, 390, "light", QUICK_TABS) == {}


@pytest.mark.slow
@pytest.mark.parametrize("language, width, scheme", LOOKS)
def test_no_tab_has_a_serious_violation_or_is_too_wide(visit, lived_in, language, width, scheme):
    assert look(visit, lived_in, language, width, width, scheme) == {}

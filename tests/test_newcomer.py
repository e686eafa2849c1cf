"""A newcomer in a real browser: by one click from an empty workspace to a finished comparison of own models.

Every stage really trains, with the smallest settings, and the trained policies really answer.
"""

from types import SimpleNamespace

import pytest
from browsing import needs_browser
from served_page import SMALLEST, QuickJobs, served, services_on

from data.policies import POLICIES
from data.workspace import Workspace
from pipeline.arena.client import InferenceClient
from pipeline.runs.reader import list_runs

pytest_plugins = ("browsing",)
pytestmark = [needs_browser, pytest.mark.slow]
MINUTES = 60_000  # milliseconds


@pytest.fixture
def fresh(tmp_path):
    """The page as it is right after the installation: an empty workspace and the shipped policies."""
    workspace = Workspace(tmp_path / "workspace").create()
    with (
        services_on(workspace, None, InferenceClient(workspace), runner=QuickJobs) as services,
        served(services) as address,
    ):
        yield SimpleNamespace(workspace=workspace, address=address)


def test_a_newcomer_trains_everything_by_one_click_sees_the_comparison_and_chats(fresh, visit):
    # The page closes before its server, because the later fixture ends first.
    page = visit(fresh.address)
    page.locator("#home-train-tiny").click()
    page.wait_for_selector("#home-now .chip.running, #home-now .chip.queued")
    page.wait_for_selector("#home-finished", timeout=15 * MINUTES)
    assert {(run.stage, run.status) for run in list_runs(fresh.workspace)} == {
        (stage, "done") for stage in SMALLEST
    }
    assert page.locator("#picture .chip.done").count() == 9  # data, SFT, 3 reward models, 3 policies, figures

    page.locator("#home-finished a[href='#evaluation']").click()
    page.wait_for_selector("#tab-evaluation-button[aria-selected=true]")
    page.wait_for_selector("#evaluation-verdict li")
    assert set(POLICIES) <= set(page.inner_text("#evaluation-table").split())

    page.locator(".brand-name a").click()
    page.locator("#home-finished a[href='#arena']").click()
    page.wait_for_selector("#arena-source:has-text('your training of')")
    page.locator("#prompt-box :is(input, textarea)").first.fill("What is the capital of France?")
    page.locator("#ask-button").click()
    page.wait_for_selector("#vote-button:not([disabled])")
    for letter in "BADC":
        page.locator(f"#pane-{letter} .pane-head").click()
    page.locator("#vote-button").click()
    page.wait_for_selector("#reveal table")
    assert set(POLICIES) <= set(page.inner_text("#reveal").split())

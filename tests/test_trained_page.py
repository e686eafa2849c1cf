"""What a browser does with a trained model: a conversation with it and its export, as a real download."""

import zipfile
from types import SimpleNamespace

import pytest
from browsing import needs_browser, settled
from little_policies import save_policies
from served_page import served, services_on

from data.workspace import Workspace
from pipeline.arena.client import InferenceClient
from pipeline.runs import snapshots
from pipeline.runs.record import Run
from pipeline.settings.layers import build

pytest_plugins = ("browsing",)
pytestmark = [needs_browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def trained(tmp_path_factory, random_base):
    """The page with a done PPO run that has a snapshot, and a done run of `prepare`, which has no model."""
    folder = tmp_path_factory.mktemp("trained")
    workspace = Workspace(folder / "workspace").create()
    policies = save_policies(random_base, folder / "policies", names=("sft", "ppo-bf16"))
    overrides = [f"base_model={random_base}", "lora_rank=4", "lora_alpha=8", "response_length=8"]
    run = Run.create(workspace, "ppo", build("ppo", overrides=overrides))
    run.start_attempt()
    run.log({"step": 1, "objective/scores": 0.1})
    snapshot = snapshots.folder_of(run.folder, 5)
    snapshot.parent.mkdir()
    policies["sft"].rename(snapshot)
    policies["ppo-bf16"].rename(run.model_dir)
    run.finish({"score_gain": 0.5})
    data = Run.create(workspace, "prepare", build("prepare"))
    data.start_attempt()
    data.finish({"dataset": "gone"})
    with (
        services_on(workspace, {}, InferenceClient(workspace)) as services,
        served(services) as address,
    ):
        yield SimpleNamespace(workspace=workspace, address=address, run=run.id, data=data.id)


ANSWERED = """() => {
    const said = [...document.querySelectorAll("#run-chat [data-testid=bot]")].map((one) => one.innerText);
    return said.length === 1 && said[0].trim() !== "…" && !document.querySelector("#chat-send").disabled;
}"""


def open_panel(page, name):
    panel = page.locator(f"#{name}")
    panel.wait_for()
    panel.locator("button.label-wrap").click()


def test_a_finished_run_leads_to_a_conversation_with_its_model(visit, trained):
    page = visit(trained.address + "/#ppo")
    page.locator("#view-ppo .onward a").click()
    page.wait_for_selector("#tab-runs-button[aria-selected=true]")
    open_panel(page, "run-chat")
    box = page.locator("#chat-box :is(input, textarea)").first
    box.fill("Hello there")
    page.keyboard.press("Enter")
    page.wait_for_function(ANSWERED)
    assert "Hello there" in page.inner_text("#run-chat") and box.input_value() == ""

    page.locator("#chat-version input").click()  # another version begins anew
    page.get_by_role("option", name="after step 5").click()
    page.wait_for_function("() => document.querySelectorAll('#run-chat [data-testid=bot]').length === 0")
    box.fill("Hello again")
    page.locator("#chat-send").click()
    page.wait_for_function(ANSWERED)


def test_a_model_is_exported_and_downloaded(visit, trained, tmp_path):
    page = visit(trained.address + f"/#runs/{trained.run}")
    open_panel(page, "run-export")
    page.locator("#export-form label", has_text="LoRA adapter only").click()
    page.wait_for_selector("#export-command:has-text('--format adapter')")
    page.locator("#export-run").click()
    page.wait_for_selector(f"#export-told:has-text('{trained.run}-adapter')")
    with page.expect_download() as download:
        page.locator("#export-download").click()
    download.value.save_as(tmp_path / "model.zip")
    names = zipfile.ZipFile(tmp_path / "model.zip").namelist()
    assert f"{trained.run}-adapter/adapter_model.safetensors" in names
    assert (trained.workspace.export(f"{trained.run}-adapter") / "adapter_config.json").is_file()


def test_a_run_without_a_model_offers_neither(visit, trained):
    page = visit(trained.address + f"/#runs/{trained.data}")
    page.wait_for_selector(f"#tab-runs :text('#{trained.data[-4:]}')")
    settled(page)
    assert not page.locator("#run-chat").is_visible() and not page.locator("#run-export").is_visible()

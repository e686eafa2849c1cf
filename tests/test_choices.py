"""The choices of base models and data sets: what is on this machine, with labels; found without torch."""

from types import SimpleNamespace

import pytest
from huggingface_hub import constants

from data import local_bases
from data.datasets import write_card, write_splits
from data.files import write_json
from pipeline.runs.reader import RunReader
from pipeline.runs.record import Run
from pipeline.settings.layers import build
from ui import choices
from ui.texts import Texts

T = Texts("en")


@pytest.fixture
def services(workspace):
    return SimpleNamespace(workspace=workspace, runs=RunReader(workspace))


@pytest.fixture(autouse=True)
def hub_cache(tmp_path, monkeypatch):
    """An empty cache of the hub."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def make_base(folder, architecture="LlamaForCausalLM", size=2_000_000):
    folder.mkdir(parents=True)
    write_json(folder / "config.json", {"architectures": [architecture]})
    (folder / "model.safetensors").write_bytes(b"\0" * size)
    return folder


def labels(services):
    return {value: label for label, value in choices.bases(services, T)}


def test_a_fresh_workspace_offers_the_included_base_and_names_of_the_hub(services):
    found = labels(services)
    assert next(iter(found)) == "tiny" and "included" in found["tiny"]
    assert "downloaded when needed" in found["distilgpt2"]


def test_folders_and_gguf_files_in_the_workspace_are_offered_with_their_sizes(services):
    folder = make_base(services.workspace.models / "mine")
    file = services.workspace.models / "other.Q4_1.gguf"
    file.write_bytes(b"\0" * 3_000_000)
    (services.workspace.models / "notes.txt").write_text("no model")
    found = labels(services)
    assert found[str(folder)] == "mine · folder, 2.0 MB"
    assert found[str(file)] == "other.Q4_1.gguf · GGUF file, 3.0 MB"
    assert not any("notes" in label for label in found.values())


def test_an_exported_policy_is_a_base_and_an_exported_reward_model_is_not(services):
    policy = make_base(services.workspace.export("a-policy"), "GPT2LMHeadModel")
    reward = make_base(services.workspace.export("a-reward"), "GPT2ForSequenceClassification")
    found = labels(services)
    assert str(policy) in found and str(reward) not in found


def test_a_folder_that_an_earlier_run_used_is_offered_while_it_exists(services, tmp_path):
    folder = make_base(tmp_path / "elsewhere" / "qwen")
    for base in (folder, tmp_path / "gone"):
        Run.create(services.workspace, "sft", build("sft", overrides=[f"base_model={base}"]))
    found = labels(services)
    assert found[str(folder)] == "qwen · folder, 2.0 MB"
    assert str(tmp_path / "gone") not in found


def test_a_base_that_was_pretrained_here_is_offered_once_it_is_done(services):
    run = Run.create(services.workspace, "pretrain", build("pretrain"))
    run.start_attempt()
    assert str(run.model_dir) not in labels(services)
    run.finish({"loss": 1.0})
    assert labels(services)[str(run.model_dir)].startswith("base trained here on ")


def test_a_complete_model_in_the_hubs_cache_is_offered_by_its_name(services, hub_cache):
    make_base(hub_cache / "models--distilgpt2" / "snapshots" / "abc", "GPT2LMHeadModel")
    make_base(hub_cache / "models--Some--Model" / "snapshots" / "abc")
    (hub_cache / "models--Half--Downloaded" / "snapshots" / "abc").mkdir(parents=True)
    found = labels(services)
    assert found["distilgpt2"] == "distilgpt2 · downloaded already, 2.0 MB"
    assert found["Some/Model"] == "Some/Model · downloaded already, 2.0 MB"
    assert "Half/Downloaded" not in found


def test_a_damaged_config_is_no_base(tmp_path):
    folder = make_base(tmp_path / "broken")
    (folder / "config.json").write_text("{")
    assert local_bases.base_at(folder) is None


def test_an_empty_base_of_a_later_stage_means_that_of_the_parent_run(services):
    inherited = choices.of_field(services, "base_model", T, inherits=True)
    assert inherited[0] == (T("form.parents_base"), "")
    assert ("", T("form.parents_base")) not in choices.of_field(services, "base_model", T)


def test_a_data_set_is_named_with_its_size_and_source(services):
    row = {"prompt": "\n\nHuman: a\n\nAssistant:", "chosen": " b", "rejected": " c"}
    folder = write_splits(services.workspace.dataset("pairs"), {"train": [row] * 3, "test": [row]})
    card = {"source": "hub:Anthropic/hh-rlhf", "splits": {"train": {"pairs": 1200}, "test": {"pairs": 34}}}
    write_card(folder, card)
    assert choices.of_field(services, "dataset", T) == [
        (T("form.newest"), ""),
        ("pairs · 1,234 pairs · hub:Anthropic/hh-rlhf", "pairs"),
    ]
    (folder / "dataset.json").write_text("{")
    assert choices.datasets(services, T) == [("pairs", "pairs")]


def test_only_done_runs_can_be_parents(services):
    runs = [Run.create(services.workspace, "sft", build("sft")) for _ in range(2)]
    runs[0].start_attempt()
    runs[0].finish({"loss": 1.0})
    assert [value for _, value in choices.of_field(services, "sft_run", T)] == ["", runs[0].id]

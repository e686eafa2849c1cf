"""An exported model equals the trained one and loads with transformers alone."""

import pytest
import torch
import transformers

from data.errors import UserError
from models import adapters, loading
from pipeline.commands.export import export, export_apart
from pipeline.runs.record import Run
from pipeline.settings.layers import build

CPU = torch.device("cpu")


@pytest.fixture
def trained(workspace):
    """trained(stage, base) -> (run id, model, head or None): a finished run with a random adapter."""

    def inner(stage, base):
        settings = build(stage, overrides=[f"base_model={base}", "lora_rank=4", "lora_alpha=8"])
        run = Run.create(workspace, stage, settings)
        run.start_attempt()
        reward = stage == "reward"
        load = loading.load_reward_base if reward else loading.load_causal
        model = load(base, "bf16", CPU)
        model = adapters.attach(model, adapters.lora_config(model, 4, 8), stage)
        torch.manual_seed(1)
        for parameter in adapters.adapter_parameters(model, stage).values():
            parameter.data = 0.05 * torch.randn_like(parameter, dtype=torch.float32)
        head = None
        if reward:
            head = loading.Head(model.config.hidden_size)
        adapters.save(model, run.model_dir, stage, base=base, precision="bf16", head=head)
        run.finish({})
        return run.id, model.eval(), head

    return inner


@torch.inference_mode()
def logits_of(folder, kind, ids):
    """Logits by transformers alone, without the project's loading code."""
    transformers.AutoTokenizer.from_pretrained(folder)
    return getattr(transformers, kind).from_pretrained(folder).eval()(torch.tensor([ids])).logits.float()


@pytest.mark.parametrize("family", ["random_base", "random_llama_base"])
@pytest.mark.parametrize("form", ["merged", "adapter"])
def test_an_exported_policy_gives_the_logits_of_the_trained_one(
    workspace, tmp_path, trained, request, family, form
):
    run_id, model, _ = trained("sft", request.getfixturevalue(family))
    folder = export(workspace, run_id, tmp_path / "out", form)
    ids = [5, 9, 40, 41, 77]
    with torch.inference_mode():
        expected = model.float()(torch.tensor([ids])).logits
    found = logits_of(folder, "AutoModelForCausalLM", ids)
    assert torch.allclose(found, expected, atol=1e-3 if form == "merged" else 0.1)


def test_an_exported_reward_model_gives_the_score_of_the_trained_one(
    workspace, tmp_path, trained, random_base
):
    run_id, model, head = trained("reward", random_base)
    folder = export(workspace, run_id, tmp_path / "out")
    ids = [5, 9, 40, 41, 77]
    with torch.inference_mode():
        states = model.float().base_model.model.transformer(torch.tensor([ids])).last_hidden_state
        expected = head(states[0, -1])
    found = logits_of(folder, "AutoModelForSequenceClassification", ids)
    assert torch.allclose(found[0], expected, atol=1e-4)


def test_what_cannot_be_exported_is_refused_and_leaves_nothing(workspace, tmp_path, trained, random_base):
    run_id, _, _ = trained("sft", random_base)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("mine")
    with pytest.raises(UserError, match="not empty"):
        export(workspace, run_id, tmp_path / "full")
    prepare = Run.create(workspace, "prepare", build("prepare"))
    with pytest.raises(UserError, match="no model"):
        export(workspace, prepare.id, tmp_path / "out")
    queued = Run.create(workspace, "sft", build("sft"))
    with pytest.raises(UserError, match="only a done run"):
        export(workspace, queued.id, tmp_path / "out")
    (workspace.run(run_id) / "model" / "adapter_model.safetensors").write_bytes(b"damaged")
    with pytest.raises(UserError, match="damaged"):
        export(workspace, run_id, tmp_path / "out")
    assert not (tmp_path / "out").exists() and [path.name for path in tmp_path.glob(".out*")] == []


def test_the_pages_export_is_written_once_to_the_workspace(workspace, trained, random_base, monkeypatch):
    run_id, *_ = trained("sft", random_base)
    folder = export_apart(workspace, run_id, "adapter")
    assert folder == workspace.exports / f"{run_id}-adapter"
    assert (folder / "adapter_model.safetensors").is_file() and (folder / "tokenizer.json").is_file()
    monkeypatch.setattr("subprocess.run", None)  # a second process would fail
    assert export_apart(workspace, run_id, "adapter") == folder


def test_the_pages_export_passes_on_why_it_failed(workspace, random_base):
    settings = build("sft", overrides=[f"base_model={random_base}"])
    run = Run.create(workspace, "sft", settings)
    with pytest.raises(UserError, match="is queued; only a done run can be exported"):
        export_apart(workspace, run.id)

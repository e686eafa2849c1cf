"""Demo policies are shipped as a complete set or not at all, in bf16 for real bases, within a size limit."""

import pytest
import torch
from safetensors.torch import load_file, save_file

from benchmarks import ship as shipping
from data.errors import UserError
from data.files import read_json, write_json
from models.loading import base_hash, tokenizer_hash
from pipeline.runs.record import Run
from pipeline.settings.layers import build

FOUR = [("sft", "bf16"), ("ppo", "bf16"), ("ppo", "int8"), ("ppo", "int4")]


def done(workspace, stage, precision, base, value=1.0 / 3):
    run = Run.create(workspace, stage, build(stage, "small", precision=precision))
    run.start_attempt()
    run.model_dir.mkdir()
    save_file({"a": torch.full((8,), value)}, run.model_dir / "adapter_model.safetensors")
    hashes = {"base_hash": base_hash(base), "tokenizer_hash": tokenizer_hash(base)}
    write_json(run.model_dir / "adapter_config.json", {"r": 8})
    write_json(run.model_dir / "model.json", {"base_model": str(base), "lora_rank": 8} | hashes)
    run.finish({})


def test_adapters_are_shipped_in_bf16(workspace, random_base, tmp_path):
    for stage, precision in FOUR:
        done(workspace, stage, precision, random_base)
    folders = shipping.ship(workspace, "demo", "small", tmp_path / "small")
    assert [folder.name for folder in folders] == ["sft", "ppo-bf16", "ppo-int8", "ppo-int4"]
    for folder in folders:
        shipped = load_file(folder / "adapter_model.safetensors")["a"]
        assert shipped.dtype == torch.bfloat16
        assert shipped[0] == torch.tensor(1.0 / 3).bfloat16()
        assert read_json(folder / "model.json")["lora_rank"] == 8


def test_an_incomplete_set_is_refused_before_anything_is_replaced(workspace, random_base, tmp_path):
    for stage, precision in FOUR[:-1]:
        done(workspace, stage, precision, random_base)
    kept = tmp_path / "small" / "demo" / "sft" / "old"
    kept.parent.mkdir(parents=True)
    kept.touch()
    with pytest.raises(UserError, match="no finished ppo run int4"):
        shipping.ship(workspace, "demo", "small", tmp_path / "small")
    assert kept.is_file()


def test_policies_over_the_limit_are_refused(workspace, random_base, tmp_path, monkeypatch):
    for stage, precision in FOUR:
        done(workspace, stage, precision, random_base)
    monkeypatch.setattr(shipping, "MOST_BYTES", 100)
    with pytest.raises(UserError, match="smaller lora_rank"):
        shipping.ship(workspace, "demo", "small", tmp_path / "small")

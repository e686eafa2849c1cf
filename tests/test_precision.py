"""The three precisions: loading, training, and rows that do not depend on the rest of their batch."""

import json
import shutil
import sys

import pytest
import torch

from data.errors import UserError
from data.policies import PRECISIONS
from models import adapters, loading
from models.precision import float_type, has_bf16_products, quantization_config, verify
from pipeline.runs import hardware

CPU = torch.device("cpu")


@pytest.fixture(params=["gpt2", "llama"])
def base(request, random_base, random_llama_base):
    return random_base if request.param == "gpt2" else random_llama_base


def with_adapter(base, precision):
    model = loading.load_causal(base, precision, CPU)
    return adapters.attach(model, adapters.lora_config(model, 4, 8), "mine")


@pytest.mark.parametrize("precision", PRECISIONS)
def test_every_lora_parameter_gets_a_gradient_even_after_an_eval_pass(base, precision):
    model = with_adapter(base, precision)
    ids = torch.arange(40).reshape(2, 20) + 2
    with torch.no_grad():
        model.eval()(ids)  # an eval pass used to break int4 on CPUs with AVX512-BF16
        for parameter in adapters.adapter_parameters(model, "mine").values():
            parameter.add_(0.01)  # lora_B starts at 0, which would leave lora_A without a gradient
    for mode in (True, False):
        model.zero_grad()
        model.train(mode)(ids, labels=ids).loss.backward()
        for name, parameter in adapters.adapter_parameters(model, "mine").items():
            assert parameter.dtype == torch.float32
            assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_row_does_not_depend_on_the_rest_of_its_batch(base, precision):
    model = loading.load_causal(base, precision, CPU)
    row = torch.arange(2, 22)[None]
    others = torch.randint(2, 300, (3, 20), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        one = model(torch.cat([row, others])).logits[0]
        two = model(torch.cat([row, others.flip(0) + 1])).logits[0]
    torch.testing.assert_close(one, two, rtol=0, atol=0)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_base_has_the_requested_precision(base, precision):
    model = loading.load_causal(base, precision, CPU)
    verify(model, precision, CPU)
    for other in set(PRECISIONS) - {precision}:
        with pytest.raises(UserError):
            verify(model, other, CPU)
    assert not any(p.requires_grad for p in model.parameters())
    assert model.get_output_embeddings().weight.dtype == float_type(CPU)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the two may differ")
def test_the_estimate_and_torch_agree_on_what_the_cpu_can_do():
    assert hardware.has_bf16_products() == has_bf16_products()


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_cpu_without_bf16_products_gets_the_same_values_in_fp32(base, precision, monkeypatch):
    usual = loading.load_causal(base, precision, CPU)
    monkeypatch.setattr("models.precision.has_bf16_products", lambda: False)
    model = loading.load_causal(base, precision, CPU)
    verify(model, precision, CPU)
    wide = {name: p for name, p in model.named_parameters() if p.dtype == torch.float32}
    assert model.get_input_embeddings().weight.dtype == torch.float32
    assert (len(wide) == len(list(model.parameters()))) == (precision == "bf16")
    for name, parameter in usual.named_parameters():
        if name in wide:
            assert torch.equal(parameter.float(), wide[name])
    ids = torch.arange(2, 30)[None]
    with torch.no_grad():
        logits = model(ids).logits
        assert logits.dtype == torch.float32
        torch.testing.assert_close(usual(ids).logits.float(), logits, rtol=0.1, atol=0.05)


def test_bases_load_without_dropout(base):
    model = loading.load_causal(base, "bf16", CPU).train()
    ids = torch.arange(2, 30)[None]
    assert torch.equal(model(ids).logits, model(ids).logits)


def test_an_unknown_precision_is_refused():
    with pytest.raises(UserError, match="fp8"):
        quantization_config("fp8", CPU)


def test_int8_has_no_outlier_threshold():
    assert quantization_config("int8", CPU).llm_int8_threshold == 0.0


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_reward_base_has_an_fp32_head(base, precision):
    model = loading.load_reward_base(base, precision, CPU, seed=3)
    assert type(model.score) is loading.Head and model.score.weight.dtype == torch.float32
    ids = torch.arange(2, 12)[None]
    assert model(ids, attention_mask=torch.ones_like(ids)).logits.dtype == torch.float32
    again = loading.load_reward_base(base, precision, CPU, seed=3)
    assert torch.equal(model.score.weight, again.score.weight)


def test_a_pad_token_that_the_base_has_never_seen_gets_the_mean_row(random_base, tmp_path):
    folder = tmp_path / "nopad"
    shutil.copytree(random_base, folder)
    card = json.loads((folder / "tokenizer_config.json").read_text())
    card.pop("pad_token", None)
    (folder / "tokenizer_config.json").write_text(json.dumps(card))
    tokens = json.loads((folder / "tokenizer.json").read_text())
    tokens["added_tokens"] = [token for token in tokens["added_tokens"] if token["content"] != "<|pad|>"]
    tokens["model"]["vocab"]["<|nothing|>"] = tokens["model"]["vocab"].pop("<|pad|>")
    (folder / "tokenizer.json").write_text(json.dumps(tokens))
    tokenizer = loading.load_tokenizer(folder)
    assert tokenizer.pad_token_id == len(tokenizer) - 1 != tokenizer.eos_token_id
    for precision in PRECISIONS:
        model = loading.load_causal(folder, precision, CPU)
        table = model.get_input_embeddings().weight
        assert table.shape[0] == len(tokenizer)
        assert torch.equal(table[-1], table[:-1].float().mean(0).bfloat16())
        assert model.config.pad_token_id == tokenizer.pad_token_id


@pytest.mark.faults(38)
def test_a_folder_with_pickled_weights_only_is_refused(random_base, tmp_path):
    folder = tmp_path / "pickled"
    shutil.copytree(random_base, folder)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(UserError, match="safetensors"):
        loading.load_causal(folder, "bf16", CPU)


@pytest.mark.faults(38)
def test_a_model_that_brings_its_own_code_is_refused_and_its_code_does_not_run(random_base, tmp_path):
    folder = tmp_path / "remote"
    shutil.copytree(random_base, folder)
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "evil", "auto_map": {"AutoConfig": "evil.C", "AutoModelForCausalLM": "evil.M"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    with pytest.raises(UserError):
        loading.load_causal(folder, "bf16", CPU)
    assert not (tmp_path / "ran").exists()


def test_a_folder_without_a_model_and_a_missing_folder_are_refused(tmp_path):
    with pytest.raises(UserError, match=r"config\.json"):
        loading.resolve_base(tmp_path)
    with pytest.raises(UserError, match="no such folder"):
        loading.resolve_base(tmp_path / "gone")

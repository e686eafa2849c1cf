"""Adapter folders: a saved adapter is restored exactly, and mismatched or damaged ones are refused."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from data import sealed
from data.errors import UserError
from data.policies import PRECISIONS
from models import adapters, loading
from models.scoring import RewardModel

CPU = torch.device("cpu")
IDS = torch.arange(2, 22)[None]


@pytest.fixture(params=["gpt2", "llama"])
def base(request, random_base, random_llama_base):
    return random_base if request.param == "gpt2" else random_llama_base


def trained(base, precision="bf16", reward=False, seed=0):
    """A model whose adapter "mine" has random weights, as after training."""
    load = loading.load_reward_base if reward else loading.load_causal
    model = load(base, precision, CPU)
    model = adapters.attach(model, adapters.lora_config(model, 4, 8), "mine")
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in adapters.adapter_parameters(model, "mine").values():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.1)
    return model.eval()


@pytest.fixture
def saved(random_base, tmp_path):
    folder = tmp_path / "model"
    adapters.save(trained(random_base), folder, "mine", base=random_base, precision="bf16")
    return folder


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_saved_adapter_answers_exactly_as_before(base, precision, tmp_path):
    model = trained(base, precision)
    adapters.save(model, tmp_path, "mine", base=base, precision=precision)
    back = adapters.load(loading.load_causal(base, precision, CPU), tmp_path, "b", base=base)
    with torch.no_grad():
        assert torch.equal(model(IDS).logits, back(IDS).logits)
        assert not torch.equal(back(IDS).logits, loading.load_causal(base, precision, CPU)(IDS).logits)


def test_an_adapter_is_frozen_unless_asked_and_fp32(random_base, saved):
    model = adapters.load(loading.load_causal(random_base, "int4", CPU), saved, "sft", base=random_base)
    assert not any(p.requires_grad for p in model.parameters())
    model = adapters.load(model, saved, "policy", base=random_base, trainable=True)
    assert model.active_adapter == "sft"
    learning = {key for key, p in model.named_parameters() if p.requires_grad}
    assert learning and all(".policy." in key for key in learning)
    assert {p.dtype for p in adapters.adapter_parameters(model, "policy").values()} == {torch.float32}


def test_the_same_weights_give_the_same_bytes_wherever_they_are_written(random_base, tmp_path):
    model = trained(random_base)
    for name in ("one", "two"):
        adapters.save(model, tmp_path / name, "mine", base=random_base, precision="bf16")
    files = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert files == ["adapter_config.json", "adapter_model.safetensors", "model.json"]
    for name in files:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


@pytest.mark.faults(41)
def test_an_adapter_of_another_base_is_refused(random_llama_base, saved):
    with pytest.raises(UserError, match="another base"):
        adapters.load(
            loading.load_causal(random_llama_base, "bf16", CPU), saved, "mine", base=random_llama_base
        )


@pytest.mark.faults(43)
def test_an_adapter_of_another_tokenizer_is_refused(random_base, saved):
    card = json.loads((saved / "model.json").read_text())
    sealed.write_card(saved / "model.json", card | {"tokenizer_hash": "0"})
    with pytest.raises(UserError, match="tokenizer"):
        adapters.check(saved, base=random_base)


@pytest.mark.faults(42)
def test_missing_layers_are_refused_instead_of_filled_with_random_numbers(random_base, saved):
    weights = load_file(saved / "adapter_model.safetensors")
    weights.pop(sorted(weights)[0])
    save_file(weights, saved / "adapter_model.safetensors")
    adapters.seal(saved, base=random_base)
    with pytest.raises(UserError, match="lacks 1"):
        adapters.load(loading.load_causal(random_base, "bf16", CPU), saved, "mine", base=random_base)


def test_tensors_of_another_shape_are_refused(random_base, saved):
    weights = load_file(saved / "adapter_model.safetensors")
    name = sorted(weights)[0]
    save_file(weights | {name: weights[name][:2].clone()}, saved / "adapter_model.safetensors")
    adapters.seal(saved, base=random_base)
    with pytest.raises(UserError, match="shape"):
        adapters.load(loading.load_causal(random_base, "bf16", CPU), saved, "mine", base=random_base)


@pytest.mark.faults(13)
def test_a_truncated_file_is_refused(random_base, saved):
    path = saved / "adapter_model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UserError, match="damaged"):
        adapters.load(loading.load_causal(random_base, "bf16", CPU), saved, "mine", base=random_base)


@pytest.mark.faults(42)
def test_a_language_model_is_refused_as_a_reward_model(random_base, saved):
    with pytest.raises(UserError, match="not a reward model"):
        RewardModel.load(saved, random_base, "bf16", CPU)


def test_a_score_is_read_at_the_last_token_whatever_other_rows_are_in_the_batch(base, tmp_path):
    model = trained(base, reward=True)
    scorer = RewardModel(model, model.get_base_model().score)
    rows = [list(range(5, 5 + n)) for n in (12, 3, 30, 7)]
    together = scorer.score(rows, batch_size=4)
    alone = torch.cat([scorer.score([row]) for row in rows])
    # bf16 products of other shapes round differently
    torch.testing.assert_close(together, alone, rtol=0, atol=2e-2)
    assert together.dtype == torch.float32 and len(set(together.tolist())) == 4


def test_a_pad_id_inside_a_sequence_does_not_hide_its_end(random_base):
    model = trained(random_base, reward=True)
    scorer = RewardModel(model, model.get_base_model().score)
    assert not torch.equal(scorer.score([[5, 6, 1]]), scorer.score([[5, 6]]))


def test_scoring_uses_no_padding_that_the_base_warns_about(random_base):
    model = trained(random_base, reward=True)
    fed = []
    model.get_base_model().base_model.register_forward_pre_hook(
        lambda module, args, kwargs: fed.append(kwargs["input_ids"]), with_kwargs=True
    )
    RewardModel(model, model.get_base_model().score).score([[5, 6, 7, 0], [8, 9]])
    assert fed[0].shape == (2, 4) and model.config.pad_token_id not in fed[0]


def test_scoring_with_another_adapter_restores_the_active_adapter_and_all_flags(random_base, saved):
    model = adapters.load(
        loading.load_causal(random_base, "bf16", CPU), saved, "policy", base=random_base, trainable=True
    )
    model = adapters.load(model, saved, "reward", base=random_base)
    flags = [p.requires_grad for p in model.parameters()]
    model.train()
    RewardModel(model, loading.Head(64), adapter="reward").score([[5, 6, 7]])
    assert model.active_adapter == "policy" and model.training
    assert flags == [p.requires_grad for p in model.parameters()]

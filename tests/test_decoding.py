"""Packed weights during sampling: the same model up to rounding, and unchanged afterwards."""

import pytest
import torch

from models import adapters
from models.fast import decoding, lora
from models.fast.logprobs import token_logprobs
from models.generation import generate
from models.loading import load_causal
from models.precision import has_bf16_products

CPU = torch.device("cpu")
packs = pytest.mark.skipif(not has_bf16_products(), reason="nothing is packed: this CPU has no bf16 products")


@pytest.fixture
def policy(random_base):
    """A small bf16 base with an adapter whose weights are not zero."""
    model = load_causal(random_base, "bf16", CPU)
    model = adapters.attach(model, adapters.lora_config(model, 4, 8), "policy").eval()
    generator = torch.Generator().manual_seed(1)
    for parameter in adapters.adapter_parameters(model, "policy").values():
        parameter.data = 0.1 * torch.randn(parameter.shape, generator=generator)
    return model


def logits(model, ids):
    with torch.inference_mode():
        return model(input_ids=ids).logits.float()


def ways(model):
    """(name, whether its forward pass is replaced, whether it has a packed one) per module."""
    return [(n, "forward" in m.__dict__, "few" in m.__dict__) for n, m in model.named_modules()]


@packs
def test_packed_logits_are_the_same_up_to_rounding_and_nothing_remains_afterwards(policy):
    ids, before = torch.arange(2, 14).view(3, 4), ways(policy)
    plain = logits(policy, ids)
    with decoding.packed(policy):
        assert any(few for _, _, few in ways(policy))
        close = logits(policy, ids)
    torch.testing.assert_close(close, plain, rtol=0.05, atol=0.02 * plain.abs().max().item())
    assert ways(policy) == before and torch.equal(logits(policy, ids), plain)


def test_it_packs_the_adapter_that_is_active(policy):
    policy = adapters.attach(policy, policy.peft_config["policy"], "other")
    ids = torch.arange(2, 10).view(2, 4)
    for name in ("policy", "other"):
        policy.set_adapter(name)
        plain = logits(policy, ids)
        with decoding.packed(policy):
            close = logits(policy, ids)
        torch.testing.assert_close(close, plain, rtol=0.05, atol=0.02 * plain.abs().max().item())


@packs
@pytest.mark.parametrize("precision", ["bf16", "int8", "int4"])
def test_a_kept_head_gives_the_same_logits_in_sampling_and_for_log_probabilities(random_base, precision):
    model = load_causal(random_base, precision, CPU)
    ids, head = torch.arange(2, 14).view(3, 4), model.get_output_embeddings()
    states = torch.randn(300, head.in_features, generator=torch.Generator().manual_seed(5)).bfloat16()
    targets = torch.arange(300) % head.out_features
    plain, before = logits(model, ids), token_logprobs(states, head, targets, 0.7, [1])
    decoding.keep_head(model)
    after = token_logprobs(states, head, targets, 0.7, [1])
    torch.testing.assert_close(after.logprobs, before.logprobs, rtol=0.02, atol=0.02)
    with decoding.packed(model):
        assert head.forward.packed is decoding.kept_head(head)
        torch.testing.assert_close(logits(model, ids), plain, rtol=0.05, atol=0.02 * plain.abs().max().item())
    assert "forward" not in head.__dict__ and torch.equal(logits(model, ids), plain)


@packs
def test_a_kept_head_is_not_used_for_weights_that_were_cast_and_large_ones_are_not_kept(policy, monkeypatch):
    head = policy.get_output_embeddings()
    monkeypatch.setattr(decoding, "MOST_BYTES", 1000)
    decoding.keep_head(policy)
    assert decoding.kept_head(head) is None
    monkeypatch.undo()
    decoding.keep_head(policy)
    assert decoding.kept_head(head) is not None
    policy.float()
    assert decoding.kept_head(head) is None


def test_an_error_while_packed_restores_the_model(policy):
    before = ways(policy)
    with pytest.raises(ZeroDivisionError), decoding.packed(policy):
        raise ZeroDivisionError
    assert ways(policy) == before


def test_large_bases_and_other_types_are_not_packed(policy, monkeypatch):
    with decoding.packed(policy.float()):
        assert not any(few for _, _, few in ways(policy))
    monkeypatch.setattr(decoding, "MOST_BYTES", 1000)
    with decoding.packed(policy.bfloat16()):
        assert not any(few for _, _, few in ways(policy))


@packs
def test_transposed_storage_keeps_the_values_and_large_bases_keep_their_storage(policy, monkeypatch):
    ids, layer = torch.arange(2, 14).view(3, 4), policy.get_base_model().transformer.h[0].mlp.c_fc
    weight = layer.get_base_layer().weight
    plain, before = logits(policy, ids), weight.clone()
    monkeypatch.setattr(decoding, "MOST_BYTES", 1000)
    decoding.turn(policy)
    assert weight.is_contiguous()
    monkeypatch.undo()
    decoding.turn(policy)
    assert torch.equal(weight, before) and weight.t().is_contiguous()
    assert policy.get_output_embeddings().weight is policy.get_input_embeddings().weight
    torch.testing.assert_close(logits(policy, ids), plain, rtol=0.05, atol=0.02 * plain.abs().max().item())


def test_sampling_gives_the_values_of_the_states_that_the_tokens_were_drawn_from(policy):
    head = torch.nn.Linear(policy.config.hidden_size, 1, bias=False)
    prompts = [[5, 9, 2], [7, 8, 9, 10, 11]]
    policy.float()
    got = generate(
        policy, prompts, max_new_tokens=40, temperature=1.0, pad_id=1, eos_id=0, value_head=head,
        generator=torch.Generator().manual_seed(3),
    )  # fmt: skip
    for prompt, tokens, values in zip(prompts, got.tokens, got.values, strict=True):
        ids = torch.tensor([[*prompt, *tokens]])
        with torch.inference_mode():
            states = policy(input_ids=ids, output_hidden_states=True).hidden_states[-1][0]
            expected = head(states)[len(prompt) - 1 : -1, 0]
        torch.testing.assert_close(torch.tensor(values), expected, rtol=1e-3, atol=1e-4)


@packs
def test_a_llamas_layers_that_read_the_same_input_are_packed_as_one(random_llama_base):
    model = load_causal(random_llama_base, "bf16", CPU)
    model = adapters.attach(model, adapters.lora_config(model, 4, 8), "policy").eval()
    generator = torch.Generator().manual_seed(1)
    for parameter in adapters.adapter_parameters(model, "policy").values():
        parameter.data = 0.1 * torch.randn(parameter.shape, generator=generator)
    x = torch.randn(3, 1, 64, generator=generator).bfloat16()
    before = ways(model)
    block = model.get_base_model().model.layers[0]
    for owner, names in (
        (block.self_attn, ("q_proj", "k_proj", "v_proj")),
        (block.mlp, ("gate_proj", "up_proj")),
    ):
        with torch.inference_mode():
            plain = torch.cat([getattr(owner, name)(x) for name in names], dim=-1)
            with decoding.packed(model):
                assert not any("few" in getattr(owner, name).__dict__ for name in names)
                torch.testing.assert_close(
                    owner.few(x), plain, rtol=0.05, atol=0.02 * plain.abs().max().item()
                )
    assert ways(model) == before


@pytest.mark.parametrize("base", ["random_base", "random_llama_base"])
def test_adapters_cast_once_give_the_outputs_of_their_layers(base, request):
    model = load_causal(request.getfixturevalue(base), "bf16", CPU)
    model = adapters.attach(model, adapters.lora_config(model, 4, 8), "policy").eval()
    generator = torch.Generator().manual_seed(1)
    for parameter in adapters.adapter_parameters(model, "policy").values():
        parameter.data = 0.1 * torch.randn(parameter.shape, generator=generator)
    groups = list(lora.groups(model).values())
    joined = {layer for group in groups for layer in group}
    groups += [[layer] for layer in model.modules() if lora.is_lean(layer) and layer not in joined]
    assert any(len(group) == 3 for group in groups) == (base == "random_llama_base")
    for group in groups:
        x = torch.randn(3, 1, group[0].in_features, generator=generator).bfloat16()
        with torch.inference_mode():
            plain = torch.cat([layer(x) for layer in group], dim=-1)
            torch.testing.assert_close(decoding.cast_once(group)(x), plain, rtol=0.02, atol=0.02)
            for layer in group:  # weights that do not lie one after the other
                layer.get_base_layer().weight.data = layer.get_base_layer().weight.data.clone()
            torch.testing.assert_close(decoding.cast_once(group)(x), plain, rtol=0.02, atol=0.02)

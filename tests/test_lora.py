"""The fast LoRA pass and attention by matrix products equal those of PEFT and torch."""

import copy

import pytest
import torch
from little_policies import save_policies
from transformers import AutoModelForCausalLM

from models import adapters
from models.fast import attention, llama, lora, siblings
from models.fast.gelu import TanhGELU
from models.fast.peft_import import LoraLayer
from models.loading import load_causal, use_fused_gelu

CPU = torch.device("cpu")
IDS = torch.tensor([[5, 9, 2, 40, 11, 7], [7, 8, 30, 1, 1, 1]])


@pytest.fixture(params=["gpt2", "llama"], scope="module")
def base(request, random_base, random_llama_base):
    return {"gpt2": random_base, "llama": random_llama_base}[request.param]


@pytest.fixture(scope="module")
def folder(base, tmp_path_factory):
    return save_policies(base, tmp_path_factory.mktemp("adapters"), ("sft",))["sft"]


def adapted(base, folder, precision="bf16"):
    return adapters.load(load_causal(base, precision, CPU), folder, "policy", base=base, trainable=True)


def slow(model):
    """A copy on the same weights with PEFT's own forward pass, layer by layer."""
    model = copy.deepcopy(model)
    for parameter in model.parameters():
        parameter.data = parameter.data.clone()  # no two matrices lie next to each other any more
    for layer in model.modules():
        if isinstance(layer, LoraLayer):
            layer.__dict__.pop("forward", None)
    return model


def gradients(model):
    """Logits, and LoRA gradients of a loss that depends on every token and every layer."""
    model.zero_grad()
    logits = model(input_ids=IDS).logits.float()
    weights = torch.randn(logits.shape, generator=torch.Generator().manual_seed(2))
    (logits * weights).mean().backward()
    return logits.detach(), {
        name: p.grad.clone() for name, p in adapters.adapter_parameters(model, "policy").items()
    }


def test_logits_and_gradients_equal_those_of_peft_in_fp32(base, folder):
    model = adapted(base, folder).float()
    (logits, ours), (expected, theirs) = gradients(model), gradients(slow(model))
    torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-5)
    assert ours.keys() == theirs.keys() and len(ours) >= 16
    for name in ours:
        assert theirs[name].abs().max() > 0
        torch.testing.assert_close(ours[name], theirs[name], rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("precision", ["bf16", "int8", "int4"])
def test_gradients_equal_those_of_peft_up_to_rounding_in_every_precision(base, folder, precision):
    model = adapted(base, folder, precision)
    (logits, ours), (expected, theirs) = gradients(model), gradients(slow(model))
    assert (logits - expected).norm() < 0.06 * expected.norm()
    flat = [torch.cat([g[name].flatten() for name in sorted(g)]) for g in (ours, theirs)]
    assert all(p.dtype == torch.float32 for p in ours.values())
    # rounding is visible, because these adapters are large
    assert torch.cosine_similarity(*flat, dim=0) > 0.99


def test_the_fast_pass_replaces_pefts(base, folder):
    model = adapted(base, folder)
    logits = model(input_ids=IDS).logits
    names = [node.name() for node in nodes(logits)]
    assert "_AdaptedBackward" in names and "_AttentionBackward" in names


def nodes(result: torch.Tensor) -> set:
    """All nodes of the graph that computed a tensor."""
    found, waiting = set(), [result.grad_fn]
    while waiting:
        node = waiting.pop()
        if node is not None and node not in found:
            found.add(node)
            waiting += [following for following, _ in node.next_functions]
    return found


def stacked(base, tmp_path):
    """A Llama in fp32 with an adapter, whose weights are joined after the conversion."""
    model = adapted(base, save_policies(base, tmp_path, ("sft",))["sft"]).float()
    siblings.join(model)
    return model


def test_layers_that_read_the_same_input_are_computed_as_one(random_llama_base, tmp_path):
    model = stacked(random_llama_base, tmp_path)
    (logits, ours), (expected, theirs) = gradients(model), gradients(slow(model))
    torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-5)
    for name in theirs:
        torch.testing.assert_close(ours[name], theirs[name], rtol=1e-3, atol=1e-6)
    names = [node.name() for node in nodes(model(input_ids=IDS).logits)]
    assert names.count("_AdaptedBackward") == 4 * model.config.num_hidden_layers  # of 7 layers each
    with torch.no_grad(), model.disable_adapter():
        plain = load_causal(random_llama_base, "bf16", CPU).float()
        torch.testing.assert_close(model(input_ids=IDS).logits, plain(input_ids=IDS).logits)


def test_large_models_keep_their_storage_and_are_computed_layer_by_layer(
    random_llama_base, tmp_path, monkeypatch
):
    monkeypatch.setattr(siblings, "MOST_BYTES", 1)
    model = stacked(random_llama_base, tmp_path)
    names = [node.name() for node in nodes(model(input_ids=IDS).logits)]
    assert names.count("_AdaptedBackward") == 7 * model.config.num_hidden_layers


def test_a_disabled_adapter_adds_nothing(base, folder):
    model = adapted(base, folder)
    with torch.no_grad():
        plain = load_causal(base, "bf16", CPU)(input_ids=IDS).logits
        with model.disable_adapter():
            assert torch.equal(model(input_ids=IDS).logits, plain)
        assert not torch.equal(model(input_ids=IDS).logits, plain)


def test_dropout_in_training_is_left_to_peft(base, folder):
    model = load_causal(base, "bf16", CPU)
    model = adapters.load(model, folder, "policy", base=base, trainable=True, dropout=0.5).eval()
    still = model(input_ids=IDS).logits
    assert torch.equal(still, model(input_ids=IDS).logits)
    model.train()
    assert not torch.equal(model(input_ids=IDS).logits, model(input_ids=IDS).logits)


def test_a_merged_model_computes_the_same_without_lora(base, folder):
    model = adapted(base, folder).float()
    with torch.no_grad():
        before = model(input_ids=IDS).logits
        torch.testing.assert_close(
            model.merge_and_unload()(input_ids=IDS).logits, before, rtol=1e-4, atol=1e-4
        )


def test_only_layers_with_a_plain_linear_base_are_replaced(base, folder):
    model = adapted(base, folder)
    quick = [m for m in model.modules() if "forward" in m.__dict__]
    others = (*llama.MLPS, *llama.ATTENTIONS)  # these are replaced when a model is loaded
    assert quick and all(isinstance(m, LoraLayer) or type(m) in others for m in quick)
    lora.quicken(model)
    assert [m for m in model.modules() if "forward" in m.__dict__] == quick


# -- attention


def both(base, mask=None, grad=True):
    """(logits, gradient at the embeddings) in fp32, by products and by transformers' default attention."""
    found = []
    for ours in (True, False):
        model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32).eval().requires_grad_(False)
        if ours:
            attention.use_on_cpu(model)
            assert model.config._attn_implementation == attention.NAME
        states = model.get_input_embeddings()(IDS).requires_grad_(grad)
        logits = model(inputs_embeds=states, attention_mask=mask).logits
        if mask is not None:
            logits = logits[mask.bool()]
        (logits.square()).mean().backward()
        found.append((logits.detach(), states.grad))
    return found


@pytest.mark.parametrize("part", [2, 4, 128])
@pytest.mark.parametrize("padding", ["none", "right", "left"])
def test_attention_and_its_gradient_equal_torchs(base, padding, part, monkeypatch):
    monkeypatch.setattr(attention, "PART", part)
    second = {"right": [1, 1, 1, 0, 0, 0], "left": [0, 0, 1, 1, 1, 1]}
    mask = torch.tensor([[1] * 6, second[padding]]) if padding in second else None
    (logits, gradient), (expected, their_gradient) = both(base, mask)
    torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(gradient, their_gradient, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize(
    "length, parts",
    [(1, [(0, 1)]), (12, [(0, 12)]), (13, [(0, 8), (8, 13)]), (21, [(0, 8), (8, 16), (16, 21)])],
)
def test_queries_are_split_into_parts_of_similar_length(length, parts, monkeypatch):
    monkeypatch.setattr(attention, "PART", 8)
    assert attention._parts(length) == parts


def test_long_rows_keep_the_fused_kernel(base, monkeypatch):
    monkeypatch.setattr(attention, "LONGEST", 4)
    monkeypatch.setattr(attention, "_Attention", None)  # any use of it would fail
    (logits, _), (expected, _) = both(base)
    torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-5)


def test_the_fused_gelu_is_the_same_function(random_base):
    model = AutoModelForCausalLM.from_pretrained(random_base, dtype=torch.float32).eval()
    with torch.no_grad():
        expected = model(input_ids=IDS).logits
        use_fused_gelu(model)
        torch.testing.assert_close(model(input_ids=IDS).logits, expected, rtol=1e-5, atol=1e-6)
    assert isinstance(model.transformer.h[0].mlp.act, TanhGELU)

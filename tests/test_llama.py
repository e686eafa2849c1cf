"""The fast norms, rotations, SwiGLU and grouped attention equal those of the library for Llama shapes."""

import copy

import pytest
import torch
from torch import nn

from models.fast import attention, llama, rms_norm
from models.fast.swiglu import swiglu, swiglu_of_both
from tests.test_llama_step import KINDS, made

IDS = torch.arange(2, 92).view(3, 30)


def both(kind: str, monkeypatch, **extra):
    """(the library's model, the fast one) with the same weights; even small tensors take the fast path."""
    monkeypatch.setattr(rms_norm, "MANY", 1)
    plain = made(kind, **extra)
    quick = copy.deepcopy(plain)
    attention.use_on_cpu(quick)
    llama.quicken(quick)
    return plain, quick


@pytest.mark.parametrize("masked", [False, True], ids=["no mask", "padding"])
@pytest.mark.parametrize("kind", list(KINDS))
def test_states_and_the_gradient_of_every_state_equal_those_of_the_library(kind, masked, monkeypatch):
    monkeypatch.setattr(attention, "PART", 8)  # splits a row of 30 tokens into several parts
    mask = torch.ones_like(IDS)
    mask[1, 20:] = 0
    found = []
    for model in both(kind, monkeypatch):
        embedded = model.get_input_embeddings()(IDS).requires_grad_()
        states = model.model(inputs_embeds=embedded, attention_mask=mask if masked else None)[0]
        (states * torch.linspace(-1, 1, states.numel()).view(states.shape) * mask[..., None]).sum().backward()
        found.append((states * mask[..., None], embedded.grad))
    for plain, quick in zip(*found, strict=True):
        torch.testing.assert_close(quick, plain, rtol=1e-4, atol=1e-4 * plain.abs().max().item())


def test_the_norm_and_its_gradient_equal_torchs_for_numbers_of_any_size(monkeypatch):
    monkeypatch.setattr(rms_norm, "BLOCK", 50)  # splits the rows into several blocks
    torch.manual_seed(0)
    x = (
        torch.randn(7, 3, 16, dtype=torch.float32) * torch.logspace(-6, 6, 7)[:, None, None]
    ).requires_grad_()
    weight = nn.Parameter(torch.randn(16), requires_grad=False)
    grad = torch.randn(7, 3, 16)
    expected = nn.functional.rms_norm(x, (16,), weight, 1e-5)
    (wanted,) = torch.autograd.grad(expected, x, grad)
    monkeypatch.setattr(rms_norm, "MANY", 1)
    got = rms_norm.RMSNorm(weight, 1e-5)(x)
    torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(torch.autograd.grad(got, x, grad)[0], wanted, rtol=1e-4, atol=1e-9)


def test_a_norm_whose_weight_is_trained_keeps_its_gradient(monkeypatch):
    monkeypatch.setattr(rms_norm, "MANY", 1)
    norm = rms_norm.RMSNorm(nn.Parameter(torch.ones(8)), 1e-5)
    norm(torch.arange(16.0).view(2, 8)).sum().backward()
    assert norm.weight.grad.abs().min() > 0


def test_swiglu_keeps_two_tensors_and_has_the_librarys_gradients():
    torch.manual_seed(0)
    gate, up, grad = (torch.randn(40, 24) for _ in range(3))
    inputs = gate.requires_grad_(), up.requires_grad_()
    plain = nn.functional.silu(gate) * up
    wanted = torch.autograd.grad(plain, inputs, grad)
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        got = swiglu(*inputs)
    assert len(kept) == 2
    torch.testing.assert_close(got, plain)
    torch.testing.assert_close(torch.autograd.grad(got, inputs, grad), wanted)


def test_swiglu_of_two_halves_equals_that_of_two_tensors():
    torch.manual_seed(0)
    halves, grad = torch.randn(5, 8, 48).requires_grad_(), torch.randn(5, 8, 24)
    plain, got = swiglu(*halves.chunk(2, dim=-1)), swiglu_of_both(halves)
    torch.testing.assert_close(got, plain)
    wanted = torch.autograd.grad(plain, halves, grad)
    torch.testing.assert_close(torch.autograd.grad(got, halves, grad), wanted)
    with torch.no_grad():
        torch.testing.assert_close(swiglu_of_both(halves), plain)


def test_other_shapes_and_windows_are_left_to_the_library(random_base):
    windowed = made("mistral", sliding_window=8)
    llama.quicken(windowed)
    assert "forward" not in windowed.model.layers[0].self_attn.__dict__
    gelu = made("llama", hidden_act="gelu")
    llama.quicken(gelu)
    assert "forward" not in gelu.model.layers[0].mlp.__dict__

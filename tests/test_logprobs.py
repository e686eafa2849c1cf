"""Chunked log-probabilities equal log_softmax of the complete logits, in values and gradients."""

import pytest
import torch
from torch import nn

from models.fast import logprobs as module
from models.fast.logprobs import token_logprobs


def case(tokens=23, width=16, vocabulary=50, bias=False, dtype=torch.float32, seed=0):
    generator = torch.Generator().manual_seed(seed)
    head = nn.Linear(width, vocabulary, bias=bias)
    for parameter in head.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator)
    head = head.to(dtype).requires_grad_(False)
    hidden = torch.randn(tokens, width, generator=generator).to(dtype).requires_grad_(True)
    targets = torch.randint(0, vocabulary, (tokens,), generator=generator)
    return hidden, head, targets


def plainly(hidden, head, targets, temperature, forbidden=()):
    """(log-probabilities, entropy) with autograd, from all logits at once."""
    logits = head(hidden).float() / temperature
    if forbidden:
        blocked = torch.zeros(logits.shape[1], dtype=torch.bool)
        blocked[list(forbidden)] = True
        logits = logits.masked_fill(blocked, float("-inf"))
    return (
        logits.log_softmax(-1).gather(1, targets[:, None])[:, 0],
        torch.distributions.Categorical(logits=logits).entropy(),
    )


def gradient(result, hidden, weights):
    return torch.autograd.grad((result * weights).sum(), hidden)[0]


def close(a, b, tolerance=1e-5):
    torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("chunk", [1, 50, 333, 2**23])  # tokens per chunk: 1, 1, 6, all
@pytest.mark.parametrize("temperature", [0.7, 1.0, 2.5])
@pytest.mark.parametrize("bias", [False, True])
def test_values_entropy_and_gradient_equal_those_of_complete_logits(monkeypatch, chunk, temperature, bias):
    monkeypatch.setattr(module, "CHUNK_LOGITS", chunk)
    hidden, head, targets = case(bias=bias)
    got = token_logprobs(hidden, head, targets, temperature)
    expected, entropy = plainly(hidden, head, targets, temperature)
    weights = torch.randn(len(hidden), generator=torch.Generator().manual_seed(1))
    close(got.logprobs, expected)
    close(got.entropy, entropy)
    close(gradient(got.logprobs, hidden, weights), gradient(expected, hidden, weights))


@pytest.mark.parametrize("rows", [1, 2, 19])
@pytest.mark.parametrize("width", [1, 7, 64, 4096, 50257])
def test_torch_takes_a_softmax_in_place(rows, width):
    x = 30 * torch.randn(rows, width, generator=torch.Generator().manual_seed(width))
    x[:, 1::5] = float("-inf")
    expected = torch.softmax(x, dim=-1)
    assert torch.equal(torch.softmax(x, dim=-1, out=x), expected)


def test_a_nearly_impossible_token_has_a_finite_log_probability():
    hidden, head = torch.ones(1, 1), torch.nn.Linear(1, 3, bias=False).requires_grad_(False)
    head.weight.copy_(torch.tensor([[0.0], [400.0], [-300.0]]))
    got = token_logprobs(hidden.expand(3, 1), head, torch.arange(3), 1.0)
    assert got.logprobs.tolist() == [-400.0, 0.0, -700.0] and got.likeliest.tolist() == [False, True, False]


@pytest.mark.parametrize("grad", [False, True])
def test_without_entropy_everything_else_is_the_same(grad):
    hidden, head, targets = case()
    hidden = hidden.detach().requires_grad_(grad)
    lean, full = (token_logprobs(hidden, head, targets, 0.7, entropy=wanted) for wanted in (False, True))
    assert lean.entropy is None and torch.equal(lean.logprobs, full.logprobs)
    assert torch.equal(lean.likeliest, full.likeliest) and lean.logprobs.requires_grad == grad


@pytest.mark.parametrize("chunk", [120, 2**23])
def test_forbidden_ids_have_no_probability_and_leave_the_normalisation(monkeypatch, chunk):
    monkeypatch.setattr(module, "CHUNK_LOGITS", chunk)
    hidden, head, targets = case()
    forbidden = [3, 17, 3]
    targets[(targets == 3) | (targets == 17)] = 5
    got = token_logprobs(hidden, head, targets, 0.7, forbidden)
    expected, entropy = plainly(hidden, head, targets, 0.7, forbidden)
    weights = torch.linspace(-1, 1, len(hidden))
    close(got.logprobs, expected)
    close(got.entropy, entropy)
    close(gradient(got.logprobs, hidden, weights), gradient(expected, hidden, weights))
    everything = token_logprobs(hidden[:1].expand(50, -1), head, torch.arange(50), 0.7, forbidden).logprobs
    assert everything.exp().sum().item() == pytest.approx(1, abs=1e-5)
    assert torch.isinf(everything[[3, 17]]).all()


def test_the_gradient_equals_finite_differences():
    hidden, head, targets = case(tokens=3, width=4, vocabulary=6)

    def total(states):
        return token_logprobs(states, head, targets, 0.7).logprobs.sum().item()

    got = gradient(token_logprobs(hidden, head, targets, 0.7).logprobs, hidden, torch.ones(3))
    step, base = 1e-2, hidden.detach()
    for place in range(base.numel()):
        nudge = torch.zeros(base.numel()).index_fill_(0, torch.tensor([place]), step).view_as(base)
        slope = (total(base + nudge) - total(base - nudge)) / (2 * step)
        assert got.flatten()[place].item() == pytest.approx(slope, abs=2e-3)


def test_bf16_states_and_head_stay_within_their_rounding():
    hidden, head, targets = case(tokens=64, width=32, vocabulary=200, dtype=torch.bfloat16)
    got = token_logprobs(hidden, head, targets, 0.7)
    exact_hidden = hidden.detach().float().requires_grad_(True)
    expected, entropy = plainly(exact_hidden, head.float(), targets, 0.7)
    assert got.logprobs.dtype == got.entropy.dtype == torch.float32
    close(got.logprobs, expected, 0.15)  # logits of size ~20 in bf16 / 0.7
    close(got.entropy, entropy, 0.1)
    ones = torch.ones(64)
    ours, theirs = gradient(got.logprobs, hidden, ones), gradient(expected, exact_hidden, ones)
    assert ours.dtype == torch.bfloat16
    assert ((ours.float() - theirs).norm() / theirs.norm()).item() < 0.02


def test_fp32_states_on_a_bf16_head_keep_their_precision_in_the_gradient():
    hidden, head, targets = case()
    head = head.to(torch.bfloat16)
    got = token_logprobs(hidden, head, targets, 1.0).logprobs
    assert gradient(got, hidden, torch.ones(len(hidden))).dtype == torch.float32


def test_certain_tokens_have_entropy_0_and_no_nan():
    head = nn.Linear(2, 3, bias=False).requires_grad_(False)
    head.weight.data = torch.tensor([[1000.0, 0.0], [0.0, 0.0], [-1000.0, 0.0]])
    hidden = torch.tensor([[1.0, 0.0]], requires_grad=True)
    got = token_logprobs(hidden, head, torch.tensor([0]), 1.0)
    assert got.logprobs.item() == 0.0 and got.entropy.item() == 0.0
    assert not gradient(got.logprobs, hidden, torch.ones(1)).any()


def test_only_tensors_that_require_a_gradient_get_one():
    hidden, head, targets = case()
    got = token_logprobs(hidden, head, targets, 1.0)
    assert got.logprobs.requires_grad and not got.entropy.requires_grad
    assert not token_logprobs(hidden.detach(), head, targets, 1.0).logprobs.requires_grad
    with torch.no_grad():
        assert not token_logprobs(hidden, head, targets, 1.0).logprobs.requires_grad


def test_a_head_that_is_being_trained_is_refused():
    hidden, head, targets = case()
    with pytest.raises(ValueError, match="freeze"):
        token_logprobs(hidden, head.requires_grad_(True), targets, 1.0)
    with pytest.raises(ValueError, match="freeze"):
        hidden, head, targets = case(bias=True)
        head.bias.requires_grad_(True)
        token_logprobs(hidden, head, targets, 1.0)


def test_no_tokens_give_no_logprobs():
    hidden, head, _ = case()
    assert token_logprobs(hidden[:0], head, torch.zeros(0, dtype=torch.long), 1.0).logprobs.shape == (0,)

"""The arithmetic of PPO: hand-worked numbers, a plain Python loop for each formula, and properties."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.ppo import core

quick = settings(max_examples=40, deadline=None)


@st.composite
def batches(draw):
    """(lengths, generator) of 1-4 rows with 1-6 real tokens."""
    lengths = draw(st.lists(st.integers(1, 6), min_size=1, max_size=4))
    return lengths, torch.Generator().manual_seed(draw(st.integers(0, 2**31 - 1)))


def grid(lengths, generator, extra=0):
    """([N, T] random doubles, including noise on the padding; the mask)."""
    width = max(lengths) + extra
    mask = torch.arange(width)[None] < torch.tensor(lengths)[:, None]
    return torch.randn(len(lengths), width, generator=generator, dtype=torch.float64), mask


def padded(x, extra):
    """`x` with `extra` further columns of arbitrary values."""
    return torch.cat([x, torch.full((len(x), extra), 7.5, dtype=x.dtype)], dim=1)


def longer(mask, extra):
    return torch.cat([mask, torch.zeros(len(mask), extra, dtype=torch.bool)], dim=1)


def close(a, b, tolerance=1e-12):
    torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance)


# -- means and whitening ---------------------------------------------------------------------------


def test_masked_mean_counts_real_tokens_only():
    values = torch.tensor([[1.0, 2.0, 99.0], [6.0, 99.0, 99.0]])
    mask = torch.tensor([[True, True, False], [True, False, False]])
    assert core.masked_mean(values, mask).item() == 3.0
    assert core.masked_mean(values, torch.zeros_like(mask)).item() == 0.0


def test_whitening_of_three_numbers_by_hand():
    mask = torch.tensor([[True, True, False], [True, False, False]])
    values = torch.tensor([[1.0, 2.0, 50.0], [3.0, 50.0, 50.0]])
    # mean 2, variance (1 + 0 + 1) / 2 = 1
    close(core.masked_whiten(values, mask), torch.tensor([[-1.0, 0.0, 0.0], [1.0, 0.0, 0.0]]), 1e-6)


@quick
@given(batches(), st.floats(0.1, 100), st.floats(-50, 50))
def test_whitened_values_have_mean_0_and_variance_1_and_are_free_of_scale_and_offset(batch, scale, offset):
    values, mask = grid(*batch)
    white = core.masked_whiten(values, mask, eps=0.0)
    if mask.sum() > 1:
        real = white[mask]
        assert real.mean().item() == pytest.approx(0, abs=1e-9)
        assert real.var().item() == pytest.approx(1, abs=1e-9)
        close(core.masked_whiten(scale * values + offset, mask, eps=0.0), white, 1e-7)
    assert not white[~mask].any()


def test_whitening_of_equal_values_gives_zeros_and_no_nan():
    assert not core.masked_whiten(torch.full((2, 3), 0.25), torch.ones(2, 3, dtype=torch.bool)).any()
    assert not core.masked_whiten(torch.tensor([[4.0]]), torch.tensor([[True]])).any()


# -- KL estimators ---------------------------------------------------------------------------------


def test_kl_estimators_by_hand():
    ours, ref = torch.tensor([[math.log(0.5)]]), torch.tensor([[math.log(0.25)]])
    assert core.kl_k1(ours, ref).item() == pytest.approx(math.log(2))
    assert core.kl_k3(ours, ref).item() == pytest.approx(0.5 - 1 + math.log(2))


@quick
@given(batches())
def test_k3_is_never_negative_and_0_only_where_both_agree(batch):
    lengths, generator = batch
    (ours, _), (ref, _) = grid(lengths, generator), grid(lengths, generator)
    assert (core.kl_k3(ours, ref) > 0).all()
    assert not core.kl_k3(ours, ours).any()


@quick
@given(st.integers(0, 2**31 - 1), st.integers(2, 9))
def test_both_estimators_have_the_true_kl_as_their_mean_over_the_policy(seed, size):
    generator = torch.Generator().manual_seed(seed)
    ours, ref = torch.randn(2, size, generator=generator, dtype=torch.float64).log_softmax(-1)
    true = (ours.exp() * (ours - ref)).sum().item()
    for estimate in (core.kl_k1, core.kl_k3):
        assert (ours.exp() * estimate(ours, ref)).sum().item() == pytest.approx(true, abs=1e-12)


def test_k3_keeps_its_precision_where_the_policies_are_close():
    ours = torch.tensor([[-1.0]])
    assert core.kl_k3(ours, ours + 1e-3).item() == pytest.approx(0.5e-6, rel=0.05)


# -- scores and rewards ----------------------------------------------------------------------------


def test_scores_are_standardised_then_clipped():
    scores = torch.tensor([1.0, 3.0, 100.0, -100.0])
    close(core.standardise(scores, 1.0, 2.0), torch.tensor([0.0, 1.0, 49.5, -50.5]), 1e-6)
    close(core.standardise(scores, 1.0, 2.0, clip=5.0), torch.tensor([0.0, 1.0, 5.0, -5.0]), 1e-6)


def test_token_rewards_by_hand():
    logprobs = torch.tensor([[-1.0, -2.0, 9.0], [-1.0, -1.0, -1.0]])
    ref = torch.tensor([[-1.5, -1.0, 4.0], [-1.0, -2.0, -1.0]])
    mask = torch.tensor([[True, True, False], [True, True, True]])
    got = core.token_rewards(torch.tensor([10.0, 20.0]), logprobs, ref, mask, kl_coef=0.1)
    # -0.1 · (log π - log π_ref): -0.05, +0.1 | 0, -0.1, 0; the score on the last real token
    close(got, torch.tensor([[-0.05, 10.1, 0.0], [0.0, -0.1, 20.0]]), 1e-6)


@quick
@given(batches(), st.floats(0, 2))
def test_token_rewards_equal_a_plain_loop(batch, kl_coef):
    lengths, generator = batch
    (ours, mask), (ref, _) = grid(lengths, generator, extra=2), grid(lengths, generator, extra=2)
    scores = torch.randn(len(lengths), generator=generator, dtype=torch.float64)
    got = core.token_rewards(scores, ours, ref, mask, kl_coef)
    for row, length in enumerate(lengths):
        for t in range(got.shape[1]):
            expected = -kl_coef * (ours[row, t] - ref[row, t]).item() if t < length else 0.0
            expected += scores[row].item() if t == length - 1 else 0.0
            assert got[row, t].item() == pytest.approx(expected, abs=1e-12)


def test_no_gradient_goes_through_the_kl_in_the_reward():
    logprobs = torch.zeros(1, 2, requires_grad=True)
    scores, ref, mask = torch.zeros(1), torch.zeros(1, 2), torch.ones(1, 2, dtype=torch.bool)
    assert not core.token_rewards(scores, logprobs, ref, mask, 1.0).requires_grad


# -- advantages ------------------------------------------------------------------------------------


def test_gae_by_hand():
    rewards = torch.tensor([[0.0, 1.0, 0.0]])
    values = torch.tensor([[0.5, 0.25, 8.0]])
    mask = torch.tensor([[True, True, False]])
    advantages, returns = core.gae(rewards, values, mask, gamma=1.0, lam=0.5)
    # δ1 = 1 - 0.25 = 0.75; δ0 = 0 + 0.25 - 0.5 = -0.25; A0 = -0.25 + 0.5 · 0.75 = 0.125
    close(advantages, torch.tensor([[0.125, 0.75, 0.0]]), 1e-7)
    close(returns, torch.tensor([[0.625, 1.0, 0.0]]), 1e-7)


@quick
@given(batches(), st.floats(0, 1), st.floats(0, 1))
def test_gae_equals_the_sum_of_its_definition(batch, gamma, lam):
    lengths, generator = batch
    (rewards, mask), (values, _) = grid(lengths, generator, extra=1), grid(lengths, generator, extra=1)
    advantages, returns = core.gae(rewards, values, mask, gamma, lam)
    for row, length in enumerate(lengths):
        r, v = rewards[row, :length].tolist(), [*values[row, :length].tolist(), 0.0]
        deltas = [r[t] + gamma * v[t + 1] - v[t] for t in range(length)]
        for t in range(length):
            expected = sum((gamma * lam) ** (k - t) * deltas[k] for k in range(t, length))
            assert advantages[row, t].item() == pytest.approx(expected, abs=1e-10)
            assert returns[row, t].item() == pytest.approx(expected + v[t], abs=1e-10)
    assert not advantages[~mask].any() and not returns[~mask].any()


@quick
@given(batches())
def test_with_gamma_and_lambda_1_the_return_is_the_sum_of_later_rewards(batch):
    rewards, mask = grid(*batch)
    rewards = rewards * mask
    _, returns = core.gae(rewards, rewards.cos(), mask, 1.0, 1.0)
    close(returns, rewards.flip(1).cumsum(1).flip(1) * mask, 1e-10)


# -- losses ----------------------------------------------------------------------------------------


def test_policy_loss_by_hand():
    old = torch.zeros(1, 5)
    ratios = torch.tensor([[1.5, 1.5, 0.5, 0.5, 1.0]])
    advantages = torch.tensor([[1.0, -1.0, 1.0, -1.0, 3.0]])
    mask = torch.ones(1, 5, dtype=torch.bool)
    got = core.policy_loss(ratios.log(), old, advantages, mask, cliprange=0.2)
    # max(-1.5, -1.2), max(1.5, 1.2), max(-0.5, -0.8), max(0.5, 0.8), -3
    assert got.loss.item() == pytest.approx(-1.2 + 1.5 - 0.5 + 0.8 - 3.0)
    assert got.clipped.item() == 2
    assert got.approx_kl.item() == pytest.approx(0.5 * (2 * math.log(1.5) ** 2 + 2 * math.log(0.5) ** 2))


@quick
@given(batches(), st.floats(0.01, 0.9))
def test_policy_loss_equals_a_plain_loop_and_padding_gets_no_gradient(batch, cliprange):
    lengths, generator = batch
    (new, mask), (old, _), (adv, _) = (grid(lengths, generator, extra=1) for _ in range(3))
    new.requires_grad_(True)
    got = core.policy_loss(new, old, adv, mask, cliprange)
    expected = 0.0
    for row, length in enumerate(lengths):
        for t in range(length):
            ratio, a = math.exp((new[row, t] - old[row, t]).item()), adv[row, t].item()
            expected += -min(ratio * a, min(max(ratio, 1 - cliprange), 1 + cliprange) * a)
    assert got.loss.item() == pytest.approx(expected, rel=1e-10, abs=1e-10)
    got.loss.backward()
    assert not new.grad[~mask].any()


def test_at_ratio_1_the_gradient_is_minus_the_advantage():
    logprobs = torch.zeros(2, 2, requires_grad=True)
    advantages = torch.tensor([[1.0, -2.0], [0.5, 4.0]])
    mask = torch.tensor([[True, True], [True, False]])
    core.policy_loss(logprobs, torch.zeros(2, 2), advantages, mask, 0.2).loss.backward()
    assert logprobs.grad.tolist() == [[-1.0, 2.0], [-0.5, 0.0]]


def test_a_clipped_token_has_no_gradient():
    logprobs = torch.tensor([[math.log(2.0), math.log(0.3)]], requires_grad=True)
    advantages, mask = torch.tensor([[1.0, -1.0]]), torch.ones(1, 2, dtype=torch.bool)
    core.policy_loss(logprobs, torch.zeros(1, 2), advantages, mask, 0.2).loss.backward()
    assert not logprobs.grad.any()


def test_value_loss_by_hand():
    values = torch.tensor([[1.0, 0.1, 5.0]])
    old, returns = torch.zeros(1, 3), torch.tensor([[2.0, 2.0, 0.0]])
    mask = torch.tensor([[True, True, False]])
    # V 1 is clipped to 0.2: max(1, 3.24); V 0.1 is not: 3.61
    assert core.value_loss(values, old, returns, mask, 0.2).item() == pytest.approx(0.5 * (3.24 + 3.61))


@quick
@given(batches(), st.floats(0.01, 2))
def test_value_loss_equals_a_plain_loop(batch, cliprange):
    lengths, generator = batch
    (values, mask), (old, _), (returns, _) = (grid(lengths, generator, extra=1) for _ in range(3))
    expected = 0.0
    for row, length in enumerate(lengths):
        for t in range(length):
            v, o, r = values[row, t].item(), old[row, t].item(), returns[row, t].item()
            kept = min(max(v, o - cliprange), o + cliprange)
            expected += 0.5 * max((v - r) ** 2, (kept - r) ** 2)
    assert core.value_loss(values, old, returns, mask, cliprange).item() == pytest.approx(expected, rel=1e-10)


# -- invariances of everything ---------------------------------------------------------------------


def everything(scores, new, old, ref, values, mask):
    """Everything that PPO computes from a rollout: per-token results, then sums."""
    rewards = core.token_rewards(scores, old, ref, mask, 0.1)
    advantages, returns = core.gae(rewards, values, mask, 0.99, 0.9)
    white = core.masked_whiten(advantages, mask)
    policy = core.policy_loss(new, old, white, mask, 0.2)
    value = core.value_loss(values + 0.3, values, returns, mask, 0.2)
    mean = core.masked_mean(new, mask)
    sums = torch.stack([policy.loss, policy.clipped.double(), policy.approx_kl, value, mean])
    return (rewards, advantages, returns, white), sums


def rollout(lengths, generator):
    """(scores [N], four grids, mask), random."""
    scores = torch.randn(len(lengths), generator=generator, dtype=torch.float64)
    return scores, [grid(lengths, generator)[0] for _ in range(4)], grid(lengths, generator)[1]


@quick
@given(batches(), st.integers(1, 5))
def test_more_padding_changes_nothing(batch, extra):
    scores, tensors, mask = rollout(*batch)
    tokens, sums = everything(scores, *tensors, mask)
    more_tokens, more_sums = everything(scores, *(padded(t, extra) for t in tensors), longer(mask, extra))
    close(sums, more_sums, 1e-9)
    for got, more in zip(tokens, more_tokens, strict=True):
        close(got, more[:, : got.shape[1]], 1e-9)
        assert not more[:, got.shape[1] :].any()


@quick
@given(batches(), st.randoms(use_true_random=False))
def test_permuted_rows_give_permuted_results(batch, random):
    scores, tensors, mask = rollout(*batch)
    order = list(range(len(scores)))
    random.shuffle(order)
    tokens, sums = everything(scores, *tensors, mask)
    other_tokens, other_sums = everything(scores[order], *(t[order] for t in tensors), mask[order])
    close(sums, other_sums, 1e-9)
    for got, other in zip(tokens, other_tokens, strict=True):
        close(got[order], other, 1e-9)


@quick
@given(batches())
def test_the_rewards_and_advantages_of_a_row_do_not_depend_on_its_batch(batch):
    lengths, generator = batch
    (old, mask), (ref, _), (values, _) = (grid(lengths, generator) for _ in range(3))
    scores = torch.randn(len(lengths), generator=generator, dtype=torch.float64)
    together = core.gae(core.token_rewards(scores, old, ref, mask, 0.2), values, mask, 1.0, 0.95)[0]
    for row, length in enumerate(lengths):
        cut = (slice(row, row + 1), slice(0, length))
        rewards = core.token_rewards(scores[row : row + 1], old[cut], ref[cut], mask[cut], 0.2)
        close(core.gae(rewards, values[cut], mask[cut], 1.0, 0.95)[0], together[cut])


# -- the adaptive controller -----------------------------------------------------------------------


def test_the_controller_follows_its_formula_and_its_bounds():
    assert core.next_kl_coef(0.1, kl=6.6, target=6.0, horizon=1000, n=100) == pytest.approx(0.1 * 1.01)
    assert core.next_kl_coef(0.1, kl=600.0, target=6.0, horizon=1000, n=100) == pytest.approx(0.1 * 1.02)
    assert core.next_kl_coef(0.1, kl=-3.0, target=6.0, horizon=1000, n=100) == pytest.approx(0.1 * 0.98)
    assert core.next_kl_coef(0.1, kl=6.0, target=6.0, horizon=1000, n=100) == 0.1

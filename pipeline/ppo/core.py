"""The arithmetic of PPO for language models, as pure functions of tensors: no model, no loop, no state.

Tensors are [N, T]: N responses, T response positions, right-padded, with `mask` True on real tokens (the EOS
is one). Padding never enters a result. Log-probabilities are natural logarithms, so KL and entropy are in
nats.

Sources: PPO, arXiv 1707.06347; GAE, arXiv 1506.02438; RLHF details, arXiv 2403.17031
(summarize_from_feedback) and "The N implementation details of RLHF with PPO"; KL estimators k1 and k3,
Schulman 2020, "Approximating KL divergence"; the adaptive coefficient, arXiv 1909.08593.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch


def masked_mean(values: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Mean over real tokens; values, mask [N, T] -> scalar. 0 if there is no real token."""
    return (values * mask).sum() / mask.sum().clamp(min=1)


def masked_whiten(values: torch.Tensor, mask: torch.Tensor, eps: float = 1e-8) -> torch.Tensor:
    """Zero mean, unit variance (n - 1) over all real tokens; [N, T] -> [N, T], 0 on padding."""
    mean = masked_mean(values, mask)
    centred = (values - mean) * mask
    variance = centred.square().sum() / (mask.sum() - 1).clamp(min=1)
    return centred * torch.rsqrt(variance + eps)


def kl_k1(logprobs: torch.Tensor, ref_logprobs: torch.Tensor) -> torch.Tensor:
    """log π/π_ref per token: unbiased under samples of π, can be negative. [N, T] -> [N, T]."""
    return logprobs - ref_logprobs


def kl_k3(logprobs: torch.Tensor, ref_logprobs: torch.Tensor) -> torch.Tensor:
    """(r - 1) - log r with r = π_ref/π: unbiased under samples of π, never negative. [N, T] -> [N, T]."""
    log_ratio = ref_logprobs - logprobs
    return torch.expm1(log_ratio) - log_ratio


def standardise(scores: torch.Tensor, mean: float, sd: float, clip: float = 0.0) -> torch.Tensor:
    """Raw reward-model scores [N] in standard deviations of the SFT policy's scores; clip 0 = none."""
    scaled = (scores - mean) / max(sd, 1e-8)
    return scaled.clamp(-clip, clip) if clip else scaled


def token_rewards(
    scores: torch.Tensor,
    logprobs: torch.Tensor,
    ref_logprobs: torch.Tensor,
    mask: torch.Tensor,
    kl_coef: float,
) -> torch.Tensor:
    """-kl_coef · (log π - log π_ref) on every real token, plus the score on the last one.

    [N], [N, T] -> [N, T]. The KL is detached: no gradient flows through it. Every row needs at least one real
    token.
    """
    rewards = -kl_coef * kl_k1(logprobs, ref_logprobs).detach() * mask
    last = mask.sum(dim=1).long() - 1  # responses are right-padded
    rewards[torch.arange(len(scores), device=scores.device), last] += scores
    return rewards


def gae(
    rewards: torch.Tensor, values: torch.Tensor, mask: torch.Tensor, gamma: float, lam: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Generalised advantage estimates and returns. [N, T] each -> (advantages, returns), 0 on padding.

    δ_t = r_t + γ V_{t+1} - V_t, A_t = δ_t + γλ A_{t+1}, return = A + V. The value after the last token is 0.
    """
    values = values * mask
    advantages = torch.zeros_like(rewards)
    following = torch.zeros_like(rewards[:, 0])
    for t in reversed(range(rewards.shape[1])):
        next_value = values[:, t + 1] if t + 1 < rewards.shape[1] else torch.zeros_like(following)
        delta = rewards[:, t] + gamma * next_value - values[:, t]
        following = (delta + gamma * lam * following) * mask[:, t]
        advantages[:, t] = following
    return advantages, (advantages + values) * mask


@dataclass(frozen=True)
class PolicyLoss:
    """Sums over real tokens, to be divided by the minibatch's number of tokens. loss carries the gradient."""

    loss: torch.Tensor
    clipped: torch.Tensor  # number of tokens whose clipped term is the larger one
    approx_kl: torch.Tensor  # ½ (log π_new - log π_old)², in nats


def policy_loss(
    logprobs: torch.Tensor,
    old_logprobs: torch.Tensor,
    advantages: torch.Tensor,
    mask: torch.Tensor,
    cliprange: float,
) -> PolicyLoss:
    """max(-A·ratio, -A·clip(ratio, 1 ± cliprange)) summed over real tokens. All [N, T] or flat [tokens]."""
    log_ratio = (logprobs - old_logprobs) * mask
    ratio = log_ratio.exp()
    plain = -advantages * ratio
    clipped = -advantages * ratio.clamp(1 - cliprange, 1 + cliprange)
    return PolicyLoss(
        (torch.max(plain, clipped) * mask).sum(),
        ((clipped > plain) & mask.bool()).sum(),
        (0.5 * log_ratio.detach().square() * mask).sum(),
    )


def value_loss(
    values: torch.Tensor,
    old_values: torch.Tensor,
    returns: torch.Tensor,
    mask: torch.Tensor,
    cliprange: float,
) -> torch.Tensor:
    """½ max((V - R)², (V_clipped - R)²) summed over real tokens; V_clipped stays within cliprange of the
    rollout's V.
    """
    clipped = old_values + (values - old_values).clamp(-cliprange, cliprange)
    return (0.5 * torch.max((values - returns).square(), (clipped - returns).square()) * mask).sum()


def next_kl_coef(kl_coef: float, kl: float, target: float, horizon: int, n: int) -> float:
    """The adaptive controller: kl_coef · (1 + clip(kl/target - 1, ±0.2) · n/horizon).

    kl, target: nats per sequence; n: sequences since the last call.
    """
    error = min(max(kl / target - 1, -0.2), 0.2)
    return kl_coef * (1 + error * n / horizon)

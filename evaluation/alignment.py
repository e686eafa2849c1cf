"""The effect of PPO on a policy: win rates and KL from the SFT model.

The functions take arrays and return plain numbers. `pipeline.training.measure` samples and scores the
answers.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm
from sklearn.linear_model import LogisticRegression


def wilson_interval(successes: float, n: int, confidence: float = 0.95) -> list[float]:
    """Wilson score interval [low, high] of a share (Wilson 1927); half successes (ties) are allowed."""
    if n <= 0:
        return [0.0, 1.0]
    z = norm.ppf(0.5 + confidence / 2)
    share = successes / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return [float(max(0.0, centre - half)), float(min(1.0, centre + half))]


def win_rate(scores_a: ArrayLike, scores_b: ArrayLike) -> dict[str, Any]:
    """The share of the same N prompts on which a beats b; a tie counts half.

    Returns win_rate, ci (95 %, Wilson; slightly too wide if there are ties), wins, ties, losses, n.
    Raises ValueError for unequal lengths, no prompts or a score that is not finite.
    """
    difference = _paired(scores_a, scores_b)
    wins, losses = int((difference > 0).sum()), int((difference < 0).sum())
    ties = len(difference) - wins - losses
    return {
        "win_rate": (wins + ties / 2) / len(difference),
        "ci": wilson_interval(wins + ties / 2, len(difference)),
        "wins": wins,
        "ties": ties,
        "losses": losses,
        "n": len(difference),
    }


def length_controlled_win_rate(
    scores_a: ArrayLike,
    scores_b: ArrayLike,
    lengths_a: ArrayLike,
    lengths_b: ArrayLike,
) -> float:
    """Win rate of a over b if both answers had the same length.

    Logistic regression of winning on the standardised length difference; the answer is the prediction at a
    difference of zero (the idea of Dubois et al. 2024, arXiv 2404.04475, without their prompt terms). A tie
    enters as half a win and half a loss. A unit Gaussian prior on the slope keeps a separated sample finite.
    """
    difference = _paired(scores_a, scores_b)
    longer = np.asarray(lengths_a, dtype=np.float64) - np.asarray(lengths_b, dtype=np.float64)
    wins = (np.sign(difference) + 1) / 2
    if np.ptp(wins) == 0 or np.ptp(longer) == 0:
        return float(wins.mean())
    feature = (longer / longer.std())[:, None]
    labels = np.repeat([1, 0], len(wins))
    weights = np.concatenate([wins, 1 - wins])
    model = LogisticRegression(C=1.0).fit(np.concatenate([feature, feature]), labels, sample_weight=weights)
    return float(1 / (1 + np.exp(-model.intercept_[0])))


def standardised_gain(scores: ArrayLike, sft_scores: ArrayLike) -> float | None:
    """(mean of scores - mean of SFT's) / sd of SFT's; None if the SFT scores do not vary."""
    sft = np.asarray(sft_scores, dtype=np.float64)
    spread = sft.std(ddof=1) if sft.size > 1 else 0.0
    return float((np.mean(np.asarray(scores)) - sft.mean()) / spread) if spread > 0 else None


def kl_summary(
    policy_logprobs: Sequence[ArrayLike], reference_logprobs: Sequence[ArrayLike]
) -> dict[str, Any]:
    """KL(policy || reference) from the log-probabilities of the policy's own samples, in nats.

    One array per answer, one entry per real token, both at the temperature of sampling.
    With r = p_ref / p_policy, k1 = -log r (unbiased) and k3 = (r - 1) - log r (unbiased, never negative;
    Schulman 2020, "Approximating KL divergence"). Per token = all summed / number of tokens; per sequence
    = mean of the sums. Returns kl_per_token, kl_per_sequence (k1), k3_per_token, k3_per_sequence,
    kl_per_sequence_se (standard error of the mean), n_tokens, n_sequences.
    """
    if len(policy_logprobs) != len(reference_logprobs) or not len(policy_logprobs):
        raise ValueError("policy and reference need log-probabilities of the same answers, at least one")
    k1_sums, k3_sums, tokens = [], [], 0
    for policy, reference in zip(policy_logprobs, reference_logprobs, strict=True):
        log_ratio = np.asarray(reference, dtype=np.float64) - np.asarray(policy, dtype=np.float64)
        k1_sums.append(-log_ratio.sum())
        k3_sums.append((np.expm1(log_ratio) - log_ratio).sum())
        tokens += log_ratio.size
    n = len(k1_sums)
    return {
        "kl_per_token": float(np.sum(k1_sums) / max(tokens, 1)),
        "kl_per_sequence": float(np.mean(k1_sums)),
        "k3_per_token": float(np.sum(k3_sums) / max(tokens, 1)),
        "k3_per_sequence": float(np.mean(k3_sums)),
        "kl_per_sequence_se": float(np.std(k1_sums, ddof=1) / np.sqrt(n)) if n > 1 else None,
        "n_tokens": tokens,
        "n_sequences": n,
    }


def _paired(scores_a: ArrayLike, scores_b: ArrayLike) -> NDArray[np.float64]:
    a, b = np.asarray(scores_a, dtype=np.float64), np.asarray(scores_b, dtype=np.float64)
    if a.shape != b.shape or a.ndim != 1 or a.size == 0:
        raise ValueError(f"scores of the same prompts are needed on both sides, got {a.shape} and {b.shape}")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise ValueError("a score is not finite")
    return a - b

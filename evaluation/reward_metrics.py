"""Metrics of a reward model on held-out preference pairs.

The functions take raw scores and return accuracy, AUC, calibration and length bias as plain numbers for JSON.
They run no model (`pipeline.stages.reward` does) and draw no plot (`ui.plots` does).

    reward_metrics(chosen_scores, rejected_scores, prompts)["accuracy"]

The margin is d = score(chosen) - score(rejected). In the Bradley-Terry model, sigmoid(d) is the reward
model's probability that chosen is better.
"""

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize_scalar
from scipy.special import expit
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

Numbers = NDArray[np.float64]
BINS = 10
LENGTH_TOLERANCE = 0.1


def reward_metrics(
    chosen_scores: ArrayLike,
    rejected_scores: ArrayLike,
    prompts: Sequence[Hashable],
    seed: int = 42,
    *,
    chosen_lengths: ArrayLike | None = None,
    rejected_lengths: ArrayLike | None = None,
    resamples: int = 1000,
) -> dict[str, Any]:
    """All metrics of one reward model on N pairs.

    `prompts` (length N) names the cluster of each pair for the bootstrap, because pairs that share a prompt
    are not independent. Lengths (tokens or characters) are optional; without them the length metrics are
    None. Raises ValueError for no pairs, unequal lengths or a score that is not finite.

    Keys: accuracy, accuracy_ci [low, high] (95 %), auc, ece, brier, temperature, calibration (bins of
    confidence, accuracy, count), n_pairs, n_prompts, ties, margin_mean, margin_sd, length_correlation,
    length_matched_accuracy, length_matched_pairs, longer_chosen_accuracy, shorter_chosen_accuracy.
    """
    chosen = np.asarray(chosen_scores, dtype=np.float64)
    rejected = np.asarray(rejected_scores, dtype=np.float64)
    if chosen.ndim != 1 or chosen.shape != rejected.shape or len(prompts) != len(chosen):
        raise ValueError(
            f"each pair needs a score for chosen, one for rejected and a prompt, got "
            f"{chosen.shape}, {rejected.shape} and {len(prompts)} prompts"
        )
    if chosen.size == 0:
        raise ValueError("no pairs to judge the reward model by")
    if not (np.isfinite(chosen).all() and np.isfinite(rejected).all()):
        raise ValueError("a score is not finite")
    margins = chosen - rejected
    correct = credit(margins)
    bins = calibration(margins)
    return {
        "accuracy": float(correct.mean()),
        "accuracy_ci": cluster_bootstrap(correct, prompts, seed=seed, resamples=resamples),
        "auc": pooled_auc(chosen, rejected),
        "ece": expected_calibration_error(bins),
        "brier": float(np.mean((1.0 - expit(margins)) ** 2)),
        "temperature": fitted_temperature(margins),
        "calibration": bins,
        "n_pairs": int(chosen.size),
        "n_prompts": len(set(prompts)),
        "ties": int(np.sum(margins == 0)),
        "margin_mean": float(margins.mean()),
        "margin_sd": float(margins.std()),
        **length_bias(chosen, rejected, chosen_lengths, rejected_lengths),
    }


def credit(margins: Numbers) -> Numbers:
    """1 if chosen scores higher, 0.5 for a tie, 0 otherwise; same shape as `margins`."""
    return np.asarray((np.sign(margins) + 1.0) / 2.0, dtype=np.float64)


def cluster_bootstrap(
    values: ArrayLike, clusters: Sequence[Hashable], *, seed: int = 42, resamples: int = 1000
) -> list[float]:
    """95 % percentile interval [low, high] of the mean of `values`, resampling complete clusters.

    Each resample's mean is the sum of its values over their number, so a large cluster weighs more, as it
    does in the plain mean. The same `seed` gives the same interval.
    """
    names = {name: index for index, name in enumerate(dict.fromkeys(clusters))}
    membership = np.array([names[name] for name in clusters])
    sums = np.bincount(membership, weights=np.asarray(values, dtype=np.float64), minlength=len(names))
    counts = np.bincount(membership, minlength=len(names))
    rng = np.random.default_rng(seed)
    means = np.empty(resamples)
    for row in range(resamples):  # one at a time: [resamples, clusters] would be large
        drawn = rng.integers(len(names), size=len(names))
        means[row] = sums[drawn].sum() / counts[drawn].sum()
    low, high = np.quantile(means, [0.025, 0.975])
    return [float(low), float(high)]


def pooled_auc(chosen: Numbers, rejected: Numbers) -> float:
    """Area under the ROC curve of all chosen against all rejected answers, across prompts.

    Unlike accuracy it also depends on offsets between prompts: a model can order each pair correctly and
    still score low here.
    """
    labels = np.concatenate([np.ones_like(chosen), np.zeros_like(rejected)])
    return float(roc_auc_score(labels, np.concatenate([chosen, rejected])))


def calibration(margins: Numbers, bins: int = BINS) -> list[dict[str, Any]]:
    """Equal-width bins of the confidence sigmoid(|d|) over [0.5, 1]; empty bins are left out.

    Each bin: low, high, confidence (its mean), accuracy (share with d > 0; a tie is not correct), count.
    """
    margins = np.asarray(margins, dtype=np.float64)
    confidence = expit(np.abs(margins))
    index = np.minimum(((confidence - 0.5) / 0.5 * bins).astype(int), bins - 1)
    rows = []
    for number in range(bins):
        inside = index == number
        if inside.any():
            rows.append(
                {
                    "low": 0.5 + 0.5 * number / bins,
                    "high": 0.5 + 0.5 * (number + 1) / bins,
                    "confidence": float(confidence[inside].mean()),
                    "accuracy": float((margins[inside] > 0).mean()),
                    "count": int(inside.sum()),
                }
            )
    return rows


def expected_calibration_error(bins: Sequence[dict[str, Any]]) -> float:
    """ECE = sum over bins of count / N * |accuracy - confidence| (Guo et al. 2017, arXiv 1706.04599)."""
    total = sum(row["count"] for row in bins)
    return float(sum(row["count"] / total * abs(row["accuracy"] - row["confidence"]) for row in bins))


def fitted_temperature(margins: Numbers) -> float | None:
    """The T > 0 that maximises the likelihood sigmoid(d / T) of the labels (Guo et al. 2017).

    T above 1 means over-confident, below 1 under-confident. None if the pairs do not determine it: no margin
    is negative (T would be 0) or the mean margin is zero or less (T would be infinite).
    """
    margins = np.asarray(margins, dtype=np.float64)
    if (margins >= 0).all() or margins.mean() <= 0:
        return None
    # The loss is convex in 1/T; its minimum lies above 0 because the mean margin is positive.
    scale = np.abs(margins).mean()
    fit = minimize_scalar(
        lambda log_beta: np.logaddexp(0.0, -np.exp(log_beta) * margins / scale).mean(),
        bounds=(-20.0, 20.0),
        method="bounded",
        options={"xatol": 1e-8},
    )
    return float(scale / np.exp(fit.x))


def length_bias(
    chosen: Numbers,
    rejected: Numbers,
    chosen_lengths: ArrayLike | None,
    rejected_lengths: ArrayLike | None,
    tolerance: float = LENGTH_TOLERANCE,
) -> dict[str, Any]:
    """Measures of whether the model rewards length.

    They are the rank correlation of score and length over all answers, and the accuracy on pairs whose
    lengths differ by at most `tolerance` of the longer one, and on pairs in which chosen (or rejected) is
    longer.
    """
    keys = (
        "length_correlation",
        "length_matched_accuracy",
        "length_matched_pairs",
        "longer_chosen_accuracy",
        "shorter_chosen_accuracy",
    )
    if chosen_lengths is None or rejected_lengths is None:
        return dict.fromkeys(keys)
    sizes = np.asarray(chosen_lengths, dtype=np.float64), np.asarray(rejected_lengths, dtype=np.float64)
    correct = credit(chosen - rejected)
    difference = sizes[0] - sizes[1]
    matched = np.abs(difference) <= tolerance * np.maximum(*sizes)
    lengths = np.concatenate(sizes)
    values = (
        rank_correlation(np.concatenate([chosen, rejected]), lengths),
        _mean(correct[matched]),
        int(matched.sum()),
        _mean(correct[difference > 0]),
        _mean(correct[difference < 0]),
    )
    return dict(zip(keys, values, strict=True))


def rank_correlation(a: ArrayLike, b: ArrayLike) -> float | None:
    """Spearman's rho; None if it is not defined (fewer than two values, or one side constant)."""
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if len(a) < 2 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return None
    return float(spearmanr(a, b).statistic)


def _mean(values: Numbers) -> float | None:
    return float(values.mean()) if values.size else None

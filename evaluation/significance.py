"""Is a difference between policies real, is it small enough to call them equal, how many votes would tell?

Exact sign test with Holm's correction, Friedman's test with Kendall's W on whole rankings, chi-square of the
winner's pane, equivalence by two one-sided tests, and the planner. Counts in, plain numbers out. "Not
significant" is never turned into "equal": that takes `equivalence`.
"""

from collections.abc import Sequence
from math import ceil

import numpy as np
from scipy.stats import binom, binomtest, chisquare, friedmanchisquare, norm

MOST_RANKINGS = 20_000


def sign_test(wins: int, losses: int) -> float:
    """Two-sided exact p-value that both sides are equally often preferred, ties left out. 1 without data."""
    return float(binomtest(wins, wins + losses, 0.5).pvalue) if wins + losses else 1.0


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjusted p-values (Holm 1979), in the given order."""
    count = len(p_values)
    adjusted = [0.0] * count
    highest = 0.0
    for step, index in enumerate(sorted(range(count), key=lambda i: p_values[i])):
        highest = max(highest, min(1.0, (count - step) * p_values[index]))
        adjusted[index] = highest
    return adjusted


def friedman(ranks: Sequence[Sequence[float]]) -> dict | None:
    """Friedman's test (tie-corrected) and Kendall's W on N blocks of K ranks or scores; lower = better or
    higher = better, as long as it is the same in every block.

    W = chi2 / (N (K - 1)) runs from 0 (no agreement) to 1. Returns chi2, p_value, kendall_w, n; None for
    fewer than two blocks, fewer than three policies, or nothing but ties.
    """
    table = np.asarray(ranks, dtype=np.float64)
    if table.ndim != 2 or table.shape[0] < 2 or table.shape[1] < 3 or (np.ptp(table, axis=1) == 0).all():
        return None
    test = friedmanchisquare(*table.T)
    n, k = table.shape
    w = test.statistic / (n * (k - 1))
    return {"chi2": float(test.statistic), "p_value": float(test.pvalue), "kendall_w": float(w), "n": n}


def position_bias(best_by_pane: Sequence[int]) -> dict | None:
    """Chi-square that the winner's pane is uniform, from the number of wins of each pane (blind, balanced
    panes: any preference for a place is bias). Returns chi2, p_value, n; None without wins."""
    total = sum(best_by_pane)
    if total == 0 or len(best_by_pane) < 2:
        return None
    test = chisquare(best_by_pane)
    return {"chi2": float(test.statistic), "p_value": float(test.pvalue), "n": int(total)}


def equivalence(wins: int, losses: int, margin: float = 0.15, alpha: float = 0.05) -> dict:
    """Are two policies preferred equally often, up to `margin`? Two one-sided exact binomial tests (TOST).

    With p = probability that a is preferred in a decisive comparison: a is "not worse" when p <= 0.5 - margin
    is rejected, the two are "equivalent" when p >= 0.5 + margin is rejected as well, "worse" when p >=
    0.5 - margin is rejected, each at `alpha`.

    Returns verdict ("equivalent", "not worse", "worse", "undecided"), not_worse (bool), p_not_worse,
    p_not_better, p_value (TOST: the larger of the two), margin, n, more_needed (see `comparisons_missing`;
    0 once decided).
    """
    n = wins + losses
    low, high = 0.5 - margin, 0.5 + margin
    p_not_worse = float(binom.sf(wins - 1, n, low)) if n else 1.0
    p_not_better = float(binom.cdf(wins, n, high)) if n else 1.0
    p_worse = float(binom.cdf(wins, n, low)) if n else 1.0
    if p_not_worse < alpha:
        verdict = "equivalent" if p_not_better < alpha else "not worse"
    else:
        verdict = "worse" if p_worse < alpha else "undecided"
    return {
        "verdict": verdict,
        "not_worse": verdict in ("equivalent", "not worse"),
        "p_not_worse": p_not_worse,
        "p_not_better": p_not_better,
        "p_value": max(p_not_worse, p_not_better),
        "margin": margin,
        "n": n,
        "more_needed": comparisons_missing(wins, n, margin, alpha) if verdict == "undecided" else 0,
    }


def comparisons_missing(wins: int, n: int, margin: float, alpha: float = 0.05) -> int | None:
    """Decisive comparisons still to collect for an 80 % chance of a verdict.

    Up to the planned number, what is missing for two equal policies; beyond it, what "not worse" takes at the
    preference seen so far; None where that lies below the margin, so that more votes would not show it.
    """
    planned = votes_for_equivalence(margin, alpha=alpha)
    if n < planned:
        return planned - n
    seen = wins / n
    if seen <= 0.5 - margin:
        return None
    z = norm.ppf(1 - alpha) + norm.ppf(0.8)
    return max(1, ceil(seen * (1 - seen) * (z / (seen - 0.5 + margin)) ** 2) - n)


def votes_for_equivalence(margin: float, power: float = 0.8, alpha: float = 0.05) -> int:
    """Decisive comparisons for TOST to show equivalence within `margin` when the policies are truly equal.

    n = 0.25 ((z(1 - alpha) + z(1 - (1 - power) / 2)) / margin)^2, the normal approximation at 1/2.
    """
    z = norm.ppf(1 - alpha) + norm.ppf(1 - (1 - power) / 2)
    return ceil(0.25 * (z / margin) ** 2)


def sign_test_power(n: int, preference: float, alpha: float = 0.05) -> float:
    """Chance that the two-sided exact sign test on n decisive comparisons rejects at a true `preference`."""
    critical = int(binom.ppf(alpha / 2, n, 0.5))
    while critical >= 0 and 2 * binom.cdf(critical, n, 0.5) > alpha:
        critical -= 1
    if critical < 0:
        return 0.0
    return float(binom.cdf(critical, n, preference) + binom.sf(n - critical - 1, n, preference))


def votes_for_difference(
    preference: float, power: float = 0.8, alpha: float = 0.05, comparisons: int = 1
) -> int:
    """Decisive comparisons for the sign test to find a true `preference` (0.5 to 1) with `power`.

    The power of an exact test goes up and down with n; this is the n from which on it stays (checked over the
    next 40). `comparisons` > 1 divides alpha, as the strictest step of Holm does. Raises ValueError where the
    preference is not above 0.5, and where more than MOST_RANKINGS would be needed.
    """
    if not 0.5 < preference <= 1:
        raise ValueError(f"a preference to look for lies above 0.5 and at most at 1, not {preference}")
    alpha = alpha / comparisons
    z = norm.ppf(1 - alpha / 2) + norm.ppf(power)
    guess = int(0.25 * (z / (preference - 0.5)) ** 2)
    if guess > MOST_RANKINGS:
        raise ValueError(f"a preference of {preference} would need more than {MOST_RANKINGS} comparisons")
    enough = max(1, guess // 2)
    n = enough
    while n < enough + 40:
        if sign_test_power(n, preference, alpha) < power:
            enough = n + 1
        n += 1
    return enough


def plan(
    preference: float = 0.65, *, decisive_share: float = 0.8, margin: float = 0.15, policies: int = 4
) -> dict:
    """How many rankings to collect: to find that one policy is preferred with probability `preference` in any
    of the pairs, and to show equivalence within `margin`.

    A ranking of K policies gives each pair one comparison, of which `decisive_share` are neither tied nor
    between identical answers. Returns pairs, decisive_for_difference (alpha over the pairs),
    decisive_for_equivalence, rankings_for_difference, rankings_for_equivalence.
    """
    pairs = policies * (policies - 1) // 2
    different = votes_for_difference(preference, comparisons=pairs)
    equal = votes_for_equivalence(margin)
    return {
        "pairs": pairs,
        "decisive_for_difference": different,
        "decisive_for_equivalence": equal,
        "rankings_for_difference": ceil(different / decisive_share),
        "rankings_for_equivalence": ceil(equal / decisive_share),
    }

"""Evidence that is valid at every look: e-values and confidence sequences for a mean.

The hypothesis is that the mean of observations in [0, 1] is at most `bound`. A bet against it at fair odds
stakes a fixed fraction f of the wealth on each observation x, so that the wealth is multiplied by
1 + f (x - bound) / bound. If the hypothesis is true, the wealth is a supermartingale and reaches 1 / alpha at
any time with probability at most alpha (Ville 1939), which covers all looks at once. The e-value is the
wealth, averaged over a grid of fractions that do not depend on the data. This is the betting of Waudby-Smith
and Ramdas (2024, J. R. Statist. Soc. B 86, arXiv 2010.09686, section 4) with a uniform mixture of constant
bets in place of a plug-in one.

Because the fractions are constant and the logarithm is concave, the bound holds for the *running average* of
the observations' own means as well (wealth divided by the product of its factors' means is a martingale, and
that product is at most 1 while the average of the means is at most `bound`). So the observations may come
from raters of different tastes; `evaluation.contrasts` defines which observations support which statement.

This module does not select the observations and does not correct for several questions.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

FRACTIONS = (np.arange(40) + 0.5) / 40  # of the largest possible bet, which can lose all of the wealth
BISECTIONS = 30  # precise to a billionth


def log_e_above(values: np.ndarray, bound: float | np.ndarray) -> np.ndarray:
    """Log e-value after each observation against "the mean is at most `bound`".

    values: [..., n] in [0, 1]; bound in (0, 1), one for all or [...]. Returns [..., n].
    """
    values = np.asarray(values, dtype=np.float64)
    bound = np.asarray(bound, dtype=np.float64)[..., None, None]
    steps = np.log1p(FRACTIONS * (values[..., None] - bound) / bound)
    return _mixed(np.cumsum(steps, axis=-2))


def log_e_of_counts(wins: ArrayLike, losses: ArrayLike, bound: ArrayLike) -> np.ndarray:
    """`log_e_above` for observations that are all 1 or 0, from their counts. Shapes broadcast."""
    won, lost, at = (np.asarray(x, dtype=np.float64)[..., None] for x in (wins, losses, bound))
    return _mixed(won * np.log1p(FRACTIONS * (1 - at) / at) + lost * np.log1p(-FRACTIONS))


def log_e_different(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Log e-value against "the mean is exactly the bound": the average of the two one-sided e-values."""
    return np.logaddexp(above, below) - np.log(2)


def interval(values: ArrayLike, alpha: float = 0.05) -> tuple[float, float]:
    """The confidence sequence after these observations, (low, high); (0, 1) without observations.

    Over all looks together it excludes the mean with probability at most `alpha` (alpha / 2 on each side).
    """
    seen = np.asarray(values, dtype=np.float64)
    if seen.size == 0:
        return 0.0, 1.0
    limit = np.log(2 / alpha)

    def low(x: np.ndarray) -> float:
        return _bisect(lambda bound: bool(log_e_above(x, bound)[-1] < limit))

    return low(seen), 1 - low(1 - seen)


def interval_of_counts(wins: int, losses: int, alpha: float = 0.05) -> tuple[float, float]:
    """`interval` for observations that are all 1 or 0."""
    limit = np.log(2 / alpha)

    def low(ones: int, zeros: int) -> float:
        return _bisect(lambda bound: bool(log_e_of_counts(ones, zeros, bound) < limit)) if ones else 0.0

    return low(wins, losses), 1 - low(losses, wins)


def fewest_wins(trials: int, bound: float, log_limit: float) -> np.ndarray:
    """For n = 0 .. trials, the fewest wins of n whose e-value against `bound` reaches the limit.

    Returns [trials + 1] whole numbers; n + 1 where even n wins do not reach it.
    """
    n = np.arange(trials + 1)
    low, high = np.zeros(trials + 1, dtype=int), n + 1
    while (low < high).any():
        middle = (low + high) // 2
        reached = log_e_of_counts(middle, n - middle, bound) >= log_limit
        low, high = np.where(reached | (low == high), low, middle + 1), np.where(reached, middle, high)
    return low


def _mixed(log_wealth: np.ndarray) -> np.ndarray:
    """Log of the average wealth over the fractions (the last axis)."""
    most = log_wealth.max(axis=-1)
    return most + np.log(np.exp(log_wealth - most[..., None]).mean(axis=-1))


def _bisect(plausible: Callable[[float], bool]) -> float:
    """The smallest plausible bound: the e-value falls as the bound rises."""
    low, high = 0.0, 1.0
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        low, high = (low, middle) if plausible(middle) else (middle, high)
    return low

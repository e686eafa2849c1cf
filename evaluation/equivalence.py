"""Paired comparisons over replicates: t intervals, tests of equivalence, Holm's correction, and planning.

A replicate gives one number per comparison, such as the difference in mean gold between two policies on the
same prompts. The replicate is the unit: all tests are one-sample t tests over n replicates with n - 1 degrees
of freedom, whatever the number of prompts. `evaluation.study` makes the numbers.

Sources: two one-sided tests (TOST), Schuirmann 1987; a margin that is a share of another mean of the same
replicates, Sasabuchi 1980 and Hauschke, Kieser, Diletti and Burke 1999; step-down correction, Holm 1979;
re-estimation of the sample size without looking at the effect, Kieser and Friede 2003.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, stdtr, stdtrit
from scipy.stats import chi2

_MOST_REPLICATES = 10_000  # a plan that needs more is refused


@dataclass(frozen=True)
class Interval:
    """A confidence interval of a mean over replicates, in the unit of the values."""

    low: float
    high: float
    confidence: float

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high


@dataclass(frozen=True)
class Tost:
    """Two one-sided tests: p_above that the mean is at or below -margin, p_below that it is at or above
    +margin. Equivalence is shown when both are rejected, hence `p` is the larger one."""

    p_above: float
    p_below: float

    @property
    def p(self) -> float:
        return max(self.p_above, self.p_below)


def mean_interval(values: ArrayLike, confidence: float = 0.95) -> Interval:
    """The t interval of the mean of n values, with n - 1 degrees of freedom; infinite for fewer than two."""
    data = _values(values)
    if len(data) < 2:
        return Interval(-math.inf, math.inf, confidence)
    half = float(stdtrit(len(data) - 1, 0.5 + confidence / 2)) * _standard_error(data)
    mean = float(data.mean())
    return Interval(mean - half, mean + half, confidence)


def p_greater(values: ArrayLike) -> float:
    """The p-value of the one-sided t test of "the mean is at most zero"; 1 for fewer than two values."""
    data = _values(values)
    if len(data) < 2:
        return 1.0
    error, mean = _standard_error(data), float(data.mean())
    if error == 0:
        return 0.0 if mean > 0 else 1.0
    return float(stdtr(len(data) - 1, -mean / error))


def p_different(values: ArrayLike) -> float:
    """The p-value of the two-sided t test of "the mean is zero"; 1 for fewer than two values."""
    data = _values(values)
    return min(1.0, 2 * min(p_greater(data), p_greater(-data)))


def tost(differences: ArrayLike, margins: ArrayLike) -> Tost:
    """Test whether the mean of n paired differences is nearer to zero than the mean of the margins.

    margins: one number, or [n], one per replicate, when the margin is a share of something that each
    replicate measures. Its uncertainty is then part of the test, because the two tests are on the values
    margin + difference and margin - difference.
    """
    data = _values(differences)
    margin = np.broadcast_to(np.asarray(margins, dtype=np.float64), data.shape)
    return Tost(p_greater(margin + data), p_greater(margin - data))


def holm(p: ArrayLike) -> NDArray[np.float64]:
    """Holm's adjusted p-values of m tests, [m], in the given order.

    The smallest is multiplied by m, the next by m - 1 and so on; none is below the one before it, or above 1.
    """
    values = np.asarray(p, dtype=np.float64)
    order = np.argsort(values, kind="stable")
    stepped = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1))
    adjusted = np.empty_like(stepped)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


def blinded_sd(differences: ArrayLike, margins: ArrayLike = 0.0) -> float:
    """The standard deviation to plan with, from a pilot, without looking at any effect.

    differences: [A, n] (or [n]) of A comparisons in n replicates. The root of their mean square treats the
    means as zero, so the result stays the same when the two sides of a pair are swapped: it gives away no
    direction, and an effect only makes it larger. margins: one number or [n]; the variance of the margin over
    the replicates is added, because `tost` counts it.
    """
    data = np.atleast_2d(np.asarray(differences, dtype=np.float64))
    margin = np.atleast_1d(np.asarray(margins, dtype=np.float64))
    if data.size == 0 or not np.isfinite(data).all():
        raise ValueError("the pilot needs finite differences, at least one")
    spread = float(margin.var(ddof=1)) if len(margin) > 1 else 0.0
    return math.sqrt(float((data**2).mean()) + spread)


def tost_power(n: int, sd: float, margin: float, truth: float = 0.0, alpha: float = 0.05) -> float:
    """The probability that `tost` of n normal differences shows equivalence; truth: their true mean."""
    return power_of(sd / math.sqrt(n), n - 1, margin, truth, alpha) if n > 1 else 0.0


def power_of(error: float, df: int, margin: float, truth: float = 0.0, alpha: float = 0.05) -> float:
    """The power of TOST for a mean with standard error `error`, estimated with `df` degrees of freedom.

    With u = s/error the estimated error relative to the true one (df * u^2 has a chi-square distribution),
    equivalence is shown if |mean| < margin - q * u * error, where q is the t quantile. The power is the mean
    of this event's normal probability over 4,000 equally likely values of u, which is accurate to 1e-4.
    """
    if not 0 < alpha < 0.5 or error <= 0 or margin <= 0:
        raise ValueError("alpha must be between 0 and 0.5, and the error and the margin positive")
    shares = (np.arange(4000) + 0.5) / 4000
    relative = np.sqrt(chi2.ppf(shares, df) / df)
    reach = margin / error - float(stdtrit(df, 1 - alpha)) * relative
    reach, centre = np.maximum(reach, 0.0), truth / error
    return float(np.mean(ndtr(reach - centre) - ndtr(-reach - centre)))


def replicates_for(
    sd: float, margin: float, *, power: float = 0.8, truth: float = 0.0, alpha: float = 0.05, tests: int = 1
) -> int:
    """The smallest number of replicates with which `tost` has this power.

    tests: the comparisons under Holm's correction; each is planned at alpha / tests, the level of the first
    step, which is the hardest. Raises ValueError where more than 10,000 would be needed.
    """
    if abs(truth) >= margin:
        raise ValueError(f"a true difference of {truth} is not inside the margin {margin}")
    low, high = 1, 2
    while tost_power(high, sd, margin, truth, alpha / tests) < power:
        low, high = high, 2 * high
        if high > _MOST_REPLICATES:
            raise ValueError(f"more than {_MOST_REPLICATES} replicates are needed")
    while high - low > 1:  # the power grows with n
        middle = (low + high) // 2
        if tost_power(middle, sd, margin, truth, alpha / tests) < power:
            low = middle
        else:
            high = middle
    return high


def _values(values: ArrayLike) -> NDArray[np.float64]:
    data = np.asarray(values, dtype=np.float64)
    if data.ndim != 1 or not np.isfinite(data).all():
        raise ValueError(f"one finite number per replicate is needed, not an array of shape {data.shape}")
    return data


def _standard_error(data: NDArray[np.float64]) -> float:
    return float(data.std(ddof=1)) / math.sqrt(len(data))

"""A mean of many judgements whose interval knows that one rater's judgements belong together."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student


@dataclass(frozen=True)
class Measured:
    """A mean over n judgements with a 95 % interval whose units are the raters.

    The interval uses the cluster-robust variance and Student's t with raters - 1 degrees of freedom. It has
    no bounds if all judgements come from one rater.
    """

    value: float
    low: float | None
    high: float | None
    n: int


def measured(values: np.ndarray, raters: Sequence[str]) -> Measured | None:
    """The mean of values [n] and its interval; None without a value."""
    if not len(values):
        return None
    mean = float(values.mean())
    _, codes = np.unique(np.array(raters), return_inverse=True)
    sums = np.bincount(codes, weights=values - mean)
    count = len(sums)
    if count < 2:
        return Measured(mean, None, None, len(values))
    deviation = float(np.sqrt(count / (count - 1) * (sums @ sums))) / len(values)
    half = float(student.ppf(0.975, count - 1)) * deviation
    return Measured(mean, mean - half, mean + half, len(values))

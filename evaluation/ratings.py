"""Ratings from 1 to 5 of single answers: the mean of each policy, and the reasons that raters gave.

A rating is no comparison: raters use a scale differently, and whoever rates one answer does not see the
others. So ratings have a table of their own and never enter the strengths or the verdicts.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evaluation.measured import Measured, measured


@dataclass(frozen=True)
class Rating:
    """One answer's rating. item: what was rated, the same for all raters who saw this answer."""

    item: str
    rater: str
    policy: str
    rating: int
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class RatedPolicy:
    """A policy's ratings. mean: 1 is worst, 5 is best; its interval's units are the raters. raters: how many.
    tags: how often each reason was given, the most frequent first."""

    policy: str
    mean: Measured
    raters: int
    tags: tuple[tuple[str, int], ...]


def rated(ratings: Sequence[Rating]) -> list[RatedPolicy]:
    """One row per rated policy, the highest mean first. A rater's second rating of an item is a repeat and is
    not counted."""
    first: dict[tuple[str, str, str], Rating] = {}
    for rating in ratings:
        first.setdefault((rating.rater, rating.item, rating.policy), rating)
    rows = []
    for policy in sorted({rating.policy for rating in first.values()}):
        mine = [rating for rating in first.values() if rating.policy == policy]
        raters = [rating.rater for rating in mine]
        mean = measured(np.array([rating.rating for rating in mine], dtype=np.float64), raters)
        if mean is not None:
            tags = Counter(tag for rating in mine for tag in rating.tags)
            rows.append(RatedPolicy(policy, mean, len(set(raters)), tuple(tags.most_common())))
    return sorted(rows, key=lambda row: (-row.mean.value, row.policy))

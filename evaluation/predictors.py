"""Which measures of a reward model predict what PPO gains in gold with it.

Over several reward models, each measure of their report cards is ranked against the gain in gold of the
policies that were trained with them. Spearman's rho with a bootstrap interval over reward models (Efron
1979); reward models of one replicate share data and SFT, so they are drawn together.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from evaluation.reward_metrics import rank_correlation

RESAMPLES = 2000
# The measures of a card: its name, and the path to its value.
MEASURES: Mapping[str, tuple[str, ...]] = {
    "accuracy": ("accuracy", "value"),
    "unseen": ("unseen", "value"),
    "specificity": ("specificity", "value"),
    "within": ("within",),
    "best_of": ("best_of", "gain", "value"),
    "length": ("length", "value"),
    "politeness": ("politeness", "value"),
    "ece": ("ece",),
}


@dataclass(frozen=True)
class Predictor:
    """One measure against the gain. rho: Spearman's. low, high: 95 % interval. n: reward models that have
    both; rho is None where fewer than four do or one side is constant, low and high where resamples seldom
    have a rho."""

    measure: str
    rho: float | None
    low: float | None
    high: float | None
    n: int


def predictors(
    cards: Sequence[Mapping[str, Any]], gains: Sequence[float], replicates: Sequence[Hashable], seed: int = 0
) -> list[Predictor]:
    """One row per measure, the strongest first. cards: as stored in card.json. gains: gold of the policy
    minus that of SFT, at the same KL. replicates: which reward models are drawn together."""
    if not len(cards) == len(gains) == len(replicates):
        raise ValueError("a gain and a replicate are needed for each card")
    found = []
    for measure, path in MEASURES.items():
        known = [
            (value, gain, replicate)
            for card, gain, replicate in zip(cards, gains, replicates, strict=True)
            if (value := _at(card, path)) is not None
        ]
        found.append(_predictor(measure, known, seed))
    return sorted(found, key=lambda row: -abs(row.rho or 0.0))


def _predictor(measure: str, known: Sequence[tuple[float, float, Hashable]], seed: int) -> Predictor:
    values, gains = np.array([k[0] for k in known]), np.array([k[1] for k in known])
    rho = rank_correlation(values, gains) if len(known) >= 4 else None
    if rho is None:
        return Predictor(measure, None, None, None, len(known))
    groups: dict[Hashable, list[int]] = {}
    for index, (_, _, replicate) in enumerate(known):
        groups.setdefault(replicate, []).append(index)
    clusters, rng, drawn = list(groups.values()), np.random.default_rng(seed), []
    for _ in range(RESAMPLES):
        picks = [i for c in rng.integers(len(clusters), size=len(clusters)) for i in clusters[c]]
        drawn.append(rank_correlation(values[picks], gains[picks]))
    kept = [value for value in drawn if value is not None]
    if len(clusters) < 2 or len(kept) < RESAMPLES / 2:
        return Predictor(measure, rho, None, None, len(known))
    low, high = np.quantile(kept, [0.025, 0.975])
    return Predictor(measure, rho, float(low), float(high), len(known))


def _at(card: Mapping[str, Any], path: Sequence[str]) -> float | None:
    value: Any = card
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return float(value) if isinstance(value, int | float) and np.isfinite(value) else None

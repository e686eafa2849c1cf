"""A reward model compared with people, on their own comparisons.

Two faults are distinguished. The reward model is *wrong* if it orders two answers differently from people, on
answers that were not optimised against it. PPO *exploited* it if, on the answers of the policy that was
trained against it, it is wrong more often than its own certainty, calibrated on the other answers, predicts.

This module does not score answers and does not select the votes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy.special import expit

from evaluation.ballots import Ballot
from evaluation.measured import Measured, measured
from evaluation.reward_metrics import calibration, credit, expected_calibration_error, fitted_temperature


@dataclass(frozen=True)
class AgainstPeople:
    """One reward model on the people's decisive comparisons.

    accuracy: the share of comparisons that it orders as the rater did (equal scores count half). ece, brier:
    of its probability sigmoid(score difference) that the rater prefers the first. temperature: the best
    divisor of the difference (None if the comparisons do not determine it). bins: confidence, accuracy and
    count, for a calibration plot. wrong: its error rate on answers of other policies. exploited: on
    comparisons in which it prefers its own policy's answer, its error rate minus the rate that its calibrated
    certainty predicts; above zero, PPO found answers that only the reward model prefers. None without such
    comparisons.
    """

    accuracy: Measured
    ece: float
    brier: float
    temperature: float | None
    bins: list[dict[str, float]]
    wrong: Measured | None
    exploited: Measured | None


@dataclass(frozen=True)
class _Comparisons:
    """Decisive comparisons: the margin [n] of the answer that people prefer, the rater, and the policies."""

    margins: np.ndarray
    raters: list[str]
    better: list[str]
    worse: list[str]


def against_people(
    ballots: Sequence[Ballot], scores: Sequence[Mapping[str, float] | None], own: str | None = None
) -> AgainstPeople | None:
    """Compare a reward model with the raters; None without a decisive comparison.

    scores[i]: the policies of ballots[i] and this reward model's scores of their answers (None: not scored).
    own: the policy that was trained against this reward model.
    """
    found = _comparisons(ballots, scores)
    accuracy = measured(credit(found.margins), found.raters)
    if accuracy is None:
        return None
    bins = calibration(found.margins)
    others = np.array([own not in pair for pair in zip(found.better, found.worse, strict=True)])
    errors = 1 - credit(found.margins)
    return AgainstPeople(
        accuracy,
        expected_calibration_error(bins),
        float(np.mean((1 - expit(found.margins)) ** 2)),
        fitted_temperature(found.margins),
        bins,
        measured(errors[others], _kept(found.raters, others)),
        _exploited(found, others, own),
    )


def _comparisons(ballots: Sequence[Ballot], scores: Sequence[Mapping[str, float] | None]) -> _Comparisons:
    margins, raters, better, worse = [], [], [], []
    for ballot, given in zip(ballots, scores, strict=True):
        given = given or {}
        for a, b in combinations(sorted(given), 2):
            sign = ballot.sign(a, b)
            if sign:
                first, second = (a, b) if sign > 0 else (b, a)
                margins.append(given[first] - given[second])
                raters.append(ballot.rater)
                better.append(first)
                worse.append(second)
    return _Comparisons(np.array(margins, dtype=np.float64), raters, better, worse)


def _exploited(found: _Comparisons, others: np.ndarray, own: str | None) -> Measured | None:
    """Excess of errors where the reward model prefers its own policy's answer."""
    if own is None or not others.any():
        return None
    likes_own = np.array(
        [
            margin != 0 and own == (better if margin > 0 else worse)
            for margin, better, worse in zip(found.margins, found.better, found.worse, strict=True)
        ]
    )
    if not likes_own.any():
        return None
    margins = found.margins[likes_own]
    excess = (margins < 0) - _expected_errors(margins, found.margins[others])
    return measured(excess, _kept(found.raters, likes_own))


def _expected_errors(margins: np.ndarray, elsewhere: np.ndarray) -> np.ndarray:
    """[n], the probability of an error at each margin, with the temperature that fits the other margins."""
    temperature = fitted_temperature(elsewhere)
    if temperature is None:  # never wrong on the other answers, or no better than chance
        return np.full(len(margins), 0.0 if (elsewhere >= 0).all() else 0.5)
    return expit(-np.abs(margins) / temperature)


def _kept(names: Sequence[str], keep: np.ndarray) -> list[str]:
    return [name for name, kept in zip(names, keep, strict=True) if kept]

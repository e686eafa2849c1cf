"""The number of votes that a season needs, for verdicts that are valid at every look and for fixed-n tests.

The sequential numbers follow `evaluation.verdict`: the probability of a verdict after at most n votes is
exact (a sum over all paths of wins) for the raters themselves, and simulated with a seed for people in
general. A plan is for one question; with m questions Holm's strictest step divides alpha by m. The fixed-n
tests (exact sign test, exact TOST) are given for comparison; they are valid at a single look only.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit
from scipy.stats import binom, norm

from evaluation.contrasts import VOTES_EACH
from evaluation.sequential import FRACTIONS, fewest_wins
from evaluation.verdict import ALPHA

Goal = Literal["different", "not worse", "equivalent"]
POWER = 0.8
TASTE = 0.7  # standard deviation of the raters' own preferences in logits: 0.5 for each of two policies
STUDIES = 4000
MOST_TRIALS, MOST_RATERS = 20_000, 400


@dataclass(frozen=True)
class Need:
    """The smallest number of decisive votes or raters with the requested power, and its power."""

    n: int
    power: float


@dataclass(frozen=True)
class Plan:
    """A season's target. margin, preference, decisive_share, votes_each and taste are its assumptions.

    decisive_equal, decisive_better: decisive votes on a contrast that show, for these raters, equality within
    the margin, or a difference at the true `preference`. raters_equal, raters_better: the raters for the same
    verdicts on people, with `votes_each` decisive votes per rater. rankings_each: rankings per rater after
    which 95 % of the raters have these votes. rankings: the target, for people and the margin. None: more
    than MOST_TRIALS votes or MOST_RATERS raters.
    """

    margin: float
    preference: float
    decisive_share: float
    votes_each: int
    taste: float
    decisive_equal: Need | None
    decisive_better: Need | None
    raters_equal: Need | None
    raters_better: Need | None
    rankings_each: int
    rankings: int | None


def plan(
    *,
    margin: float = 0.15,
    preference: float = 0.65,
    decisive_share: float,
    votes_each: int = VOTES_EACH,
    taste: float = TASTE,
    questions: int = 2,
) -> Plan:
    """The numbers of votes that give each verdict in 80 % of the studies, for one of `questions` contrasts.

    decisive_share: the share of the votes on a contrast that are neither ties nor between identical answers;
    `contrasts.DecisiveVotes.share` is that of a season.
    """
    each = _rankings_each(votes_each, decisive_share)
    equal = raters_needed("equivalent", 0.5, margin, votes_each, taste, questions)
    return Plan(
        margin,
        preference,
        decisive_share,
        votes_each,
        taste,
        decisive_needed("equivalent", 0.5, margin, questions),
        decisive_needed("different", preference, margin, questions),
        equal,
        raters_needed("different", preference, margin, votes_each, taste, questions),
        each,
        None if equal is None else equal.n * each,
    )


def _rankings_each(votes_each: int, decisive_share: float) -> int:
    """Rankings after which 95 % of the raters have their decisive votes."""
    n = votes_each
    while binom.sf(votes_each - 1, n, decisive_share) < 0.95:
        n += 1
    return n


def taste_of(shares: np.ndarray, votes_each: int = VOTES_EACH) -> float:
    """Standard deviation in logits of the raters' own preferences, from the variance of their shares.

    The variance of a share is v (1 - 1 / n) + m (1 - m) / n, with v the variance of the preferences, m their
    mean and n = votes_each. Two imaginary raters with the default deviation limit the effect of few raters.
    """
    shares = np.asarray(shares, dtype=np.float64)
    if len(shares) < 2:
        return TASTE
    mean = (shares.sum() + 1) / (len(shares) + 2)
    own = (shares.var(ddof=1) - mean * (1 - mean) / votes_each) / (1 - 1 / votes_each)
    nodes, weights = _normal()
    tastes = np.linspace(0, 4, 81)
    preferences = expit(np.log(mean / (1 - mean)) + tastes[:, None] * nodes)
    variances = preferences**2 @ weights - (preferences @ weights) ** 2
    taste = np.interp(own, variances, tastes)
    return float(np.sqrt((taste**2 * (len(shares) - 1) + 2 * TASTE**2) / (len(shares) + 1)))


def _normal() -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights of Gauss-Hermite quadrature over a standard normal variable."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(40)
    return nodes, weights / weights.sum()


def chance_by(
    trials: int, preference: float, goal: Goal, margin: float = 0.15, questions: int = 1
) -> np.ndarray:
    """[trials + 1], the probability that a verdict on these raters is reached within the first n votes."""
    n = np.arange(trials + 1)
    decided = _deciding_wins(trials, goal, margin, questions)
    alive, chance = np.ones(1), np.zeros(trials + 1)
    for t in n[1:]:
        alive = np.append(alive * (1 - preference), 0.0) + np.append(0.0, alive * preference)
        hit = decided(t)
        chance[t] = alive[hit].sum()
        alive[hit] = 0.0
    return np.cumsum(chance)


def _deciding_wins(trials: int, goal: Goal, margin: float, questions: int) -> Callable[[int], np.ndarray]:
    """A function of n that gives the mask [n + 1] of the numbers of wins that decide."""
    limit = np.log(questions / ALPHA)
    if goal == "different":
        few = fewest_wins(trials, 0.5, limit + np.log(2))  # the e-value of the other side is neglected
        return lambda n: (np.arange(n + 1) >= few[n]) | (np.arange(n + 1) <= n - few[n])
    few = fewest_wins(trials, 0.5 - margin, limit)
    if goal == "not worse":
        return lambda n: np.arange(n + 1) >= few[n]
    return lambda n: (np.arange(n + 1) >= few[n]) & (np.arange(n + 1) <= n - few[n])


def decisive_needed(
    goal: Goal, preference: float, margin: float = 0.15, questions: int = 1, power: float = POWER
) -> Need | None:
    """Decisive votes that give the verdict on these raters with `power`; None beyond MOST_TRIALS."""
    trials = 250
    while trials <= MOST_TRIALS:
        chance = chance_by(trials, preference, goal, margin, questions)
        if chance[-1] >= power:
            n = int((chance >= power).argmax())
            return Need(n, float(chance[n]))
        trials *= 3
    return None


def raters_needed(
    goal: Goal,
    preference: float,
    margin: float = 0.15,
    votes_each: int = VOTES_EACH,
    taste: float = TASTE,
    questions: int = 1,
    power: float = POWER,
    seed: int = 42,
) -> Need | None:
    """Raters that give the verdict on people with `power`; None beyond MOST_RATERS.

    The raters' preferences have the mean `preference` and are normal in logits with the deviation `taste`.
    """
    raters = 50
    while raters <= MOST_RATERS:
        wins = _simulated_wins(raters, preference, votes_each, taste, seed)
        chance = _decided_for_people(wins, votes_each, goal, margin, questions).mean(axis=0)
        if chance[-1] >= power:
            n = int((chance >= power).argmax()) + 1
            return Need(n, float(chance[n - 1]))
        raters *= 2
    return None


def _simulated_wins(raters: int, preference: float, votes_each: int, taste: float, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    shape = (STUDIES, raters)
    lead = lead_of(preference, taste)
    return rng.binomial(votes_each, expit(lead + taste * rng.standard_normal(shape)))


def lead_of(preference: float, taste: float) -> float:
    """The mean in logits of raters whose mean preference this is (Gauss-Hermite quadrature, bisection)."""
    nodes, weights = _normal()

    def gap(lead: float) -> float:
        return float(weights @ expit(lead + taste * nodes)) - preference

    return float(brentq(gap, -20, 20))


def _decided_for_people(
    wins: np.ndarray, votes_each: int, goal: Goal, margin: float, questions: int
) -> np.ndarray:
    """[studies, raters], whether the verdict was reached at or before that rater; wins: [studies, raters]."""
    shares = np.arange(votes_each + 1) / votes_each

    def log_e(counts: np.ndarray, bound: float) -> np.ndarray:
        steps = np.log1p(FRACTIONS * (shares[:, None] - bound) / bound)
        total = np.zeros((len(FRACTIONS), len(counts)))
        found = np.empty(counts.shape)
        for rater, column in enumerate(counts.T):  # [studies, raters, fractions] would be large
            total += steps.T[:, column]
            found[:, rater] = np.log(np.exp(total).mean(axis=0))
        return found

    limit = np.log(questions / ALPHA)
    if goal == "different":
        both = np.logaddexp(log_e(wins, 0.5), log_e(votes_each - wins, 0.5)) - np.log(2)
        reached = both >= limit
    else:
        reached = log_e(wins, 0.5 - margin) >= limit
        if goal == "equivalent":
            reached &= log_e(votes_each - wins, 0.5 - margin) >= limit
    return np.logical_or.accumulate(reached, axis=1)


def sign_test_power(n: int, preference: float, alpha: float = ALPHA) -> float:
    """Probability that the two-sided exact sign test on n decisive votes rejects at a true `preference`."""
    critical = int(binom.ppf(alpha / 2, n, 0.5))
    while critical >= 0 and 2 * binom.cdf(critical, n, 0.5) > alpha:
        critical -= 1
    if critical < 0:
        return 0.0
    return float(binom.cdf(critical, n, preference) + binom.sf(n - critical - 1, n, preference))


def equivalence_power(n: int, margin: float, preference: float = 0.5, alpha: float = ALPHA) -> float:
    """Probability that two one-sided exact binomial tests (TOST) on n decisive votes both reject.

    They reject if P(at least as many wins | 0.5 - margin) < alpha and the mirror image holds.
    """
    few = int(binom.isf(alpha, n, 0.5 - margin)) + 1  # the fewest wins that reject "worse by the margin"
    while few > 0 and binom.sf(few - 2, n, 0.5 - margin) < alpha:
        few -= 1
    return float(max(0.0, binom.cdf(n - few, n, preference) - binom.cdf(few - 1, n, preference)))


def votes_for_difference(preference: float, questions: int = 1, power: float = POWER) -> int:
    """Decisive votes for the sign test at a fixed n to find a true `preference` (above 0.5) with `power`.

    Raises ValueError for a preference that no realistic number of votes would show.
    """
    if not 0.5 < preference <= 1:
        raise ValueError(f"a preference to look for lies above 0.5 and at most at 1, not {preference}")
    alpha = ALPHA / questions
    guess = int(0.25 * ((norm.ppf(1 - alpha / 2) + norm.ppf(power)) / (preference - 0.5)) ** 2)
    if guess > MOST_TRIALS:
        raise ValueError(f"a preference of {preference} would need more than {MOST_TRIALS} votes")
    return _from_here_on(guess, lambda n: sign_test_power(n, preference, alpha), power)


def votes_for_equivalence(margin: float, questions: int = 1, power: float = POWER) -> int:
    """Decisive votes for exact TOST at a fixed n to show two equal policies to be equal within `margin`."""
    alpha = ALPHA / questions
    guess = int(0.25 * ((norm.ppf(1 - alpha) + norm.ppf((1 + power) / 2)) / margin) ** 2)
    return _from_here_on(guess, lambda n: equivalence_power(n, margin, alpha=alpha), power)


def _from_here_on(guess: int, chance: Callable[[int], float], power: float) -> int:
    """The n from which on the power is kept; the power of an exact test oscillates (60 further n checked)."""
    enough = n = max(1, guess * 3 // 4)
    while n < enough + 60:
        if chance(n) < power:
            enough = n + 1
        n += 1
    return enough

"""Evidence in the votes for one policy against another: for these raters, and for people in general.

There are two statements, each with its own observations for `evaluation.sequential`:

*raters*: "in the votes of these R raters". An observation is one decisive vote; the mean is the raters' own
preference, averaged over their votes. It is valid for any tastes of the raters and does not cover other
people.

*people*: "for people like these raters". Raters are the unit: an observation is the share of a rater's first
`votes_each` decisive votes that prefer the first policy, whose mean is the preference of a rater drawn from
the population, whatever the tastes of the raters and the noise of their votes. A rater with fewer decisive
votes is not counted yet, and votes beyond `votes_each` are never counted, because evaluating a growing share
at chosen moments would bias it. A few raters who do not nearly agree on a difference give no verdict for
people, however often they vote.

A tie, two bad answers and identical texts are not a preference. A rater's second vote on a prompt is a repeat
and is not counted. Which prompts a rater gets must not depend on the rater's taste.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from evaluation import sequential
from evaluation.ballots import VoteTable

Scope = Literal["people", "raters"]
VOTES_EACH = 10  # decisive votes that make a rater's share


@dataclass(frozen=True)
class Contrast:
    """Two policies to compare.

    margin: the amount by which the preference for a may fall short of one half while a still counts as "not
    worse" (0.15 = 15 points); None if only a difference is tested. It is fixed before the first vote.
    """

    a: str
    b: str
    margin: float | None = None


@dataclass(frozen=True)
class Evidence:
    """The evidence for each claim on a contrast, as log e-values, which are valid at every look.

    raters: the number of counted raters. wins, losses: their counted decisive votes. low, high: confidence
    sequence of the preference for a (95 % over all looks). better, worse: against a preference of exactly one
    half, on the side of the majority of the votes (minus infinity on the other). not_worse, not_better:
    against a preference of at most 0.5 - margin, and of at least 0.5 + margin; None without a margin.
    """

    scope: Scope
    raters: int
    wins: int
    losses: int
    low: float
    high: float
    better: float
    worse: float
    not_worse: float | None = None
    not_better: float | None = None

    @property
    def decisive(self) -> int:
        return self.wins + self.losses


@dataclass(frozen=True)
class DecisiveVotes:
    """The decisive first votes on a contrast, oldest first.

    rater: [n] codes. won: [n], whether a was preferred. rounds: the number of first votes on both policies,
    decisive or not.
    """

    rater: np.ndarray
    won: np.ndarray
    rounds: int

    @property
    def share(self) -> float:
        """Decisive votes per vote, with one imaginary vote of each kind, so that it is never 0 or 1."""
        return (len(self.won) + 1) / (self.rounds + 2)

    def shares(self, votes_each: int = VOTES_EACH) -> np.ndarray:
        """The share of a rater's first `votes_each` votes that a won, per rater with that many votes."""
        order = np.argsort(self.rater, kind="stable")
        _, start, count = np.unique(self.rater[order], return_index=True, return_counts=True)
        total = np.concatenate([[0], np.cumsum(self.won[order])])
        start = start[count >= votes_each]
        return (total[start + votes_each] - total[start]) / votes_each


def decisive_votes(table: VoteTable, a: str, b: str) -> DecisiveVotes:
    """The votes that decide between a and b; empty if one of them never answered."""
    i, j = table.index(a), table.index(b)
    if i is None or j is None or not len(table):
        return DecisiveVotes(np.zeros(0, dtype=int), np.zeros(0, dtype=bool), 0)
    first = table.first_votes
    both = (table.present[:, i] & table.present[:, j])[table.pattern[first]]
    first = first[both]
    signs = table.signs[:, i, j][table.pattern[first]]
    decided = signs != 0
    return DecisiveVotes(table.rater[first[decided]], signs[decided] > 0, len(first))


def of_raters(votes: DecisiveVotes, margin: float | None = None) -> Evidence:
    """The evidence on the preference of these raters, in their votes."""
    wins = int(votes.won.sum())
    losses = len(votes.won) - wins

    def above(bound: float) -> float:
        return float(sequential.log_e_of_counts(wins, losses, bound))

    def below(bound: float) -> float:
        return float(sequential.log_e_of_counts(losses, wins, 1 - bound))

    low, high = sequential.interval_of_counts(wins, losses)
    raters = len(np.unique(votes.rater))
    return _evidence("raters", raters, wins, losses, low, high, above, below, margin)


def of_people(
    votes: DecisiveVotes, margin: float | None = None, votes_each: int = VOTES_EACH
) -> Evidence | None:
    """The evidence on the preference of the population that the raters come from.

    None with fewer than two raters who have cast `votes_each` decisive votes, because one person says nothing
    about others.
    """
    shares = votes.shares(votes_each)
    if len(shares) < 2:
        return None

    def above(bound: float) -> float:
        return float(sequential.log_e_above(shares, bound)[-1])

    def below(bound: float) -> float:
        return float(sequential.log_e_above(1 - shares, 1 - bound)[-1])

    low, high = sequential.interval(shares)
    wins = round(float(shares.sum()) * votes_each)
    losses = len(shares) * votes_each - wins
    return _evidence("people", len(shares), wins, losses, low, high, above, below, margin)


def holm(log_e: np.ndarray) -> np.ndarray:
    """Holm's step-down correction of m log e-values [..., m], returned in the given order.

    The largest e-value is divided by m, the next by m - 1 and so on, and none may exceed the one before (Holm
    1979 with p = 1 / e).
    """
    log_e = np.asarray(log_e, dtype=np.float64)
    order = np.argsort(-log_e, axis=-1)
    divisors = np.log(np.arange(log_e.shape[-1], 0, -1))
    stepped = np.minimum.accumulate(np.take_along_axis(log_e, order, axis=-1) - divisors, axis=-1)
    adjusted = np.empty_like(stepped)
    np.put_along_axis(adjusted, order, stepped, axis=-1)
    return adjusted


def _evidence(
    scope: Scope,
    raters: int,
    wins: int,
    losses: int,
    low: float,
    high: float,
    above: Callable[[float], float],
    below: Callable[[float], float],
    margin: float | None,
) -> Evidence:
    different = float(sequential.log_e_different(np.asarray(above(0.5)), np.asarray(below(0.5))))
    ahead = wins >= losses
    return Evidence(
        scope,
        raters,
        wins,
        losses,
        low,
        high,
        better=different if ahead else -np.inf,
        worse=-np.inf if ahead else different,
        not_worse=None if margin is None else above(0.5 - margin),
        not_better=None if margin is None else below(0.5 + margin),
    )

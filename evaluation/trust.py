"""Checks of the votes: biases of a blind arena, agreement between and within raters, and careless raters.

The functions take `evaluation.ballots.Ballot` and return None if there are too few votes. A rater is flagged
only by the time taken and the panes chosen, never by the policies preferred. Because panes are permuted,
excluding a flagged rater cannot favour a policy, and the verdict can be given with and without such raters.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np
import pandas as pd
from evalica import InsufficientRatingsError, alpha
from scipy.stats import binom, chisquare

from data.ranking import LETTERS
from evaluation.alignment import wilson_interval
from evaluation.ballots import Ballot

Flag = Literal["too fast", "straight-lining", "one pane"]
LEAST_VOTES = 8  # a rater with fewer votes is not flagged
TOKENS_PER_SECOND = 20.0  # faster than anybody reads; careful readers take 4 to 6 words per second
STRAIGHT_SHARE = 0.8
SURE = 0.001  # of the test for a favourite pane, divided by the number of panes


@dataclass(frozen=True)
class Share:
    """A share of n cases with its 95 % Wilson interval."""

    share: float
    low: float
    high: float
    n: int

    @classmethod
    def of(cls, count: float, n: int) -> "Share | None":
        """None without cases."""
        if not n:
            return None
        low, high = wilson_interval(count, n)
        return cls(count / n, low, high, n)


@dataclass(frozen=True)
class PaneBias:
    """Wins by pane, and the chi-square p-value that all panes win equally often (None without wins)."""

    wins: dict[str, int]
    p_value: float | None


@dataclass(frozen=True)
class RaterCheck:
    """One rater: votes cast, median seconds per vote (None where unknown), consistency on repeats, flags."""

    rater: str
    votes: int
    seconds: float | None
    consistency: Share | None
    flags: tuple[Flag, ...]


@dataclass(frozen=True)
class Trust:
    """The result of all checks.

    longer_wins: share of the decisive comparisons that the longer answer won. alpha: Krippendorff's, between
    raters of the same answers. consistency: within a rater, over hidden repeats.
    """

    panes: PaneBias
    longer_wins: Share | None
    alpha: float | None
    consistency: Share | None
    raters: tuple[RaterCheck, ...]


def trust(ballots: Sequence[Ballot]) -> Trust:
    """The result of all checks on these votes."""
    return Trust(
        pane_bias(ballots),
        length_preference(ballots),
        krippendorff(ballots),
        self_consistency(ballots),
        tuple(check_raters(ballots)),
    )


def krippendorff(ballots: Iterable[Ballot]) -> float | None:
    """Krippendorff's alpha (ordinal) of the ranks given to the same answers by different raters.

    A unit is one answer of one item; a rater's first vote on it counts. 1 = perfect, 0 = chance, below =
    systematic disagreement. None unless some item was ranked by two raters.
    """
    ratings: dict[str, dict[tuple[str, str], float]] = {}
    for ballot in ballots:
        for policy, rank in ballot.ranking.mean_places().items():
            ratings.setdefault(ballot.rater, {}).setdefault((ballot.item or ballot.prompt, policy), rank)
    times = Counter(unit for given in ratings.values() for unit in given)
    shared = sorted(unit for unit, count in times.items() if count > 1)
    return ordinal_alpha([[given.get(unit, np.nan) for unit in shared] for given in ratings.values()])


def ordinal_alpha(table: Sequence[Sequence[float]]) -> float | None:
    """Krippendorff's alpha with the ordinal distance.

    The input has one row per rater and one column per unit, NaN for a missing value. The result is None if no
    two raters judged the same unit, or if all values are equal.
    """
    frame = pd.DataFrame(table).dropna(how="all")
    if frame.empty or frame.stack().nunique() < 2:
        return None
    try:
        return float(alpha(frame, distance="ordinal").alpha)
    except InsufficientRatingsError:
        return None


def self_consistency(ballots: Iterable[Ballot]) -> Share | None:
    """Share of pairs that a rater ordered the same way when the same answers came again (hidden repeats).

    Ties that stay ties are consistent; pairs of identical texts are left out.
    """
    first: dict[tuple[str, str], Ballot] = {}
    same, total = 0, 0
    for ballot in ballots:
        earlier = first.setdefault((ballot.rater, ballot.item or ballot.prompt), ballot)
        if earlier is ballot:
            continue
        for a, b in combinations(sorted(set(earlier.policies) & set(ballot.policies)), 2):
            if not ballot.same_text(a, b):
                total += 1
                same += earlier.sign(a, b) == ballot.sign(a, b)
    return Share.of(same, total)


def pane_bias(ballots: Iterable[Ballot], panes: int = 4) -> PaneBias:
    """Wins by pane: alone in first place, not identical to another answer, in rounds of `panes` answers.

    Panes are blind and balanced, so any preference for a pane is bias.
    """
    wins = [0] * panes
    for ballot in ballots:
        best = ballot.best()
        if best is None or len(ballot.policies) != panes or any(best in group for group in ballot.identical):
            continue
        wins[ballot.policies.index(best)] += 1
    p_value = float(chisquare(wins).pvalue) if sum(wins) else None
    return PaneBias(dict(zip(LETTERS, wins, strict=False)), p_value)


def length_preference(ballots: Iterable[Ballot]) -> Share | None:
    """Share of the decisive comparisons that the longer answer won; equal lengths are left out."""
    longer, total = 0, 0
    for ballot in ballots:
        for a, b in combinations(sorted(ballot.lengths), 2):
            sign = ballot.sign(a, b)
            difference = ballot.lengths[a] - ballot.lengths[b]
            if sign and difference:
                total += 1
                longer += sign * difference > 0
    return Share.of(longer, total)


def check_raters(ballots: Iterable[Ballot]) -> list[RaterCheck]:
    """One check per rater, most votes first."""
    checks = []
    for rater, votes in _by_rater(ballots).items():
        seconds = [vote.seconds for vote in votes if vote.seconds is not None]
        median = float(np.median(seconds)) if seconds else None
        checks.append(RaterCheck(rater, len(votes), median, self_consistency(votes), _flags(votes)))
    return sorted(checks, key=lambda check: (-check.votes, check.rater))


def flagged_raters(ballots: Iterable[Ballot]) -> frozenset[str]:
    """The raters with a flag."""
    return frozenset(rater for rater, votes in _by_rater(ballots).items() if _flags(votes))


def _by_rater(ballots: Iterable[Ballot]) -> dict[str, list[Ballot]]:
    found: dict[str, list[Ballot]] = {}
    for ballot in ballots:
        found.setdefault(ballot.rater, []).append(ballot)
    return found


def _flags(votes: Sequence[Ballot]) -> tuple[Flag, ...]:
    if len(votes) < LEAST_VOTES:
        return ()
    flags: list[Flag] = []
    timed = [(vote.seconds, vote.lengths) for vote in votes if vote.seconds is not None and vote.lengths]
    hasty = sum(seconds < sum(lengths.values()) / TOKENS_PER_SECOND for seconds, lengths in timed)
    if len(timed) >= LEAST_VOTES and 2 * hasty > len(timed):
        flags.append("too fast")
    orders = Counter(order for vote in votes if len(order := _pane_order(vote)) > 1)
    told = orders.total()
    if told >= LEAST_VOTES and max(orders.values()) >= STRAIGHT_SHARE * told:
        flags.append("straight-lining")
    best = Counter(order[0] for order in orders.elements() if len(order[0]) == 1)
    panes = max(len(vote.policies) for vote in votes)
    if best and panes * binom.sf(max(best.values()) - 1, best.total(), 1 / panes) < SURE:
        flags.append("one pane")
    return tuple(flags)


def _pane_order(vote: Ballot) -> tuple[tuple[str, ...], ...]:
    """The tiers by pane; at most one tier if the vote expresses no preference."""
    pane = {policy: LETTERS[i] for i, policy in enumerate(vote.policies)}
    return vote.ranking.renamed(pane).tiers

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
from evaluation.ballots import Ballot, VoteTable

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
    """The result of all checks on these votes; the pane bias is that of the most frequent kind of round."""
    usual = Counter(len(ballot.policies) for ballot in ballots).most_common(1)
    return Trust(
        pane_bias(ballots, usual[0][0] if usual else len(LETTERS)),
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


def check_raters(ballots: Sequence[Ballot]) -> list[RaterCheck]:
    """One check per rater, most votes first."""
    flags = rater_flags(VoteTable.of(ballots))
    checks = []
    for rater, votes in _by_rater(ballots).items():
        seconds = [vote.seconds for vote in votes if vote.seconds is not None]
        median = float(np.median(seconds)) if seconds else None
        checks.append(RaterCheck(rater, len(votes), median, self_consistency(votes), flags[rater]))
    return sorted(checks, key=lambda check: (-check.votes, check.rater))


def flagged_raters(table: VoteTable) -> frozenset[str]:
    """The raters with a flag."""
    return frozenset(rater for rater, flags in rater_flags(table).items() if flags)


def rater_flags(table: VoteTable) -> dict[str, tuple[Flag, ...]]:
    """The flags of each rater; none with fewer than LEAST_VOTES votes."""
    enough = _counts(table, np.ones(len(table), dtype=bool)) >= LEAST_VOTES
    found: dict[Flag, np.ndarray] = {
        "too fast": _too_fast(table),
        "straight-lining": _straight(table),
        "one pane": _one_pane(table),
    }
    return {
        rater: tuple(flag for flag, mask in found.items() if enough[code] and mask[code])
        for code, rater in enumerate(table.raters)
    }


def _too_fast(table: VoteTable) -> np.ndarray:
    """[raters], whether more than half of the timed votes were cast faster than one can read."""
    timed = ~np.isnan(table.seconds) & ~np.isnan(table.length)
    hasty = timed & (table.seconds < table.length / TOKENS_PER_SECOND)
    votes = _counts(table, timed)
    return (votes >= LEAST_VOTES) & (2 * _counts(table, hasty) > votes)


def _straight(table: VoteTable) -> np.ndarray:
    """[raters], whether nearly all orders are the same by panes.

    Rounds of two answers are left out: of their two orders an honest rater often gives one most of the time,
    and `_one_pane` tests whether that is more often than chance allows.
    """
    order = table.pane_order[table.pattern]
    told = (order >= 0) & (table.panes[table.pattern] > 2)
    votes = _counts(table, told)
    return (votes >= LEAST_VOTES) & (_largest(table, order, told) >= STRAIGHT_SHARE * votes)


def _one_pane(table: VoteTable) -> np.ndarray:
    """[raters], whether one pane wins too often; the chance is that of the round with the fewest panes."""
    best, panes = table.best_pane[table.pattern], table.panes[table.pattern]
    told = best >= 0
    fewest = np.full(len(table.raters), len(LETTERS))
    np.minimum.at(fewest, table.rater[told], panes[told])
    tail = binom.sf(_largest(table, best, told) - 1, _counts(table, told), 1 / fewest)
    return len(LETTERS) * tail < SURE


def _counts(table: VoteTable, mask: np.ndarray) -> np.ndarray:
    """[raters], how many votes of the mask [N] each rater has."""
    return np.bincount(table.rater[mask], minlength=len(table.raters))


def _largest(table: VoteTable, codes: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """[raters], how often the rater's most frequent code [N] occurs among the votes of the mask [N]."""
    size = codes.max(initial=0) + 1
    pairs, counts = np.unique(table.rater[mask] * size + codes[mask], return_counts=True)
    largest = np.zeros(len(table.raters), dtype=np.int64)
    np.maximum.at(largest, pairs // size, counts)
    return largest


def _by_rater(ballots: Iterable[Ballot]) -> dict[str, list[Ballot]]:
    found: dict[str, list[Ballot]] = {}
    for ballot in ballots:
        found.setdefault(ballot.rater, []).append(ballot)
    return found

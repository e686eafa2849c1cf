"""Do the votes hang together? Raters with each other and with themselves, people with reward models, and the
biases that a blind arena should not have (pane, length).

Works on `evaluation.arena.Ballot`. None stands for "too few votes to say".
"""

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
import pandas as pd
from evalica import InsufficientRatingsError, alpha

from evaluation.alignment import wilson_interval
from evaluation.arena import LETTERS, Ballot
from evaluation.significance import friedman, position_bias


def rank_vector(ballot: Ballot) -> dict[str, float]:
    """Rank of each policy, 1 = best, ties share their mean rank; {} when all are bad."""
    ranks, above = {}, 0
    for tier in ballot.tiers:
        ranks.update(dict.fromkeys(tier, above + (len(tier) + 1) / 2))
        above += len(tier)
    return ranks


def krippendorff(ballots: Sequence[Ballot]) -> float | None:
    """Krippendorff's alpha (ordinal) of the ranks given to the same answers by different raters.

    A unit is one answer of one item; a rater's first vote on it counts. 1 = perfect, 0 = chance, below =
    systematic disagreement. None unless some item was ranked by two raters.
    """
    ratings: dict[str, dict[tuple[str, str], float]] = {}
    for ballot in ballots:
        for policy, rank in rank_vector(ballot).items():
            ratings.setdefault(ballot.rater, {}).setdefault((ballot.item or ballot.prompt, policy), rank)
    units = sorted({unit for given in ratings.values() for unit in given})
    shared = [unit for unit in units if sum(unit in given for given in ratings.values()) > 1]
    if not shared:
        return None
    table = pd.DataFrame([[given.get(unit, np.nan) for unit in shared] for given in ratings.values()])
    table = table.dropna(how="all")
    if table.stack().nunique() < 2:
        return None
    try:
        return float(alpha(table, distance="ordinal").alpha)
    except InsufficientRatingsError:
        return None


def self_consistency(ballots: Sequence[Ballot]) -> dict | None:
    """Share of pairs that a rater ordered the same way when the same answers came again (hidden repeats).

    Returns share, ci (95 %, Wilson), n (pairs); ties that stay ties are consistent. None without repeats.
    """
    first: dict[tuple[str, str], Ballot] = {}
    same, total = 0, 0
    for ballot in ballots:
        key = (ballot.rater, ballot.item or ballot.prompt)
        earlier = first.setdefault(key, ballot)
        if earlier is ballot:
            continue
        for a, b in combinations(sorted(set(earlier.policies) & set(ballot.policies)), 2):
            if not ballot.same_text(a, b):
                total += 1
                same += earlier.sign(a, b) == ballot.sign(a, b)
    return {"share": same / total, "ci": wilson_interval(same, total), "n": total} if total else None


def rank_agreement(ballots: Sequence[Ballot]) -> dict | None:
    """Friedman's test and Kendall's W over (rater, prompt) blocks; see `significance.friedman`.

    Only rankings of every policy that occurs take part; several votes of a block are averaged.
    """
    policies = sorted({policy for ballot in ballots for policy in ballot.policies})
    blocks: dict[tuple[str, str], list[list[float]]] = {}
    for ballot in ballots:
        ranks = rank_vector(ballot)
        if ranks and set(ranks) == set(policies):
            blocks.setdefault(ballot.cluster, []).append([ranks[policy] for policy in policies])
    return friedman([np.mean(rows, axis=0) for rows in blocks.values()]) if blocks else None


def pane_bias(ballots: Sequence[Ballot], panes: int = 4) -> dict:
    """Wins by pane ("best", alone in first place, not identical to another answer) with the chi-square of
    `significance.position_bias`: {"wins": {"A": n, ...}, "test": {...} or None}."""
    wins = [0] * panes
    for ballot in ballots:
        best = ballot.best()
        if best is None or len(ballot.policies) != panes or any(best in group for group in ballot.identical):
            continue
        wins[ballot.policies.index(best)] += 1
    return {"wins": dict(zip(LETTERS, wins, strict=False)), "test": position_bias(wins)}


def length_preference(ballots: Sequence[Ballot]) -> dict | None:
    """Share of decisive comparisons won by the longer answer: share, ci (95 %), n. None without any."""
    longer, total = 0, 0
    for ballot in ballots:
        for a, b in combinations(sorted(ballot.lengths), 2):
            sign = ballot.sign(a, b)
            difference = ballot.lengths[a] - ballot.lengths[b]
            if sign and difference:
                total += 1
                longer += sign * difference > 0
    return {"share": longer / total, "ci": wilson_interval(longer, total), "n": total} if total else None


def reward_model_agreement(
    ballots: Sequence[Ballot], scores: Sequence[Mapping[str, float] | None]
) -> dict | None:
    """How often a reward model orders two answers as the rater did, over decisive comparisons.

    `scores[i]` maps the policies of `ballots[i]` to that reward model's scores of their answers (None: not
    scored). A tie of scores counts half. Returns share, ci, n; None without comparisons.
    """
    agreed, total = 0.0, 0
    for ballot, given in zip(ballots, scores, strict=True):
        for a, b in combinations(sorted(given or ()), 2):
            sign = ballot.sign(a, b)
            if sign:
                total += 1
                agreed += (1 + sign * np.sign(given[a] - given[b])) / 2
    return {"share": agreed / total, "ci": wilson_interval(agreed, total), "n": total} if total else None

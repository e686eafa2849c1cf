"""Checks that the planner's N reaches its power, and measures the cost of repeated looks, with simulated raters.

`benchmarks.arena_simulation` uses this module and prints the tables.
"""

from dataclasses import dataclass, replace
from itertools import permutations

import numpy as np
from scipy.special import expit
from scipy.stats import binom, binomtest

from data.ranking import Ranking
from evaluation import planning, sequential
from evaluation.ballots import Ballot, VoteTable
from evaluation.contrasts import VOTES_EACH
from evaluation.leaderboard import fit
from evaluation.verdict import ALPHA

POLICIES = ("ppo-bf16", "ppo-int4", "ppo-int8", "sft")


@dataclass(frozen=True)
class Power:
    """The planner's prediction for one question and the result of the simulated studies.

    n: number of decisive votes (in scope people: of raters). planned: the planner's power at n. power: share of
    the studies with a verdict at n or before. median: number until the verdict. fixed: number that the exact test
    with a fixed n needs (it allows only one look); fixed_planned, fixed_power: its power, planned and simulated.
    """

    goal: str
    scope: str
    n: int
    planned: float
    power: float
    median: float
    fixed: int | None = None
    fixed_planned: float | None = None
    fixed_power: float | None = None


def power_of_raters(goal: planning.Goal, margin: float, preference: float, studies: int, seed: int) -> Power:
    """Votes with one preference and a look after each, compared with the planner's n and the fixed-n test."""
    need = planning.decisive_needed(goal, preference, margin)
    if need is None:
        raise ValueError(f"no number of votes decides {goal} at {preference}")
    n = need.n
    different = goal == "different"
    if different:
        fixed = planning.votes_for_difference(preference)
        planned = planning.sign_test_power(fixed, preference)
    else:
        fixed = planning.votes_for_equivalence(margin)
        planned = planning.equivalence_power(fixed, margin)
    rng = np.random.default_rng(seed)
    votes = rng.random((studies, max(n, fixed))) < preference
    wins = np.cumsum(votes, axis=1)[:, :n]
    losses = np.arange(1, n + 1) - wins
    if different:
        counts = np.arange(n + 1)
        above = sequential.log_e_of_counts(counts[:, None], counts, 0.5)
        reached = sequential.log_e_different(above, above.T)[wins, losses] >= np.log(1 / ALPHA)
    else:
        few = sequential.fewest_wins(n, 0.5 - margin, np.log(1 / ALPHA))[1:]
        reached = (wins >= few) & (losses >= few)
    total = votes[:, :fixed].sum(axis=1)
    decided = [_fixed_test(goal, int(w), fixed, margin) for w in range(fixed + 1)]
    return Power(
        _name(goal, margin, preference),
        "raters",
        n,
        need.power,
        float(reached.any(axis=1).mean()),
        _median(reached),
        fixed,
        planned,
        float(np.array(decided)[total].mean()),
    )


def power_of_people(goal: planning.Goal, margin: float, preference: float, studies: int, seed: int) -> Power:
    """Raters with individual tastes, with a look after each rater."""
    need = planning.raters_needed(goal, preference, margin)
    if need is None:
        raise ValueError(f"no number of votes decides {goal} at {preference}")
    n = need.n
    rng = np.random.default_rng(seed)
    lead = planning.lead_of(preference, planning.TASTE)
    own = expit(rng.normal(lead, planning.TASTE, (studies, n)))
    shares = rng.binomial(VOTES_EACH, own) / VOTES_EACH
    if goal == "different":
        log_e = sequential.log_e_different(
            sequential.log_e_above(shares, 0.5), sequential.log_e_above(1 - shares, 0.5)
        )
    else:
        log_e = np.minimum(
            sequential.log_e_above(shares, 0.5 - margin), sequential.log_e_above(1 - shares, 0.5 - margin)
        )
    reached = log_e >= np.log(1 / ALPHA)
    return Power(
        _name(goal, margin, preference),
        "people",
        n,
        need.power,
        float(reached.any(axis=1).mean()),
        _median(reached),
    )


def _name(goal: planning.Goal, margin: float, preference: float) -> str:
    return f"{goal}, {f'{100 * preference:.0f} %' if goal == 'different' else f'± {100 * margin:.0f} points'}"


def _median(reached: np.ndarray) -> float:
    return float(np.median(np.where(reached.any(axis=1), reached.argmax(axis=1) + 1, np.inf)))


def _fixed_test(goal: planning.Goal, wins: int, n: int, margin: float) -> bool:
    if goal == "different":
        return binomtest(wins, n).pvalue < ALPHA
    low, high = 0.5 - margin, 0.5 + margin
    return max(binom.sf(wins - 1, n, low), binom.cdf(wins, n, high)) < ALPHA


def power_table(studies: int, seed: int) -> list[Power]:
    """Equivalence at four margins and differences at three preferences, for raters and for people."""
    questions: list[tuple[planning.Goal, float, float]] = [
        ("equivalent", margin, 0.5) for margin in (0.05, 0.10, 0.15, 0.20)
    ]
    questions += [("different", 0.15, preference) for preference in (0.60, 0.65, 0.75)]
    return [
        measure(*question, studies, seed)
        for question in questions
        for measure in (power_of_raters, power_of_people)
    ]


@dataclass(frozen=True)
class Peeking:
    """Share of the null studies with a (false) claim at any look, within 200 decisive votes.

    superior: the policies are equal. equal: the true preference is exactly at the margin of 15 points.
    """

    test: str
    look_every: int
    superior: float
    equal: float


def peeking_table(studies: int, seed: int) -> list[Peeking]:
    """The exact tests for a fixed n with repeated looks, compared with the e-values; one contrast."""
    rng = np.random.default_rng(seed)
    n = np.arange(1, 201)
    equal, edge = (np.cumsum(rng.random((studies, 200)) < p, axis=1) for p in (0.5, 0.35))
    rows = []
    for every in (5, 1):
        look = slice(every - 1, None, every)
        for test, sign, tost in (
            ("sign test, TOST", _sign_p, _tost_p),
            ("e-values", _different_p, _equivalent_p),
        ):
            claimed = [
                (p(wins, n - wins)[:, look] < ALPHA).any(axis=1).mean()
                for p, wins in ((sign, equal), (tost, edge))
            ]
            rows.append(Peeking(test, every, *map(float, claimed)))
    return rows


def _sign_p(wins: np.ndarray, losses: np.ndarray) -> np.ndarray:
    return np.minimum(1.0, 2 * binom.cdf(np.minimum(wins, losses), wins + losses, 0.5))


def _tost_p(wins: np.ndarray, losses: np.ndarray) -> np.ndarray:
    n = wins + losses
    return np.maximum(binom.sf(wins - 1, n, 0.35), binom.cdf(wins, n, 0.65))


def _different_p(wins: np.ndarray, losses: np.ndarray) -> np.ndarray:
    above, below = _log_e(wins, losses, 0.5), _log_e(losses, wins, 0.5)
    return np.exp(-sequential.log_e_different(above, below))


def _equivalent_p(wins: np.ndarray, losses: np.ndarray) -> np.ndarray:
    return np.exp(-np.minimum(_log_e(wins, losses, 0.35), _log_e(losses, wins, 0.35)))


def _log_e(wins: np.ndarray, losses: np.ndarray, bound: float) -> np.ndarray:
    counts = np.arange(max(wins.max(), losses.max()) + 1)
    return sequential.log_e_of_counts(counts[:, None], counts, bound)[wins, losses]


@dataclass(frozen=True)
class Interval:
    """Coverage of the leaderboard's 95 % interval of a contrast, and its mean width in logits."""

    raters: int
    rankings: int
    covered: float
    width: float


def interval_table(studies: int, seed: int) -> list[Interval]:
    """Four equal policies; raters' tastes and prompts' effects with a standard deviation of 0.5 logits; 40
    prompts that raters share."""
    return [
        interval_coverage(raters, rankings, studies, seed)
        for raters in (5, 20, 60)
        for rankings in (100, 300)
    ]


def interval_coverage(raters: int, rankings: int, studies: int, seed: int, prompts: int = 40) -> Interval:
    """How often the interval of one contrast contains the population's difference, which is 0."""
    orders = list(permutations(range(4)))
    code = {order: i for i, order in enumerate(orders)}
    blank = VoteTable.of(
        Ballot(Ranking(tuple((POLICIES[i],) for i in order)), POLICIES, "r", "p") for order in orders
    )
    rng = np.random.default_rng(seed)
    rater = np.arange(rankings) % raters
    covered, widths = 0, []
    for _ in range(studies):
        prompt = rng.integers(prompts, size=rankings)
        taste, effect = rng.normal(0, 0.5, (raters, 4)), rng.normal(0, 0.5, (prompts, 4))
        score = taste[rater] + effect[prompt] + rng.gumbel(size=(rankings, 4))
        pattern = np.array([code[tuple(order)] for order in np.argsort(-score, axis=1).tolist()])
        names = tuple(f"r{i}" for i in range(raters))
        table = replace(blank, raters=names, rater=rater, prompt=prompt, pattern=pattern)
        _, low, high = fit(table).difference("ppo-int8", "ppo-bf16")
        covered += low <= 0 <= high
        widths.append(high - low)
    return Interval(raters, rankings, covered / studies, float(np.mean(widths)))

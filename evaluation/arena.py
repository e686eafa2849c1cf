"""People's rankings of blind answers as a leaderboard: orders, strengths with intervals, contrasts.

A vote is an order of the answers' letters, "B>A=D>C" or "none" (all bad). One vote on four answers implies
six comparisons, but they are one person's one decision: every interval here resamples whole clusters of
(rater, prompt), never single comparisons. Significance tests, equivalence and planning are in
`evaluation.significance`, agreement between raters in `evaluation.agreement`.

It does not store votes and does not know how they were asked for.

    ballots = [Ballot.from_order("B>A=D>C", {"A": "sft", "B": "ppo-bf16", ...}, rater="r1", prompt="...")]
    leaderboard(ballots)
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import choix
import numpy as np

from data.errors import Code, UserError
from evaluation.significance import equivalence, holm, sign_test

LETTERS = "ABCD"
RESAMPLES = 500


def parse_order(order: str, letters: Iterable[str] = LETTERS) -> tuple[tuple[str, ...], ...]:
    """ "B>A=D>C" -> (("B",), ("A", "D"), ("C",)), best first; "none" (all bad) -> ().

    Every letter has to occur once. Case and spaces do not matter. Raises UserError otherwise.
    """
    expected = sorted(letter.upper() for letter in letters)
    wanted = f"an order of {' '.join(expected)} such as {'>'.join(expected)}, with = for a tie, or 'none'"
    if not isinstance(order, str):
        raise UserError(f"the order has to be text: {wanted}", code=Code.ORDER)
    text = "".join(order.split()).upper()
    if text == "NONE":
        return ()
    tiers = tuple(tuple(tier.split("=")) for tier in text.split(">"))
    given = sorted(letter for tier in tiers for letter in tier)
    if given != expected:
        raise UserError(f"order {order!r} is not valid: give {wanted}", code=Code.ORDER)
    return tiers


def format_order(tiers: Sequence[Sequence[str]]) -> str:
    """The inverse of `parse_order`, letters of a tie in alphabetical order."""
    return ">".join("=".join(sorted(tier)) for tier in tiers) or "none"


@dataclass(frozen=True)
class Ballot:
    """One vote on one round.

    tiers: policies from best to worst, ties in one tier; () = all bad. policies: by pane, first pane first.
    identical: groups of policies whose answers were the same text (whoever builds the ballot marks them).
    lengths: characters or tokens of each policy's answer, where known. item: what was ranked (the prompt
    with its answers), so that several raters of the same answers can be compared; the prompt where not given.
    """

    tiers: tuple[tuple[str, ...], ...]
    policies: tuple[str, ...]
    rater: str
    prompt: str
    identical: tuple[frozenset[str], ...] = ()
    lengths: Mapping[str, int] = field(default_factory=dict, hash=False)
    item: str = ""

    @classmethod
    def from_order(cls, order: str, panes: Mapping[str, str], rater: str, prompt: str, **facts) -> "Ballot":
        """`panes` maps letters to policies; `facts` are the fields above. UserError for a bad order."""
        tiers = tuple(tuple(panes[letter] for letter in tier) for tier in parse_order(order, panes))
        return cls(tiers, tuple(panes[letter] for letter in sorted(panes)), rater, prompt, **facts)

    @property
    def cluster(self) -> tuple[str, str]:
        return self.rater, self.prompt

    @property
    def all_bad(self) -> bool:
        return not self.tiers

    def place(self, policy: str) -> int:
        """Tier of a policy, 0 = best; all in tier 0 when all are bad."""
        return next((rank for rank, tier in enumerate(self.tiers) if policy in tier), 0)

    def same_text(self, a: str, b: str) -> bool:
        return any(a in group and b in group for group in self.identical)

    def sign(self, a: str, b: str) -> int:
        """1 if a was put above b, -1 below, 0 for a tie, for all bad and for identical texts."""
        if self.all_bad or self.same_text(a, b):
            return 0
        return int(np.sign(self.place(b) - self.place(a)))

    def tied(self, a: str, b: str) -> bool:
        """Put level by the rater, and not because every answer was bad or the two were the same text."""
        return not self.all_bad and not self.same_text(a, b) and self.place(a) == self.place(b)

    def best(self) -> str | None:
        """The policy alone in first place, if there is one."""
        return self.tiers[0][0] if self.tiers and len(self.tiers[0]) == 1 else None


def policies_of(ballots: Iterable[Ballot]) -> list[str]:
    """All policies that occur, in the order of their names."""
    return sorted({policy for ballot in ballots for policy in ballot.policies})


def strengths(counts: np.ndarray, rng: np.random.Generator | None = None) -> np.ndarray:
    """Bradley-Terry strengths [K] from counts [K, K] of wins (row over column), a tie half a win each way.

    Centred log-worths: a policy with a lead of d is preferred with probability sigmoid(d). Each pair starts
    with two imaginary votes, one each way, so that few votes, or a policy that won every one, give a finite,
    modest lead. With `rng`, for a resample, these two fall at random (uniformly): one vote alone then leaves
    a chance of 1 in 4 that its loser is the better one, as under a uniform prior, and not of 0.
    """
    size = len(counts)
    if size < 2:
        return np.zeros(size)
    shares = np.full((size, size), 0.5) if rng is None else rng.uniform(size=(size, size))
    upper = np.triu(shares, 1)
    imaginary = 2 * (upper + np.tril(1 - upper.T, -1))
    return choix.ilsr_pairwise_dense(counts + imaginary)


def leaderboard(
    ballots: Sequence[Ballot],
    policies: Sequence[str] | None = None,
    *,
    resamples: int = RESAMPLES,
    seed: int = 42,
) -> list[dict]:
    """One row a policy, strongest first; [] without votes.

    Row: policy, score, score_low, score_high (95 %), p_best (share of resamples in which it leads), rankings
    (votes it took part in), wins, ties, losses and identical (comparisons with the others), best (times alone
    in first place), all_bad (rounds in which every answer was bad), mean_rank (1 = best; None without ranks).
    """
    policies = list(policies or policies_of(ballots))
    if not ballots:
        return []
    scores, drawn = _bootstrap(ballots, policies, resamples, seed)
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    leads = drawn >= drawn.max(axis=1, keepdims=True) - 1e-9
    p_best = (leads / leads.sum(axis=1, keepdims=True)).mean(axis=0)
    rows = [
        {
            "policy": policy,
            "score": float(scores[index]),
            "score_low": float(low[index]),
            "score_high": float(high[index]),
            "p_best": float(p_best[index]),
            **_tally(ballots, policy),
        }
        for index, policy in enumerate(policies)
    ]
    return sorted(rows, key=lambda row: (-row["score"], row["policy"]))


def contrasts(
    ballots: Sequence[Ballot],
    pairs: Sequence[tuple[str, str]] | None = None,
    *,
    margin: float = 0.15,
    resamples: int = RESAMPLES,
    seed: int = 42,
) -> list[dict]:
    """a against b for each pair (default: all pairs): is a better, or are they equivalent?

    Row: a, b, difference of scores with low and high (95 %), p_better (share of resamples in which a leads),
    wins, losses, ties, identical (votes), decisive (clusters with a preference), p_value (exact sign test),
    p_holm (over the pairs given), equivalence (see `significance.equivalence`). A cluster (rater, prompt)
    counts once in the sign test, with the sign of its votes' sum; identical texts count nowhere.
    """
    policies = policies_of(ballots)
    pairs = list(pairs if pairs is not None else combinations(policies, 2))
    if not ballots or not pairs:
        return []
    scores, drawn = _bootstrap(ballots, policies, resamples, seed)
    place = {policy: index for index, policy in enumerate(policies)}
    rows = []
    for a, b in pairs:
        if a not in place or b not in place:
            continue
        shared = [ballot for ballot in ballots if a in ballot.policies and b in ballot.policies]
        ahead, behind = cluster_signs(shared, a, b)
        differences = drawn[:, place[a]] - drawn[:, place[b]]
        low, high = np.quantile(differences, [0.025, 0.975])
        signs = [ballot.sign(a, b) for ballot in shared]
        same = sum(ballot.same_text(a, b) for ballot in shared)
        rows.append(
            {
                "a": a,
                "b": b,
                "difference": float(scores[place[a]] - scores[place[b]]),
                "low": float(low),
                "high": float(high),
                "p_better": float((differences > 0).mean() + (differences == 0).mean() / 2),
                "wins": signs.count(1),
                "losses": signs.count(-1),
                "ties": sum(ballot.tied(a, b) for ballot in shared),
                "identical": same,
                "decisive": ahead + behind,
                "p_value": sign_test(ahead, behind),
                "equivalence": equivalence(ahead, behind, margin=margin),
            }
        )
    for row, adjusted in zip(rows, holm([row["p_value"] for row in rows]), strict=True):
        row["p_holm"] = adjusted
    return rows


def cluster_signs(ballots: Iterable[Ballot], a: str, b: str) -> tuple[int, int]:
    """(clusters that prefer a, clusters that prefer b); one whose votes cancel out counts for neither."""
    totals: dict[tuple[str, str], int] = {}
    for ballot in ballots:
        totals[ballot.cluster] = totals.get(ballot.cluster, 0) + ballot.sign(a, b)
    return sum(total > 0 for total in totals.values()), sum(total < 0 for total in totals.values())


def comparison_counts(ballots: Iterable[Ballot], policies: Sequence[str]) -> np.ndarray:
    """[K, K] wins of row over column; ties, all bad and identical texts as half a win each way."""
    place = {policy: index for index, policy in enumerate(policies)}
    counts = np.zeros((len(policies), len(policies)))
    for ballot in ballots:
        for a, b in combinations([policy for policy in ballot.policies if policy in place], 2):
            credit = (ballot.sign(a, b) + 1) / 2
            counts[place[a], place[b]] += credit
            counts[place[b], place[a]] += 1 - credit
    return counts


def _bootstrap(ballots: Sequence[Ballot], policies: Sequence[str], resamples: int, seed: int):
    """(strengths [K], strengths of the resamples [resamples, K]) with clusters of rater and prompt."""
    clusters: dict[tuple[str, str], list[Ballot]] = {}
    for ballot in ballots:
        clusters.setdefault(ballot.cluster, []).append(ballot)
    counts = np.stack([comparison_counts(group, policies) for group in clusters.values()])
    rng = np.random.default_rng(seed)
    drawn = np.empty((resamples, len(policies)))
    for row in range(resamples):
        times = np.bincount(rng.integers(len(counts), size=len(counts)), minlength=len(counts))
        drawn[row] = strengths(np.tensordot(times, counts, axes=1), rng)
    return strengths(counts.sum(axis=0)), drawn


def _tally(ballots: Iterable[Ballot], policy: str) -> dict:
    tally = {"rankings": 0, "wins": 0, "ties": 0, "losses": 0, "identical": 0, "best": 0, "all_bad": 0}
    ranks = []
    for ballot in ballots:
        if policy not in ballot.policies:
            continue
        tally["rankings"] += 1
        tally["all_bad"] += ballot.all_bad
        tally["best"] += ballot.best() == policy
        if ballot.all_bad:
            continue
        above = sum(len(tier) for tier in ballot.tiers[: ballot.place(policy)])
        ranks.append(above + (len(ballot.tiers[ballot.place(policy)]) + 1) / 2)
        for other in ballot.policies:
            if other == policy:
                continue
            if ballot.same_text(policy, other):
                tally["identical"] += 1
            else:
                tally[("losses", "ties", "wins")[ballot.sign(policy, other) + 1]] += 1
    return {**tally, "mean_rank": float(np.mean(ranks)) if ranks else None}

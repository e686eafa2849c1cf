"""A vote in the form that the statistics use, and many votes as arrays.

`Ballot` is one vote on one round. `VoteTable` holds the same votes as codes, so that counting 100,000 of them
takes well under a second. Votes are in the order in which they were cast.

This module does not store votes and does not separate seasons; the caller passes the ballots of one season.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np

from data.ranking import Ranking


@dataclass(frozen=True, slots=True)
class Ballot:
    """One vote on one round.

    ranking: the order of the policies. policies: by pane, first pane first. identical: groups of policies
    whose answers were the same text (whoever builds the ballot marks them). lengths: characters or tokens of
    each policy's answer, where known. item: identifies the ranked answers, so that several raters of the same
    answers can be compared; by default the prompt. seconds: time from the answers to the vote, where known.
    """

    ranking: Ranking
    policies: tuple[str, ...]
    rater: str
    prompt: str
    identical: tuple[frozenset[str], ...] = ()
    lengths: Mapping[str, int] = field(default_factory=dict, hash=False)
    item: str = ""
    seconds: float | None = None

    @classmethod
    def from_order(
        cls, order: str, panes: Mapping[str, str], rater: str, prompt: str, **facts: Any
    ) -> "Ballot":
        """`panes` maps letters to policies; `facts` are the fields above. UserError for a bad order."""
        ranking = Ranking.parse(order, panes).renamed(panes)
        return cls(ranking, tuple(panes[letter] for letter in sorted(panes)), rater, prompt, **facts)

    @property
    def all_bad(self) -> bool:
        return self.ranking.all_bad

    def same_text(self, a: str, b: str) -> bool:
        return any(a in group and b in group for group in self.identical)

    def sign(self, a: str, b: str) -> int:
        """1 if a was put above b, -1 below, 0 for a tie, for all bad and for identical texts."""
        places = self.ranking.places()
        if self.all_bad or self.same_text(a, b):
            return 0
        return int(np.sign(places[b] - places[a]))

    def best(self) -> str | None:
        """The policy that is alone in first place; None if there is none."""
        return self.ranking.best


@dataclass(frozen=True)
class VoteTable:
    """N votes on K policies as arrays; created by `VoteTable.of`.

    policies: the K names, sorted. raters: the names of the raters. rater, prompt: [N] codes. pattern: [N],
    which of the P different outcomes (order, panes, identical texts) a vote is. signs: [P, K, K], 1 where the
    row's policy was put above the column's, -1 below, 0 for a tie, for identical texts and where all are bad.
    present: [P, K], the policy answered. same: [P, K, K], both gave the same text. bad: [P], every answer was
    bad. mean_place: [P, K], 1 = best, NaN without a place. best: [P], the index of the policy alone in first
    place, -1 without one. panes: [P], how many answers were shown. pane_order: [P], a code of the order by
    panes, -1 where it prefers nothing. best_pane: [P], the pane alone in first place, -1 without one.
    seconds: [N], from the answers to the vote; length: [N], of all answers together (NaN where unknown).
    """

    policies: tuple[str, ...]
    raters: tuple[str, ...]
    rater: np.ndarray
    prompt: np.ndarray
    pattern: np.ndarray
    signs: np.ndarray
    present: np.ndarray
    same: np.ndarray
    bad: np.ndarray
    mean_place: np.ndarray
    best: np.ndarray
    panes: np.ndarray
    pane_order: np.ndarray
    best_pane: np.ndarray
    seconds: np.ndarray
    length: np.ndarray

    @classmethod
    def of(cls, ballots: Iterable[Ballot], policies: Sequence[str] = ()) -> "VoteTable":
        """The table of these votes. `policies`: the ones to count (default: all that occur)."""
        ballots = list(ballots)
        found = policies or {policy for ballot in ballots for policy in ballot.policies}
        names = tuple(sorted(found))
        raters, prompts, patterns = _Codes(), _Codes(), _Codes()
        rater = np.array([raters(ballot.rater) for ballot in ballots], dtype=np.int64)
        prompt = np.array([prompts(ballot.prompt) for ballot in ballots], dtype=np.int64)
        pattern = np.array(
            [patterns((b.ranking.tiers, b.policies, b.identical)) for b in ballots], dtype=np.int64
        )
        seconds = np.array([b.seconds for b in ballots], dtype=np.float64)  # None becomes NaN
        length = np.array([sum(b.lengths.values()) or np.nan for b in ballots], dtype=np.float64)
        outcomes = (*_outcomes(list(patterns), names), *_by_pane(list(patterns)), seconds, length)
        return cls(names, tuple(raters), rater, prompt, pattern, *outcomes)

    def __len__(self) -> int:
        return len(self.rater)

    def index(self, policy: str) -> int | None:
        """The policy's index in the arrays; None if no vote was cast on it."""
        return self.policies.index(policy) if policy in self.policies else None

    def only(self, keep: np.ndarray) -> "VoteTable":
        """The same table with the votes where `keep` [N] is true (or whose numbers it gives)."""
        per_vote = ("rater", "prompt", "pattern", "seconds", "length")
        return replace(self, **{name: getattr(self, name)[keep] for name in per_vote})

    @cached_property
    def occurrences(self) -> np.ndarray:
        """[P], how many votes have each outcome."""
        return np.bincount(self.pattern, minlength=len(self.bad))

    @cached_property
    def first_votes(self) -> np.ndarray:
        """The numbers of the votes that are their rater's first on their prompt, in the order of the votes.

        A repeat shows how consistent a rater is; it is not a second, independent vote.
        """
        pairs = self.rater * (self.prompt.max(initial=0) + 1) + self.prompt
        return np.sort(np.unique(pairs, return_index=True)[1])


class _Codes(dict[Any, int]):
    """Assigns numbers to names in the order of their first use."""

    def __call__(self, name: Any) -> int:
        return self.setdefault(name, len(self))


def _outcomes(patterns: Sequence[tuple[Any, ...]], names: Sequence[str]) -> tuple[np.ndarray, ...]:
    """signs, present, same, bad, mean_place and best of each outcome; see `VoteTable`."""
    count, size = len(patterns), len(names)
    place = np.full((count, size), np.nan)
    present = np.zeros((count, size), dtype=bool)
    same = np.zeros((count, size, size), dtype=bool)
    best = np.full(count, -1)
    index = {name: i for i, name in enumerate(names)}
    for row, (tiers, policies, identical) in enumerate(patterns):
        ranking = Ranking(tiers)
        present[row, [index[policy] for policy in policies if policy in index]] = True
        for policy, mean in ranking.mean_places().items():
            if policy in index:
                place[row, index[policy]] = mean
        best[row] = -1 if ranking.best is None else index.get(ranking.best, -1)
        for group in identical:
            for a, b in combinations([index[policy] for policy in group if policy in index], 2):
                same[row, a, b] = same[row, b, a] = True
    ahead = np.nan_to_num(np.sign(place[:, None, :] - place[:, :, None]))
    signs = np.where(same, 0, ahead).astype(np.int8)
    bad = np.isnan(place).all(axis=1)
    return signs, present, same, bad, place, best


def _by_pane(patterns: Sequence[tuple[Any, ...]]) -> tuple[np.ndarray, ...]:
    """panes, pane_order and best_pane of each outcome; see `VoteTable`."""
    orders = _Codes()
    rows = []
    for tiers, policies, _ in patterns:
        pane = {policy: number for number, policy in enumerate(policies)}
        order = tuple(tuple(sorted(pane[policy] for policy in tier)) for tier in tiers)
        prefers = len(order) > 1
        best = order[0][0] if prefers and len(order[0]) == 1 else -1
        rows.append((len(policies), orders(order) if prefers else -1, best))
    return tuple(np.array(rows, dtype=np.int64).reshape(-1, 3).T)

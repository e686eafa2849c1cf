"""The statistics of a season's votes: the leaderboard, the verdicts, and checks of their reliability.

Connects the vote store to `evaluation`, which computes the statistics. A result is cached until a vote is
cast or retracted. No torch.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

import numpy as np

from data.cast_votes import CastVote
from data.policies import POLICIES
from data.ranking import Ranking
from data.seasons import Terms
from data.votes import VoteStore
from evaluation.ballots import Ballot, VoteTable
from evaluation.contrasts import Contrast, decisive_votes
from evaluation.leaderboard import Standing, leaderboard
from evaluation.planning import Plan, plan, taste_of
from evaluation.ratings import RatedPolicy, Rating, rated
from evaluation.trust import Trust, flagged_raters, trust
from evaluation.verdict import Stop, Verdict, stop_rule, verdicts

REFERENCE, BASELINE = "ppo-bf16", "sft"
QUANTISED = ("ppo-int8", "ppo-int4")
LARGE = 10_000  # votes
REST = 10


@dataclass(frozen=True)
class Board:
    """A season at a glance. without: the verdicts without the flagged raters; empty where nobody is flagged.
    raters: who voted. flagged: of them, those who answer too fast or always alike. rankings: how many there
    are; as many comparisons of two as a ranking holds count as one. rated: the ratings from 1 to 5, which
    enter nothing else. hidden: the target is not reached, and the board is not meant to be seen before."""

    standings: list[Standing]
    verdicts: list[Verdict]
    without: list[Verdict]
    raters: int
    flagged: int
    rankings: int
    stop: Stop
    rated: list[RatedPolicy] = field(default_factory=list)
    hidden: bool = False


Found = TypeVar("Found")


@dataclass(frozen=True)
class _Known:
    """A result of a season: the state of the votes that it is of, when it was there, and how long it took."""

    votes: dict[str, int]
    terms: Terms
    result: Any
    ended: float
    seconds: float


class Statistics:
    """The statistics of the seasons of one store. clock: in seconds. large: votes from which on new results
    wait, see `_once`."""

    def __init__(self, store: VoteStore, *, clock: Callable[[], float] = time.monotonic, large: int = LARGE):
        self._store, self._clock, self._large = store, clock, large
        self._known: dict[tuple[str, str], _Known] = {}
        self._read: dict[str, dict[int, Ballot]] = {}  # by season and number, votes taken back included

    def ballots(self, season: str) -> list[Ballot]:
        """The votes of a season that count, oldest first. A vote is read from the database once."""
        known = self._read.get(season, {})
        new = self._store.cast(season, after=max(known, default=0))
        if new:  # a new dict, because another thread may iterate over the old one
            known = self._read[season] = known | _ballots(new)
        gone = self._store.retracted()
        return [ballot for number, ballot in known.items() if number not in gone]

    def board(self, season: str) -> Board:
        """The leaderboard and the verdicts; empty lists without votes."""
        return self._once("board", season, lambda: self._board(season))

    def trust(self, season: str) -> Trust:
        """Biases, agreement and a check of each rater."""
        return self._once("trust", season, lambda: trust(self.ballots(season)))

    def plan(self, season: str) -> Plan:
        """How many votes the season needs, at its margin, with the decisive share and tastes seen so far."""
        return self._once("plan", season, lambda: self._plan(season))

    def flagged(self, season: str) -> frozenset[str]:
        """The raters of a season who answer too fast or always alike."""
        return self._once("flagged", season, lambda: flagged_raters(VoteTable.of(self.ballots(season))))

    def _board(self, season: str) -> Board:
        ballots, terms = self.ballots(season), self._store.terms(season)
        table = VoteTable.of(ballots)
        asked = contrasts(terms.margin)
        flagged = flagged_raters(table)
        kept = ~np.isin(table.rater, [code for code, rater in enumerate(table.raters) if rater in flagged])
        found = verdicts(table, asked)
        rankings = full_rankings(table, len(self._store.policies(season)))
        return Board(
            leaderboard(table),
            found,
            verdicts(table.only(kept), asked) if flagged and kept.any() else [],
            len(table.raters),
            len(flagged),
            rankings,
            stop_rule(found, rankings, terms.target),
            rated([Rating(*rating) for rating in self._store.ratings(season)]),
            terms.hidden and terms.target is not None and rankings < terms.target,
        )

    def _plan(self, season: str) -> Plan:
        table, terms = VoteTable.of(self.ballots(season)), self._store.terms(season)
        pairs = [decisive_votes(table, name, REFERENCE) for name in QUANTISED]
        share = sum(votes.share for votes in pairs) / len(pairs)
        tastes = [taste_of(votes.shares()) for votes in pairs]
        # Rounded, so that a plan changes only when the season has learnt something.
        return plan(margin=terms.margin, decisive_share=round(share, 2), taste=round(max(tastes), 1))

    def _once(self, what: str, season: str, compute: Callable[[], Found]) -> Found:
        """A result of a season, computed again only when a vote, a retraction or other terms were added.

        With very many votes it then stays for REST times as long as it took: each of many raters at once asks
        for it after each vote, and a vote would have to wait for the processor.
        """
        votes, terms = self._store.counts(), self._store.terms(season)
        known, begun = self._known.get((what, season)), self._clock()
        if known and known.terms == terms:
            resting = votes["votes"] >= self._large and begun - known.ended < REST * known.seconds
            if known.votes == votes or resting:
                return cast(Found, known.result)
        result = compute()
        ended = self._clock()
        self._known[what, season] = _Known(votes, terms, result, ended, ended - begun)
        return result


def full_rankings(table: VoteTable, policies: int = 0) -> int:
    """The votes as rankings of all policies: a vote on two of four answers is one of a ranking's six
    comparisons."""
    size = max(policies, len(table.policies), 2)
    compared = table.panes * (table.panes - 1) // 2
    return int(table.occurrences @ compared) // (size * (size - 1) // 2)


def contrasts(margin: float) -> list[Contrast]:
    """The five contrasts: the policy of each quantised reward model against that of the bf16 one (a test of
    non-inferiority with `margin`), and each policy against SFT."""
    quantised = [Contrast(name, REFERENCE, margin) for name in QUANTISED]
    return quantised + [Contrast(name, BASELINE) for name in POLICIES if name != BASELINE]


def _ballots(votes: list[CastVote]) -> dict[int, Ballot]:
    """The votes by their numbers."""
    # There are few different outcomes, and votes with the same arrangement share its dict.
    outcomes: dict[tuple[str, int, Any], tuple[Ranking, tuple[str, ...], tuple[frozenset[str], ...]]] = {}
    found = {}
    for number, item, rater, prompt, order, panes, identical, tokens, seconds in votes:
        key = order, id(panes), identical
        if key not in outcomes:
            outcomes[key] = (
                Ranking.parse(order, panes).renamed(panes),
                tuple(panes[letter] for letter in sorted(panes)),
                tuple(frozenset(panes[letter] for letter in group) for group in identical),
            )
        ranking, policies, same = outcomes[key]
        found[number] = Ballot(ranking, policies, rater, prompt, same, tokens, item, seconds)
    return found

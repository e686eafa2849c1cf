"""What a season's votes say: the leaderboard, the verdicts, and how far they can be trusted.

Connects the vote store to `evaluation`; computes nothing itself. Results are kept until a vote is cast or
taken back. No torch.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import numpy as np

from data.cast_votes import CastVote
from data.policies import POLICIES
from data.ranking import Ranking
from data.seasons import MARGIN, Season
from data.votes import VoteStore
from evaluation.ballots import Ballot, VoteTable
from evaluation.contrasts import Contrast, decisive_votes
from evaluation.leaderboard import Standing, leaderboard
from evaluation.planning import Plan, plan, taste_of
from evaluation.trust import Trust, flagged_raters, trust
from evaluation.verdict import Stop, Verdict, stop_rule, verdicts

REFERENCE, BASELINE = "ppo-bf16", "sft"
QUANTISED = ("ppo-int8", "ppo-int4")


@dataclass(frozen=True)
class Board:
    """A season at a glance. without: the verdicts without the flagged raters; empty where nobody is flagged.
    raters: who voted. flagged: of them, those who answer too fast or always alike."""

    standings: list[Standing]
    verdicts: list[Verdict]
    without: list[Verdict]
    raters: int
    flagged: int
    rankings: int
    stop: Stop


Found = TypeVar("Found")


class Statistics:
    """The statistics of the seasons of one store."""

    def __init__(self, store: VoteStore):
        self._store = store
        self._known: dict[tuple[str, str], tuple[dict[str, int], Any]] = {}
        self._read: dict[str, dict[int, Ballot]] = {}  # by season and number, votes taken back included

    def ballots(self, season: str) -> list[Ballot]:
        """The votes of a season that count, oldest first. A vote is read from the database once."""
        known = self._read.get(season, {})
        new = self._store.cast(season, after=max(known, default=0))
        if new:  # a new dict: another thread may be going through the old one
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

    def _board(self, season: str) -> Board:
        ballots, terms = self.ballots(season), self._season(season)
        table = VoteTable.of(ballots)
        asked = contrasts(terms.margin if terms else MARGIN)
        flagged = flagged_raters(table)
        kept = ~np.isin(table.rater, [code for code, rater in enumerate(table.raters) if rater in flagged])
        found = verdicts(table, asked)
        return Board(
            leaderboard(table),
            found,
            verdicts(table.only(kept), asked) if flagged and kept.any() else [],
            len(table.raters),
            len(flagged),
            len(table),
            stop_rule(found, len(table), terms.target if terms else None),
        )

    def _plan(self, season: str) -> Plan:
        table, terms = VoteTable.of(self.ballots(season)), self._season(season)
        pairs = [decisive_votes(table, name, REFERENCE) for name in QUANTISED]
        share = sum(votes.share for votes in pairs) / len(pairs)
        tastes = [taste_of(votes.shares()) for votes in pairs]
        margin = terms.margin if terms else MARGIN
        # Rounded, so that a plan changes only when the season has learnt something.
        return plan(margin=margin, decisive_share=round(share, 2), taste=round(max(tastes), 1))

    def _season(self, season: str) -> Season | None:
        return next((found for found in self._store.seasons() if found.id == season), None)

    def _once(self, what: str, season: str, compute: Callable[[], Found]) -> Found:
        """A result of a season, computed again only when a vote or a retraction was added."""
        counts = self._store.counts()
        known = self._known.get((what, season))
        if known is None or known[0] != counts:
            known = self._known[what, season] = counts, compute()
        return cast(Found, known[1])


def contrasts(margin: float) -> list[Contrast]:
    """The five contrasts that matter: each quantised reward model's policy against the bf16 one's, for which
    "not worse" is asked, and each policy against SFT."""
    quantised = [Contrast(name, REFERENCE, margin) for name in QUANTISED]
    return quantised + [Contrast(name, BASELINE) for name in POLICIES if name != BASELINE]


def _ballots(votes: list[CastVote]) -> dict[int, Ballot]:
    """The votes by their numbers."""
    rankings: dict[tuple[str, tuple[Any, ...]], tuple[Ranking, tuple[str, ...]]] = {}  # few different ones
    found = {}
    for vote in votes:
        panes = vote.policies
        key = vote.order, tuple(panes.items())
        if key not in rankings:
            ranking = Ranking.parse(vote.order, panes).renamed(panes)
            rankings[key] = ranking, tuple(panes[letter] for letter in sorted(panes))
        found[vote.number] = Ballot(
            *rankings[key],
            vote.rater,
            vote.prompt_sha256,
            tuple(frozenset(panes[letter] for letter in group) for group in vote.identical),
            {panes[letter]: count for letter, count in vote.tokens.items()},
            vote.item,
            vote.seconds,
        )
    return found

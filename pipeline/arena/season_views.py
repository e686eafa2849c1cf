"""What can be said of a season: who answers in it, its leaderboard and verdicts, its plan, its exports.

`pipeline.arena.rounds.Arena` adds the rounds.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from data.errors import Code, UserError
from data.files import write_atomic
from data.seasons import Look, Season, Terms
from data.vote_rows import OwnVote
from data.vote_table import votes_csv
from data.votes import VoteStore
from data.workspace import Workspace
from evaluation.ballots import Ballot
from evaluation.leaderboard import Standing
from evaluation.people_and_reward import AgainstPeople
from evaluation.planning import Plan
from evaluation.trust import Trust
from pipeline.arena.checks import checked_rater
from pipeline.arena.client import InferenceClient
from pipeline.arena.exports import write_export
from pipeline.arena.lineup import Lineup, choices, choose
from pipeline.arena.rewards import Rewards, reward_models
from pipeline.arena.statistics import Board, Statistics


class SeasonViews:
    """The seasons of a workspace. `demos`: {preset: folder} of other demo policies than the shipped ones.

    Raises UserError if the vote database cannot be used.
    """

    def __init__(
        self, workspace: Workspace, client: InferenceClient, *, demos: Mapping[str, Path] | None = None
    ):
        self.workspace = workspace
        self.client = client
        self.store = VoteStore(workspace.votes_db)
        self.demos = demos
        self._statistics = Statistics(self.store)
        self._rewards = Rewards(workspace, client, self.store)

    def lineup(self, models: str = "") -> Lineup:
        """The line-up that answers. models: its key; "" = the first choice. UserError if there is none."""
        return choose(self.workspace, self.demos, models)

    def choices(self) -> list[Lineup]:
        """All line-ups that can answer here, the default first."""
        return list(choices(self.workspace, self.demos))

    def own_votes(self, rater: str, season: str | None = None) -> list[OwnVote]:
        """A rater's own votes of a season that count, the newest first."""
        return self.store.own_votes(checked_rater(rater), season or self.season_id())

    def seasons(self) -> list[Season]:
        """The seasons of this workspace, the newest first."""
        return self.store.seasons()

    def season_id(self, models: str = "") -> str:
        """The id of the season to which a new round would belong."""
        return self.lineup(models).season().id

    def ballots(self, season: str | None = None) -> list[Ballot]:
        """The votes of a season that count, in the form for the statistics; None = the current season."""
        return self._statistics.ballots(season or self.season_id())

    def board(self, season: str | None = None) -> Board:
        """The leaderboard and the verdicts of a season."""
        return self._statistics.board(season or self.season_id())

    def trust(self, season: str | None = None) -> Trust:
        """Checks of the votes of a season: biases, agreement and conspicuous raters."""
        return self._statistics.trust(season or self.season_id())

    def look(self, season: str, rater: str) -> Board:
        """The board of a season; that it was looked at before its target is recorded."""
        board = self.board(season)
        if board.hidden:
            self.store.look(season, checked_rater(rater), board.rankings)
        return board

    def looks(self, season: str | None = None) -> list[Look]:
        """The early looks at a season's hidden leaderboard."""
        return self.store.looks(season or self.season_id())

    def terms(self, season: str | None = None) -> Terms:
        """The margin and target of a season, and whether its leaderboard is hidden until then."""
        return self.store.terms(season or self.season_id())

    def set_terms(self, terms: Terms, models: str = "") -> None:
        """Fix the terms of the season that a round asked now would belong to. Raises UserError once it has a
        vote."""
        facts = self.lineup(models).season()
        self.store.set_terms(facts, margin=terms.margin, target=terms.target, hidden=terms.hidden)

    def has_rewards(self, models: str = "") -> bool:
        """Whether the reward models of the policies that answer are here."""
        return bool(reward_models(self.workspace, self.lineup(models)))

    def reward_scores(self, round: str, rater: str, models: str = "") -> dict[str, Mapping[str, float]]:
        """{precision: {policy: score}} of an own round that was voted on; computed where not known yet.

        Raises UserError without reward models, and for a round that is another rater's or has no vote.
        """
        if not (self.store.owns(checked_rater(rater), round) and self.store.voted(round)):
            raise UserError("scores are shown after the vote, on one's own round", code=Code.ROUND)
        lineup = self.lineup(models)
        self._rewards.score(lineup, self.season_id(models), round)
        return self._rewards.of_round(lineup, round)

    def against_people(self, models: str = "") -> dict[str, AgainstPeople]:
        """{precision: the reward model against the people}, in the current season of these models."""
        lineup, season = self.lineup(models), self.season_id(models)
        self._rewards.score(lineup, season)
        return self._rewards.compared(lineup, self.ballots(season))

    def plan(self, season: str | None = None) -> Plan:
        """How many votes a season needs."""
        return self._statistics.plan(season or self.season_id())

    def leaderboard(self, season: str | None = None, rater: str = "api") -> list[dict[str, Any]]:
        """One row per policy of a season, strongest first; [] without votes. The public API's rows. A look
        at a hidden leaderboard is recorded.

        Keys: those of `evaluation.leaderboard.Standing`, and votes, strength, ci (low and high) and win_rate
        (wins and half the ties of its comparisons; None without any).
        """
        return [_board_row(row) for row in self.look(season or self.season_id(), rater).standings]

    def export(self, name: str = "votes", season: str | None = None) -> Path:
        """Write the votes of a season (None = all) as preference pairs to `arena/NAME.jsonl`.

        `prepare --set source=FILE` reads such a file (`source=votes` reads the votes directly). Returns the
        path. Raises UserError if no vote contains a preference.
        """
        pairs = self.store.preference_pairs(season)
        if not pairs:
            raise UserError("no vote prefers one answer to another yet; vote first", code=Code.NO_VOTES)
        path = self.workspace.votes_export(name)
        write_atomic(path, "".join(json.dumps(pair, ensure_ascii=False) + "\n" for pair in pairs))
        return path

    def export_to(
        self, folder: Path, kind: str, season: str | None = None, *, without_flagged: bool = False
    ) -> list[Path]:
        """Write the votes of a season (None = all) and a data card into a folder; see `exports.write_export`.

        without_flagged: leave out the raters who answer too fast or always alike, season by season.
        """
        seasons = [found for found in self.seasons() if season in (None, found.id)]
        flagged = {
            rater for found in seasons if without_flagged for rater in self._statistics.flagged(found.id)
        }
        return write_export(
            folder,
            kind,
            self.store.votes(season=season),
            seasons=seasons,
            pseudonyms=self.store.pseudonyms,
            left_out=flagged,
        )

    def csv(self, season: str | None = None) -> str:
        """The votes of a season (None = all) as CSV for a spreadsheet, one line per answer.

        Pseudonyms replace the ids of raters, rounds and votes.
        """
        return votes_csv([self.store.pseudonyms.row(vote) for vote in self.store.votes(season=season)])


def _board_row(standing: Standing) -> dict[str, Any]:
    compared = standing.wins + standing.ties + standing.losses
    return asdict(standing) | {
        "votes": standing.rankings,
        "strength": standing.score,
        "ci": [standing.score_low, standing.score_high],
        "win_rate": (standing.wins + standing.ties / 2) / compared if compared else None,
    }

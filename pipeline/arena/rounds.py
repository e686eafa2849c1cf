"""The arena's rounds: a prompt, anonymous answers of the policies, a vote, and then the policies' names.

A round's panes are permuted, and each rater sees each permutation equally often; until the vote a pane is
identified only by its letter. In a conversation of several turns each policy continues from its own answers,
in the same pane; the vote ends the conversation, because it reveals the policies.

This module does not sample (the inference process does), store votes (`data.votes`) or compute statistics
(`pipeline.arena.statistics`). No torch.
"""

import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from data import world
from data.cast_votes import identical_groups
from data.errors import Code, UserError
from data.everyday import PROMPTS
from data.files import read_jsonl, sha256_text, write_atomic
from data.ranking import Ranking
from data.records import messages, transcript
from data.seasons import Season
from data.vote_table import votes_csv
from data.votes import Answer, NewRound, VoteStore
from data.workspace import Workspace
from evaluation.ballots import Ballot
from evaluation.leaderboard import Standing
from evaluation.planning import Plan
from evaluation.trust import Trust
from pipeline.arena.client import AnswersSoFar, InferenceClient
from pipeline.arena.lineup import Lineup, choices, choose
from pipeline.arena.statistics import Board, Statistics
from pipeline.runs.hardware import software

PROMPT_CHARACTERS = 8_000
COMMENT_CHARACTERS = 2_000
RATER_CHARACTERS = 100
HELD_OUT = 1000  # rows of the test split from which prompts are offered


@dataclass(frozen=True)
class RoundView:
    """What a rater may see before the vote: letters and texts, but not the policies.

    done: the answers are complete and can be voted on. identical: groups of letters with the same text.
    """

    round: str
    conversation: str
    answers: dict[str, str]
    done: bool = False
    identical: list[list[str]] = field(default_factory=list)


class Arena:
    """The arena of a workspace. demos: {preset: folder} of demo policies that replace the shipped ones.

    Raises UserError if the vote database cannot be used.
    """

    def __init__(
        self, workspace: Workspace, client: InferenceClient, *, demos: Mapping[str, Path] | None = None
    ):
        self.workspace = workspace
        self.client = client
        self.store = VoteStore(workspace.votes_db)
        self._demos = demos
        self._statistics = Statistics(self.store)

    def start(self) -> None:
        """Load the policies in the background, so that the first answer starts without a delay."""
        try:
            self.client.start(self.lineup())
        except UserError:
            return  # there is no line-up yet; `ask` reports that

    def close(self) -> None:
        """End the inference process and close the database."""
        self.client.close()
        self.store.close()

    def lineup(self, models: str = "") -> Lineup:
        """The line-up that answers. models: its key; "" = the first choice. UserError if there is none."""
        return choose(self.workspace, self._demos, models)

    def choices(self) -> list[Lineup]:
        """All line-ups that can answer here, the default first."""
        return list(choices(self.workspace, self._demos))

    def ask(
        self,
        prompt: str,
        rater: str,
        conversation_id: str | None = None,
        language: str = "en",
        models: str = "",
    ) -> Iterator[RoundView]:
        """Run a round: yield views with growing answers, the last one `done`. models: as in `lineup`.

        Raises UserError for a prompt that is too long or not text, and if the answers fail, which voids the
        round. Closing the iterator early voids it too.
        """
        message = checked_text(prompt, PROMPT_CHARACTERS, "the prompt").strip()
        if not message:
            raise UserError("the prompt is empty", code=Code.PROMPT)
        rater = checked_rater(rater)
        lineup = self.lineup(models)
        season = lineup.season()
        histories = self.store.histories(conversation_id, rater) if conversation_id else {}
        prompts = {
            name: transcript([*histories.get(name, []), {"role": "user", "content": message}])
            for name in lineup.names
        }
        seed = secrets.randbits(31)
        new = self.store.open_round(
            rater=rater,
            message=message,
            prompt_sha256=sha256_text(transcript([{"role": "user", "content": message}])),
            policies=lineup.names,
            seed=seed,
            decoding=season.decoding,
            season=season,
            base={"base_model": lineup.base_model, "preset": lineup.preset, "demo": lineup.demo},
            software=software(),
            language=language,
            conversation=conversation_id,
        )
        reason = "the reader left"
        try:
            for progress in self.client.stream(lineup, prompts, seed=seed, request=new.id, **lineup.decoding):
                view = self._view(new, progress)
                if view.done:
                    check_served(progress, season.policies)
                    self.store.close_round(new.id, _answers(new, progress, prompts, lineup))
                    reason = ""
                yield view
        except UserError as error:
            reason = str(error)
            raise
        finally:
            if reason:
                self.store.void_round(new.id, reason)

    def vote(
        self, round: str, order: str, comment: str = "", vote_id: str | None = None, rater: str | None = None
    ) -> dict[str, Any]:
        """Store a vote durably. A repeated `vote_id` returns the first vote.

        order: 'B>A=D>C' or 'none'. rater: None = the rater of the round, because only that rater knows the
        round's id. Returns {"vote", "round", "order", "policies": {letter: policy}, "gold": {letter: gold
        reward of the answer, None outside the tiny world}}. Raises UserError for a vote that cannot be
        counted.
        """
        comment = checked_text(comment or "", COMMENT_CHARACTERS, "the comment")
        letters = self.store.letters(round)
        ranking = Ranking.parse(order, letters).format()
        row = self.store.vote(
            round,
            ranking,
            comment=comment,
            vote_id=checked_rater(vote_id) if vote_id else None,
            rater=checked_rater(rater) if rater is not None else None,
        )
        shown = {key: row[key] for key in ("vote", "round", "order", "policies")}
        return shown | {"gold": {letter: _gold(answer) for letter, answer in row["answers"].items()}}

    def stop(self, round: str, rater: str) -> None:
        """End the answers of the rater's own round; the answers so far can be voted on."""
        if self.store.owns(checked_rater(rater), round):
            self.client.stop(round)

    def next_prompt(self, rater: str, models: str = "") -> str:
        """Suggest a prompt: held out from training if there is a data set, then an everyday one.

        It is the first prompt that this rater has not asked in the current season. All raters share the order
        of the prompts, so that several raters judge the same prompts; after the last one it starts again.
        """
        lineup = self.lineup(models)
        asked = self.store.asked(checked_rater(rater), lineup.season().id)
        found = [*held_out(self.workspace, lineup), *suggestions(lineup.preset)]
        return next((prompt for prompt in found if prompt not in asked), found[len(asked) % len(found)])

    def rater_of(self, round: str) -> str:
        """The pseudonym of a round's rater. Raises UserError for an unknown round."""
        return self.store.rater_of(round)

    def retract(self, vote_id: str, rater: str) -> None:
        """Retract the rater's own vote; it stays in the database but no longer counts."""
        self.store.retract(vote_id, rater=checked_rater(rater))

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

    def plan(self, season: str | None = None) -> Plan:
        """How many votes a season needs."""
        return self._statistics.plan(season or self.season_id())

    def leaderboard(self, season: str | None = None) -> list[dict[str, Any]]:
        """One row per policy of a season, strongest first, for the public API; [] without votes.

        Keys: those of `evaluation.leaderboard.Standing`, and votes, strength, ci (low and high) and win_rate
        (wins and half the ties of its comparisons; None without any).
        """
        return [_board_row(standing) for standing in self.board(season).standings]

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

    def csv(self, season: str | None = None) -> str:
        """The votes of a season (None = all) as CSV for a spreadsheet, one line per answer.

        Pseudonyms replace the ids of raters, rounds and votes.
        """
        return votes_csv([self.store.pseudonyms.row(vote) for vote in self.store.votes(season=season)])

    @staticmethod
    def _view(new: NewRound, progress: AnswersSoFar) -> RoundView:
        texts = {letter: progress.texts[policy] for letter, policy in new.arrangement.items()}
        done = progress.answers is not None
        return RoundView(new.id, new.conversation, texts, done, identical_groups(texts) if done else [])


def suggestions(preset: str) -> Sequence[str]:
    """Example prompts that suit the models of a preset."""
    return world.example_prompts() if preset == "tiny" else PROMPTS


def held_out(workspace: Workspace, lineup: Lineup) -> list[str]:
    """Single-turn prompts from the test split of the trained policies' data set; [] for shipped policies."""
    if lineup.demo or not lineup.dataset:
        return []
    path = workspace.dataset(lineup.dataset) / "test_prefs.jsonl"
    if not path.is_file():
        return []
    turns = [messages(row["prompt"]) for row in read_jsonl(path)[:HELD_OUT]]
    return list(dict.fromkeys(said[0]["content"] for said in turns if len(said) == 1))


def check_served(progress: AnswersSoFar, policies: Mapping[str, str]) -> None:
    """Raise UserError if the answers come from other weights than the season's, as after a replacement."""
    served = {name: facts["adapter_sha256"] for name, facts in progress.facts["policies"].items()}
    if served != dict(policies):
        raise UserError("the policies were replaced while they answered", code=Code.ROUND)


def checked_text(text: Any, limit: int, what: str) -> str:
    """Return the text if it can be stored and answered, else raise UserError."""
    if not isinstance(text, str):
        raise UserError(f"{what} must be text", code=Code.PROMPT)
    if len(text) > limit:
        raise UserError(f"{what} is too long: {len(text):,} characters, at most {limit:,}", code=Code.PROMPT)
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise UserError(
            f"{what} contains characters that are not valid text (NUL or half a surrogate pair)",
            code=Code.PROMPT,
        )
    return text


def checked_rater(rater: Any) -> str:
    """Return the id of a rater or a vote if it is printable text, else raise UserError."""
    text = checked_text(rater, RATER_CHARACTERS, "the id").strip()
    if not text or not text.isprintable():
        raise UserError("the id of a rater or a vote must consist of printable characters", code=Code.PROMPT)
    return text


def _board_row(standing: Standing) -> dict[str, Any]:
    compared = standing.wins + standing.ties + standing.losses
    return asdict(standing) | {
        "votes": standing.rankings,
        "strength": standing.score,
        "ci": [standing.score_low, standing.score_high],
        "win_rate": (standing.wins + standing.ties / 2) / compared if compared else None,
    }


def _answers(
    new: NewRound, progress: AnswersSoFar, prompts: Mapping[str, str], lineup: Lineup
) -> list[Answer]:
    served, base = progress.facts["policies"], progress.facts["base"]
    origin = {policy.name: policy.weights for policy in lineup.policies}
    answers = progress.answers or {}
    return [
        Answer(
            letter=letter,
            policy=policy,
            prompt=prompts[policy],
            weights={**base, **origin[policy], **served[policy], "device": progress.facts["device"]},
            **answers[policy],
        )
        for letter, policy in new.arrangement.items()
    ]


def _gold(answer: Mapping[str, Any]) -> float | None:
    gold = world.gold(answer["prompt"], answer["text"])
    return None if gold is None else gold.total

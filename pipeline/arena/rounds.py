"""The arena's rounds: a prompt, anonymous answers of the policies, a vote, and then the policies' names.

A round's panes are permuted, and each rater sees each permutation equally often; until the vote a pane is
identified only by its letter. In a conversation of several turns each policy continues from its own answers,
in the same pane; the vote ends the conversation, because it reveals the policies.

This module does not sample (the inference process does), store votes (`data.votes`) or compute statistics
(`pipeline.arena.statistics`). No torch.
"""

import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from data import world
from data.errors import Code, UserError
from data.files import sha256_text
from data.modes import Mode
from data.ranking import Ranking
from data.records import transcript
from data.round_rows import Message
from data.vote_schema import identical_groups
from data.votes import Answer, NewRound
from pipeline.arena.checks import checked_rater, checked_text
from pipeline.arena.client import AnswersSoFar
from pipeline.arena.lineup import Lineup
from pipeline.arena.prompts import held_out, suggestions
from pipeline.arena.season_views import SeasonViews
from pipeline.runs.hardware import software

PROMPT_CHARACTERS = 8_000
COMMENT_CHARACTERS = 2_000


@dataclass(frozen=True)
class RoundView:
    """What a rater may see before the vote: letters and texts, but not the policies.

    message: what was asked. thread: earlier messages that all panes share. done: the answers are complete and
    can be voted on. identical: groups of letters with the same text.
    """

    round: str
    conversation: str
    answers: dict[str, str]
    done: bool = False
    identical: list[list[str]] = field(default_factory=list)
    message: str = ""
    thread: list[Message] = field(default_factory=list)


@dataclass(frozen=True)
class NextRound:
    """What a rater judges next: a prompt to be answered, or (again) a round with stored answers to show."""

    prompt: str = ""
    again: str | None = None


class Arena(SeasonViews):
    """The arena of a workspace: seasons, and the rounds in them."""

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

    def ask(
        self,
        prompt: str,
        rater: str,
        conversation_id: str | None = None,
        language: str = "en",
        models: str = "",
        mode: Mode = "rank",
        go_on_from: str | None = None,
    ) -> Iterator[RoundView]:
        """Run a round: yield views with growing answers, the last one `done`. models: as in `lineup`.

        mode: how many of the policies answer (`data.modes`). go_on_from: an own round with a vote; a new
        conversation, in new panes, starts from its best answer. Raises UserError for a prompt that is too
        long or no text, and where no answer came; the round is then void. Closing the iterator early voids it
        too.
        """
        message = checked_text(prompt, PROMPT_CHARACTERS, "the prompt").strip()
        if not message:
            raise UserError("the prompt is empty", code=Code.PROMPT)
        rater = checked_rater(rater)
        lineup = self.lineup(models)
        season = lineup.season()
        histories = self.store.histories(conversation_id, rater) if conversation_id else {}
        thread = self.store.preferred_thread(go_on_from, rater) if go_on_from else []
        said = {"role": "user", "content": message}
        seed = secrets.randbits(31)
        new = self.store.open_round(
            rater=rater,
            message=message,
            prompt_sha256=sha256_text(transcript([*thread, said])),
            policies=lineup.names,
            seed=seed,
            decoding=season.decoding,
            season=season,
            base={"base_model": lineup.base_model, "preset": lineup.preset, "demo": lineup.demo},
            software=software(),
            language=language,
            conversation=conversation_id,
            mode=mode,
            history=thread,
        )
        prompts = {
            name: transcript([*histories.get(name, thread), said]) for name in new.arrangement.values()
        }
        reason = "the reader left"
        try:
            for progress in self.client.stream(lineup, prompts, seed=seed, request=new.id, **lineup.decoding):
                view = replace(self._view(new, progress), message=message, thread=thread)
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

    def show_again(self, rater: str, source: str, language: str = "en") -> RoundView:
        """A round of this rater with the stored answers of another one, ready to be voted on."""
        new = self.store.show_again(source, checked_rater(rater), language)
        message, texts = self.store.shown(new.id)
        return RoundView(new.id, new.conversation, texts, True, identical_groups(texts), message)

    def vote(
        self,
        round: str,
        order: str,
        comment: str = "",
        vote_id: str | None = None,
        rater: str | None = None,
        rating: int | None = None,
        tags: Sequence[str] = (),
    ) -> dict[str, Any]:
        """Store a vote durably. A repeated `vote_id` returns the first vote.

        order: 'B>A=D>C' or 'none'. rating and tags: for a round with one answer, see `VoteStore.vote`.
        Without a `rater` the round's own: only who asked knows its id. Returns {"vote", "round", "order",
        "policies": {letter: policy}, "gold": {letter: gold reward of the answer, None outside the tiny
        world}}. Raises UserError for what cannot be counted.
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
            rating=rating,
            tags=tags,
        )
        shown = {key: row[key] for key in ("vote", "round", "order", "policies")}
        return shown | {"gold": {letter: _gold(answer) for letter, answer in row["answers"].items()}}

    def stop(self, round: str, rater: str) -> None:
        """End the answers of the rater's own round; the answers so far can be voted on."""
        if self.store.owns(checked_rater(rater), round):
            self.client.stop(round)

    def skip(self, round: str, reason: str, rater: str) -> None:
        """Record why a rater gives no vote on an own round. Raises UserError, also where it has a vote."""
        self.store.skip(round, reason, rater=checked_rater(rater))

    def next_round(self, rater: str, models: str = "", mode: Mode = "rank", queue: bool = False) -> NextRound:
        """What to judge next: in the queue that raters share, or a prompt alone."""
        found = self.store.queued(checked_rater(rater), self.season_id(models), mode) if queue else None
        return NextRound(again=found) if found else NextRound(self.next_prompt(rater, models))

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

    @staticmethod
    def _view(new: NewRound, progress: AnswersSoFar) -> RoundView:
        texts = {letter: progress.texts[policy] for letter, policy in new.arrangement.items()}
        done = progress.answers is not None
        return RoundView(new.id, new.conversation, texts, done, identical_groups(texts) if done else [])


def check_served(progress: AnswersSoFar, policies: Mapping[str, str]) -> None:
    """Raise UserError if the answers come from other weights than the season's, as after a replacement."""
    served = {name: facts["adapter_sha256"] for name, facts in progress.facts["policies"].items()}
    if served != dict(policies):
        raise UserError("the policies were replaced while they answered", code=Code.ROUND)


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

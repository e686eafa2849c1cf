"""What happens in the arena's tab: a question, answers that grow, a vote, a vote taken back; as views.

The functions take what a handler is given and return a `View` (or raise UserError), so that they can be
tested without a page.
"""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Iterator, Mapping, Sequence

from data.errors import Code, UserError
from data.modes import Mode, answers_shown
from data.ranking import LETTERS, Ranking
from pipeline.arena.checks import checked_text
from pipeline.arena.rounds import PROMPT_CHARACTERS, RoundView
from ui import arena_tables, parts
from ui.arena_views import Ballot, Message, PageRound, Question, View
from ui.parts import Services
from ui.texts import Texts

LATIN_SHARE = 0.5  # of a prompt's letters, for a model that reads English


def ask(services: Services, question: Question, t: Texts) -> Iterator[View]:
    """The views of a round while its answers grow.

    Raises UserError for an empty prompt and one in a script that the models do not read, before anything is
    shown; and where no answer comes.
    """
    message, before = checked_message(question.text, t), question.before
    if before and not before.histories:
        raise UserError(t("arena.ask_first"), code=Code.REQUEST)
    models, mode = (before.models, before.mode) if before else (question.models, question.mode)
    said = before.histories if before else dict.fromkeys(LETTERS[: answers_shown(mode, len(LETTERS))], [])
    asking = {"role": "user", "content": message}
    yield View("asking", None, {letter: [*found, asking] for letter, found in said.items()}, mode=mode)
    blank = PageRound(
        "",
        "",
        models,
        "",
        mode=mode,
        message=message,
        first=before is None,
        markdown=markdown(services, models),
    )
    view, state = None, blank
    for view in services.arena.ask(
        message,
        question.rater,
        before.conversation if before else None,
        language=question.language,
        models=models,
        mode=mode,
        go_on_from=question.go_on_from,
    ):
        asked = {
            letter: [*(said.get(letter, []) if before else view.thread), asking] for letter in view.answers
        }  # fewer than four where fewer are trained
        state = dataclasses.replace(
            blank,
            round=view.round,
            conversation=view.conversation,
            vote=state.vote or secrets.token_hex(16),
            first=before is None and not view.thread,
        )
        histories = with_answers(asked, view.answers)
        if not view.done:
            yield View("asking", state, histories, mode=mode)
    if view is None or not view.done:
        raise UserError(t("arena.no_answer"), code=Code.REQUEST)
    yield answered(view, state, histories, t)


def again(
    services: Services, rater: str, source: str, models: str, language: str, mode: Mode, t: Texts
) -> View:
    """A round with stored answers, ready to be judged; it looks like any other round."""
    view = services.arena.show_again(rater, source, language)
    asked = {letter: [{"role": "user", "content": view.message}] for letter in view.answers}
    state = PageRound(
        view.round,
        view.conversation,
        models,
        secrets.token_hex(16),
        mode=mode,
        message=view.message,
        markdown=markdown(services, models),
    )
    return answered(view, state, with_answers(asked, view.answers), t)


def answered(view: RoundView, state: PageRound, histories: Mapping[str, list[Message]], t: Texts) -> View:
    """The view of complete answers."""
    return View(
        "answered",
        dataclasses.replace(state, histories=histories),
        histories,
        note=same_note(view.identical, t),
        mode=state.mode,
    )


def checked_message(text: str, t: Texts) -> str:
    """The prompt without white space at its ends. Raises UserError where it cannot be answered."""
    message = (text or "").strip()
    if not message:
        raise UserError(t("arena.no_prompt"), code=Code.REQUEST)
    checked_text(message, PROMPT_CHARACTERS, "the prompt")  # before the panes show it: they show only text
    if not is_latin(message):
        raise UserError(t("arena.english_only"), code=Code.REQUEST)
    return message


def markdown(services: Services, models: str) -> bool:
    """Whether the answers may hold Markdown: those of real language models."""
    return services.arena.lineup(models).preset != "tiny"


def is_latin(text: str) -> bool:
    """Whether at least half of the letters are Latin; a text without letters counts as such."""
    letters = [character for character in text if character.isalpha()]
    latin = sum(character < "\u0250" for character in letters)
    return latin >= LATIN_SHARE * len(letters)


def with_answers(asked: Mapping[str, list[Message]], texts: Mapping[str, str]) -> dict[str, list[Message]]:
    """Each pane's messages with its answer so far; a pane without a word yet shows the question only."""
    return {
        letter: [*messages, *([{"role": "assistant", "content": texts[letter]}] if texts.get(letter) else [])]
        for letter, messages in asked.items()
    }


def same_note(identical: Sequence[Sequence[str]], t: Texts) -> str:
    """Says which answers are the same text, so that nobody looks for a difference."""
    names = [" = ".join(group) for group in identical]
    return parts.advice(t("arena.same", letters=", ".join(names))) if names else ""


def missing_letters(state: PageRound, order: str) -> list[str]:
    """The answers that an order leaves out, where that could be an accident: two or more of them.

    A single one can only be last, and an order that calls all of them bad leaves none out. Raises UserError
    for no order.
    """
    named = Ranking.complete(order, state.histories)
    if not named.tiers:
        return []
    typed = {character for character in order.upper() if character in state.histories}
    left = [letter for letter in sorted(state.histories) if letter not in typed]
    return left if len(left) > 1 else []


def cast(services: Services, state: PageRound | None, ballot: Ballot, rater: str, t: Texts) -> View:
    """Store the vote and show who was who. A second click sends the same vote id."""
    if state is None or not state.histories:
        raise UserError(t("arena.ask_first"), code=Code.REQUEST)
    rating = None
    if state.mode == "rate":
        if ballot.rating is None:
            raise UserError(t("arena.no_rating"), code=Code.REQUEST)
        full, rating = next(iter(state.histories)), ballot.rating
    else:
        full = Ranking.complete(ballot.order, state.histories).format()
    result = services.arena.vote(
        state.round,
        full,
        comment=ballot.comment or "",
        vote_id=state.vote,
        rater=rater,
        rating=rating,
        tags=ballot.tags if rating else (),
    )
    policies = result["policies"]
    best = bool(Ranking.parse(full, policies).tiers)
    return View(
        "voted",
        dataclasses.replace(
            state,
            histories={},
            cast=result["vote"],
            best=best,
            rewards=services.arena.has_rewards(state.models),
        ),
        state.histories,
        policies=policies,
        order=full,
        reveal=arena_tables.reveal_html(full, policies, result["gold"], t),
        mode=state.mode,
    )


def skip(services: Services, state: PageRound | None, reason: str, rater: str, t: Texts) -> View:
    """End a round without a vote."""
    if state is None or not state.histories:
        raise UserError(t("arena.ask_first"), code=Code.REQUEST)
    services.arena.skip(state.round, reason, rater)
    return View(
        "skipped",
        dataclasses.replace(state, histories={}),
        state.histories,
        note=parts.advice(t("arena.skipped")),
        mode=state.mode,
    )


def take_back(services: Services, state: PageRound | None, rater: str, t: Texts) -> PageRound:
    """Retract the vote that this page cast last."""
    if state is None or not state.cast:
        raise UserError(t("arena.no_vote"), code=Code.REQUEST)
    services.arena.retract(state.cast, rater)
    return dataclasses.replace(state, cast=None, best=False)


def stop(services: Services, state: PageRound | None, rater: str) -> None:
    """End the answers that are being written; what is there can be voted on."""
    if state is not None:
        services.arena.stop(state.round, rater)

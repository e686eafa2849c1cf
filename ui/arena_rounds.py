"""What happens in the arena's tab: a question, answers that grow, a vote, a vote taken back; as views.

The functions take what a handler is given and return a `View` (or raise UserError), so that they can be
tested without a page.
"""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Iterator, Mapping, Sequence

from data.errors import Code, UserError
from data.ranking import LETTERS, Ranking
from pipeline.arena.rounds import PROMPT_CHARACTERS, checked_text
from ui import arena_tables, parts
from ui.arena_panes import Message, PageRound, View
from ui.parts import Services
from ui.texts import Texts

LATIN_SHARE = 0.5  # of a prompt's letters, for a model that reads English


def ask(
    services: Services,
    text: str,
    rater: str,
    before: PageRound | None,
    models: str,
    language: str,
    t: Texts,
) -> Iterator[View]:
    """The views of a round while its answers grow; with `before`, it goes on with that conversation.

    Raises UserError for an empty prompt and one in a script that the models do not read, before anything is
    shown; and where no answer comes.
    """
    message = (text or "").strip()
    if not message:
        raise UserError(t("arena.no_prompt"), code=Code.REQUEST)
    checked_text(message, PROMPT_CHARACTERS, "the prompt")  # before the panes show it: they show only text
    if not is_latin(message):
        raise UserError(t("arena.english_only"), code=Code.REQUEST)
    if before and not before.histories:
        raise UserError(t("arena.ask_first"), code=Code.REQUEST)
    said = before.histories if before else {letter: [] for letter in LETTERS}
    asked = {letter: [*messages, {"role": "user", "content": message}] for letter, messages in said.items()}
    yield View("asking", None, asked)
    view = None
    rounds = services.arena.ask(
        message, rater, before.conversation if before else None, language=language, models=models
    )
    for view in rounds:
        asked = {letter: asked[letter] for letter in view.answers}  # fewer than four where fewer are trained
        state = PageRound(view.round, view.conversation, models, secrets.token_hex(16))
        yield View("asking", state, with_answers(asked, view.answers))
    if view is None or not view.done:
        raise UserError(t("arena.no_answer"), code=Code.REQUEST)
    histories = with_answers(asked, view.answers)
    yield View(
        "answered",
        dataclasses.replace(state, histories=histories),
        histories,
        note=same_note(view.identical, t),
    )


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
    """The answers that an order leaves out; none where it calls all of them bad. UserError for no order."""
    named = Ranking.complete(order, state.histories)
    if not named.tiers:
        return []
    typed = {character for character in order.upper() if character in state.histories}
    return [letter for letter in sorted(state.histories) if letter not in typed]


def cast(services: Services, state: PageRound | None, order: str, comment: str, rater: str, t: Texts) -> View:
    """Store the vote and show who was who. A second click sends the same vote id."""
    if state is None or not state.histories:
        raise UserError(t("arena.ask_first"), code=Code.REQUEST)
    full = Ranking.complete(order, state.histories).format()
    result = services.arena.vote(state.round, full, comment=comment or "", vote_id=state.vote, rater=rater)
    policies = result["policies"]
    return View(
        "voted",
        dataclasses.replace(state, histories={}, cast=result["vote"]),
        state.histories,
        policies=policies,
        order=full,
        reveal=arena_tables.reveal_html(full, policies, result["gold"], t),
    )


def take_back(services: Services, state: PageRound | None, rater: str, t: Texts) -> PageRound:
    """Retract the vote that this page cast last."""
    if state is None or not state.cast:
        raise UserError(t("arena.no_vote"), code=Code.REQUEST)
    services.arena.retract(state.cast, rater)
    return dataclasses.replace(state, cast=None)


def stop(services: Services, state: PageRound | None, rater: str) -> None:
    """End the answers that are being written; what is there can be voted on."""
    if state is not None:
        services.arena.stop(state.round, rater)

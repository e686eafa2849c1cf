"""What the arena's handlers send to the page: updates of the panes for a question, the next prompt, a vote,
and a page that was loaded again."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Any

import gradio as gr

from data.errors import Code, UserError
from data.modes import Mode
from data.ranking import Ranking
from ui import arena_rounds, parts
from ui.arena_panes import Panes
from ui.arena_views import Ballot, PageRound, Question, View
from ui.events import warn
from ui.parts import Services
from ui.texts import Texts


def streamed(services: Services, panes: Panes, question: Question, t: Texts) -> Iterator[tuple[Any, ...]]:
    """The updates of a round. What goes wrong is a message; before the first answer the panes stay as they
    are, so that a round which nobody voted on yet is not lost."""
    begun, before = False, question.before
    try:
        for view in arena_rounds.ask(services, question, t):
            begun = True
            yield panes.updates(services.kept.note(question.rater, view))
    except UserError as error:
        warn(error, t)
        histories, mode = (before.histories, before.mode) if before else ({}, question.mode)
        empty = View("empty", None, histories, mode=mode)
        yield panes.updates(empty) if begun else panes.unchanged()


def followed_up(
    services: Services,
    panes: Panes,
    text: str,
    rater: str,
    state: PageRound | None,
    language: str,
    t: Texts,
    mode: Mode,
) -> Iterator[tuple[Any, ...]]:
    """A new round in which all panes go on from the best answer of the round that was voted on."""
    if state is None or not (text or "").strip() or text.strip() == state.message:
        warn(UserError(t("arena.write_follow_up"), code=Code.REQUEST), t)
        yield panes.unchanged()
        return
    question = Question(text, rater, state.models, language, mode, go_on_from=state.round)
    yield from streamed(services, panes, question, t)


def next_one(
    services: Services,
    panes: Panes,
    rater: str,
    models: str,
    mode: Mode,
    wanted: str,
    language: str,
    t: Texts,
) -> Iterator[tuple[Any, ...]]:
    """The updates of the prompt's box and of the panes for what the rater judges next."""
    if wanted == "own":
        note = parts.advice(t("source.write"))
        yield gr.Textbox(value=""), *panes.updates(View("empty", None, {}, note=note, mode=mode))
        return
    try:
        found = services.arena.next_round(rater, models, mode, queue=wanted == "queue")
        if found.again is not None:
            view = arena_rounds.again(services, rater, found.again, models, language, mode, t)
            services.kept.note(rater, view)
            yield gr.Textbox(value=view.state.message if view.state else ""), *panes.updates(view)
            return
    except UserError as error:
        warn(error, t)
        yield gr.skip(), *panes.unchanged()
        return
    for update in streamed(services, panes, Question(found.prompt, rater, models, language, mode), t):
        yield gr.Textbox(value=found.prompt), *update


def voted(
    services: Services, panes: Panes, state: PageRound | None, ballot: Ballot, rater: str, t: Texts
) -> tuple[Any, ...]:
    """Cast a complete vote; complete another one, show it and wait for a second press."""
    asked = state is not None and bool(state.histories) and state.mode != "rate"
    left = arena_rounds.missing_letters(state, ballot.order) if state and asked else []
    if left and state:
        gr.Info(escape(t("arena.incomplete", letters=", ".join(left))), duration=6)
        completed = Ranking.complete(ballot.order, state.histories).format()
        return tuple(
            gr.Textbox(value=completed) if component is panes.order else gr.skip()
            for component in panes.outputs()
        )
    return panes.updates(services.kept.note(rater, arena_rounds.cast(services, state, ballot, rater, t)))


def restored(services: Services, panes: Panes, rater: str) -> tuple[Any, ...]:
    """The prompt's box and the panes with the rater's open round, after a reload; else nothing changes."""
    kept = services.kept.of(rater)
    if kept is None or kept.view.state is None:
        return gr.skip(), *panes.unchanged()
    typed = gr.Textbox(value=kept.comment, interactive=True)
    updates = zip(panes.outputs(), panes.updates(kept.view), strict=True)
    return kept.view.state.message, *(typed if part is panes.comment else found for part, found in updates)

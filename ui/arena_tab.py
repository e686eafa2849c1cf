"""The arena: one prompt, answers side by side and blind, a vote, then the reveal; and the leaderboard.

Which policy is behind a letter stays on the server until the vote. An order is the text in one box
("B>A=D>C"), edited by clicks and keys in the browser (`arena.js`). A vote that leaves answers out is first
completed and shown, and cast by a second press.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr
from gradio.context import Context

from data.modes import Mode
from ui import arena_asking, arena_mine, arena_panes, arena_rounds, arena_season, parts
from ui.access import for_raters, rater_of
from ui.arena_asking import Asking
from ui.arena_panes import Panes
from ui.arena_rewards import scores_html
from ui.arena_updates import followed_up, next_one, restored, streamed, voted
from ui.arena_views import Ballot, PageRound, Question
from ui.arena_who import about
from ui.events import QUIET, WORK, shown
from ui.parts import Services
from ui.texts import Texts

STREAM: dict[str, Any] = {
    "concurrency_id": "inference",
    "concurrency_limit": 1,
    "show_progress": "hidden",
    "api_visibility": "private",
}


def build(services: Services, t: Texts, language: str) -> dict[str, Any]:
    """Draw the tab and bind its handlers. Returns the handler that fills it when it comes to the front."""
    gr.HTML(parts.intro(t("intro.arena")), padding=False)
    asking = arena_asking.draw(t)
    panes = arena_panes.build(t)
    mine = arena_mine.build(services, t)
    season = arena_season.build(services, t)
    bind_rounds(services, asking, panes, t, language)

    @for_raters
    def on_change(chosen: str | None, request: gr.Request) -> tuple[Any, ...]:
        own = arena_mine.updates(services, rater_of(request), t)
        return *arena_season.standing(services, chosen, t), *own

    followed: dict[str, Any] = {
        "fn": on_change,
        "inputs": [season.season],
        "outputs": [*season.outputs(), *mine.outputs()],
    }
    bind_votes(services, panes, t, followed)

    @for_raters
    def on_own_retract(vote: str | None, request: gr.Request) -> tuple[Any, ...]:
        return arena_mine.take_back(services, vote, rater_of(request), t)

    mine.retract.click(shown(on_own_retract, t), [mine.choice], mine.outputs(), **WORK).then(
        **followed, **QUIET
    )

    @for_raters
    def on_models(models: str | None) -> tuple[Any, ...]:
        return about(services, models or "", t)

    asking.models.input(on_models, [asking.models], asking.about(), **QUIET)

    @for_raters
    def on_front(models: str | None, chosen: str | None, request: gr.Request) -> tuple[Any, ...]:
        shown_panels = gr.Accordion(visible=services.access.may(request, "admin"))
        return (
            *about(services, models or "", t),
            *on_change(chosen, request),
            *[shown_panels] * len(season.panels),
        )

    return {
        "fn": on_front,
        "inputs": [asking.models, season.season],
        "outputs": [*asking.about(), *followed["outputs"], *season.panels],
    }


def bind_rounds(services: Services, asking: Asking, panes: Panes, t: Texts, language: str) -> None:
    """Bind everything that brings answers: a question, a follow-up, new answers, the next prompt."""

    @for_raters
    def on_ask(text: str, models: str | None, mode: Mode, request: gr.Request) -> Iterator[tuple[Any, ...]]:
        question = Question(text, rater_of(request), models or "", language, mode)
        yield from streamed(services, panes, question, t)

    @for_raters
    def on_follow(text: str, state: PageRound | None, request: gr.Request) -> Iterator[tuple[Any, ...]]:
        chosen = state.models if state else ""
        question = Question(text, rater_of(request), chosen, language, before=state)
        yield from streamed(services, panes, question, t)

    @for_raters
    def on_regenerate(state: PageRound | None, request: gr.Request) -> Iterator[tuple[Any, ...]]:
        if state is None:
            return
        question = Question(state.message, rater_of(request), state.models, language, state.mode)
        yield from streamed(services, panes, question, t)

    @for_raters
    def on_go_on(
        text: str, state: PageRound | None, mode: Mode, request: gr.Request
    ) -> Iterator[tuple[Any, ...]]:
        yield from followed_up(services, panes, text, rater_of(request), state, language, t, mode)

    @for_raters
    def on_next(
        models: str | None, mode: Mode, wanted: str, request: gr.Request
    ) -> Iterator[tuple[Any, ...]]:
        yield from next_one(services, panes, rater_of(request), models or "", mode, wanted, language, t)

    outputs = panes.outputs()

    @for_raters
    def on_load(request: gr.Request) -> tuple[Any, ...]:
        return restored(services, panes, rater_of(request))

    @for_raters
    def on_type(order: str | None, comment: str | None, request: gr.Request) -> None:
        services.kept.type(rater_of(request), order or "", comment or "")

    page = Context.root_block
    if page is not None:  # a test may draw the tab alone
        page.load(on_load, None, [asking.prompt, *outputs], **QUIET)
    gr.on([panes.order.input, panes.comment.input], on_type, [panes.order, panes.comment], None, **QUIET)
    for trigger in (asking.ask.click, asking.prompt.submit):
        trigger(on_ask, [asking.prompt, asking.models, asking.mode], outputs, **STREAM)
    for button in asking.examples:
        button.click(lambda text: text, [button], [asking.prompt], **QUIET).then(
            on_ask, [asking.prompt, asking.models, asking.mode], outputs, **STREAM
        )
    panes.follow.click(on_follow, [asking.prompt, panes.state], outputs, **STREAM)
    panes.regenerate.click(on_regenerate, [panes.state], outputs, **STREAM)
    panes.go_on.click(on_go_on, [asking.prompt, panes.state, asking.mode], outputs, **STREAM)
    panes.next.click(
        on_next, [asking.models, asking.mode, asking.wanted], [asking.prompt, *outputs], **STREAM
    )


def bind_votes(services: Services, panes: Panes, t: Texts, followed: dict[str, Any]) -> None:
    """Bind what ends a round; `followed` then updates the leaderboard and the rater's own panel."""

    @for_raters
    def on_vote(
        state: PageRound | None,
        order: str,
        comment: str,
        rating: int | None,
        tags: list[str],
        request: gr.Request,
    ) -> tuple[Any, ...]:
        ballot = Ballot(order or "", comment or "", rating, tuple(tags or ()))
        return voted(services, panes, state, ballot, rater_of(request), t)

    @for_raters
    def on_skip(state: PageRound | None, reason: str | None, request: gr.Request) -> tuple[Any, ...]:
        if not reason:
            return panes.unchanged()
        rater = rater_of(request)
        ended = arena_rounds.skip(services, state, reason, rater, t)
        return panes.updates(services.kept.note(rater, ended))

    @for_raters
    def on_retract(state: PageRound | None, request: gr.Request) -> tuple[Any, ...]:
        left = arena_rounds.take_back(services, state, rater_of(request), t)
        gone = gr.Button(visible=False)
        return left, parts.advice(t("arena.taken_back")), gone, gone

    @for_raters
    def on_stop(state: PageRound | None, request: gr.Request) -> None:
        arena_rounds.stop(services, state, rater_of(request))

    ballot = [panes.state, panes.order, panes.comment, panes.rating, panes.tags]
    panes.vote.click(shown(on_vote, t), ballot, panes.outputs(), **WORK).then(**followed, **QUIET)
    panes.skip.input(shown(on_skip, t), [panes.state, panes.skip], panes.outputs(), **WORK)
    panes.retract.click(
        shown(on_retract, t),
        [panes.state],
        [panes.state, panes.reveal, panes.retract, panes.go_on],
        **WORK,
    ).then(**followed, **QUIET)
    panes.stop.click(on_stop, [panes.state], None, **QUIET)

    @for_raters
    def on_rewards(state: PageRound | None, request: gr.Request) -> str:
        if state is None:
            return ""
        return scores_html(services.arena.reward_scores(state.round, rater_of(request), state.models), t)

    panes.rewards.click(
        shown(on_rewards, t), [panes.state], [panes.scores], **WORK | {"concurrency_id": "inference"}
    )

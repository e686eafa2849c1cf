"""The arena: one prompt, answers side by side and blind, a vote, then the reveal; and the leaderboard.

Which policy is behind a letter stays on the server until the vote. An order is the text in one box
("B>A=D>C"), edited by clicks and keys in the browser (`arena.js`). A vote that leaves answers out is first
completed and shown, and cast by a second press.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from typing import Any

import gradio as gr

from data.errors import Code, UserError
from data.everyday import PROMPTS
from data.modes import MODES, Mode
from data.ranking import Ranking
from pipeline.arena.rounds import PROMPT_CHARACTERS
from ui import arena_mine, arena_panes, arena_rounds, arena_season, parts
from ui.access import for_raters, rater_of
from ui.arena_panes import Panes
from ui.arena_rewards import scores_html
from ui.arena_views import Ballot, PageRound, View
from ui.arena_who import EXAMPLES, about
from ui.events import QUIET, WORK, shown, warn
from ui.parts import Services
from ui.texts import Texts

SOURCES = ("held_out", "queue", "own")  # where the next prompt comes from
STREAM: dict[str, Any] = {
    "concurrency_id": "inference",
    "concurrency_limit": 1,
    "show_progress": "hidden",
    "api_visibility": "private",
}


@dataclass(frozen=True)
class Asking:
    """The components with which a rater asks."""

    source: gr.HTML
    models: gr.Dropdown
    mode: gr.Radio
    wanted: gr.Radio
    prompt: gr.Textbox
    ask: gr.Button
    examples: list[gr.Button]

    def about(self) -> list[gr.components.Component]:
        """What `arena_who.about` updates."""
        return [self.source, self.models, *self.examples]


def build(services: Services, t: Texts, language: str) -> dict[str, Any]:
    """Draw the tab and bind its handlers. Returns the handler that fills it when it comes to the front."""
    gr.HTML(parts.intro(t("intro.arena")), padding=False)
    asking = draw_asking(t)
    panes = arena_panes.build(t)
    mine = arena_mine.build(t)
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


def draw_asking(t: Texts) -> Asking:
    """Draw who answers, how to judge, the prompt, and prompts to click."""
    with gr.Row(elem_classes="who-row"):
        source = gr.HTML(padding=False, elem_id="arena-source")
        models = gr.Dropdown(
            choices=[], label=t("arena.models"), visible=False, elem_id="models", scale=0, min_width=400
        )
    with gr.Row(elem_classes="mode-row"):
        mode = gr.Radio(
            choices=[(t(f"mode.{name}"), name) for name in MODES],
            value=MODES[0],
            label=t("mode.label"),
            elem_id="mode",
            min_width=260,
        )
        wanted = gr.Radio(
            choices=[(t(f"source.{name}"), name) for name in SOURCES],
            value=SOURCES[0],
            label=t("source.label"),
            elem_id="next-from",
            min_width=260,
        )
    with gr.Row(equal_height=True, elem_classes="ask-row"):
        prompt = gr.Textbox(
            show_label=False,
            container=False,
            label=t("arena.prompt"),
            placeholder=t("arena.placeholder"),
            max_lines=5,
            scale=6,
            max_length=PROMPT_CHARACTERS,
            elem_id="prompt-box",
            min_width=220,
        )
        ask = gr.Button(t("arena.ask"), variant="primary", elem_id="ask-button", scale=0, min_width=140)
    with gr.Row(elem_classes="examples"):
        examples = [gr.Button(text, size="sm") for text in PROMPTS[:EXAMPLES]]
    return Asking(source, models, mode, wanted, prompt, ask, examples)


def bind_rounds(services: Services, asking: Asking, panes: Panes, t: Texts, language: str) -> None:
    """Bind everything that brings answers: a question, a follow-up, new answers, the next prompt."""

    @for_raters
    def on_ask(text: str, models: str | None, mode: Mode, request: gr.Request) -> Iterator[tuple[Any, ...]]:
        yield from streamed(services, panes, text, rater_of(request), None, models or "", language, t, mode)

    @for_raters
    def on_follow(text: str, state: PageRound | None, request: gr.Request) -> Iterator[tuple[Any, ...]]:
        chosen = state.models if state else ""
        yield from streamed(services, panes, text, rater_of(request), state, chosen, language, t)

    @for_raters
    def on_regenerate(state: PageRound | None, request: gr.Request) -> Iterator[tuple[Any, ...]]:
        if state is None:
            return
        yield from streamed(
            services, panes, state.message, rater_of(request), None, state.models, language, t, state.mode
        )

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
        return panes.updates(arena_rounds.skip(services, state, reason, rater_of(request), t))

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


def streamed(
    services: Services,
    panes: Panes,
    text: str,
    rater: str,
    before: PageRound | None,
    models: str,
    language: str,
    t: Texts,
    mode: Mode = "rank",
    go_on_from: str | None = None,
) -> Iterator[tuple[Any, ...]]:
    """The updates of a round. What goes wrong is a message; before the first answer the panes stay as they
    are, so that a round which nobody voted on yet is not lost."""
    begun = False
    try:
        for view in arena_rounds.ask(
            services, text, rater, before, models, language, t, mode=mode, go_on_from=go_on_from
        ):
            begun = True
            yield panes.updates(view)
    except UserError as error:
        warn(error, t)
        empty = View("empty", None, before.histories if before else {}, mode=mode)
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
    yield from streamed(services, panes, text, rater, None, state.models, language, t, mode, state.round)


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
            yield gr.Textbox(value=view.state.message if view.state else ""), *panes.updates(view)
            return
    except UserError as error:
        warn(error, t)
        yield gr.skip(), *panes.unchanged()
        return
    for update in streamed(services, panes, found.prompt, rater, None, models, language, t, mode):
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
    return panes.updates(arena_rounds.cast(services, state, ballot, rater, t))

"""The arena: one prompt, four answers side by side and blind, a vote, then the reveal; and the leaderboard.

Which policy is behind a letter stays on the server until the vote. The vote is the text in one box
("B>A=D>C"), edited by clicks and keys in the browser (`arena.js`). A vote that leaves answers out is first
completed and shown, and cast by a second press.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.utils import get_upload_folder

from data import world
from data.errors import UserError
from data.everyday import PROMPTS
from data.ranking import Ranking
from data.seasons import Season
from pipeline.arena.lineup import Lineup
from pipeline.arena.rounds import PROMPT_CHARACTERS
from ui import arena_panes, arena_rounds, arena_tables, parts, verdicts
from ui.access import for_raters, rater_of
from ui.arena_panes import PageRound, Panes
from ui.events import QUIET, WORK, shown, warn
from ui.parts import Services
from ui.texts import Texts

EXAMPLES = 6


def build(services: Services, t: Texts, language: str) -> dict[str, Any]:
    """Draw the tab and bind its handlers. Returns the handler that fills it when it comes to the front."""
    gr.HTML(parts.intro(t("intro.arena")), padding=False)
    with gr.Row(elem_classes="who-row"):
        source = gr.HTML(padding=False, elem_id="arena-source")
        models = gr.Dropdown(
            choices=[], label=t("arena.models"), visible=False, elem_id="models", scale=0, min_width=400
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
    panes = arena_panes.build(t)
    with gr.Accordion(t("arena.leaderboard"), open=True):
        season = gr.Dropdown(
            choices=[], label=t("arena.season"), visible=False, elem_id="season", scale=0, min_width=280
        )
        board = gr.HTML(padding=False, elem_id="leaderboard")
        with gr.Row():
            export = gr.Button(t("arena.export"), size="sm", scale=0, min_width=220)
            table = gr.Button(t("arena.csv"), size="sm", scale=0, min_width=180)
        exported = gr.File(label=t("arena.file"), visible=False, interactive=False)
    with gr.Accordion(t("trust.title"), open=False):
        check = gr.Button(t("trust.check"), size="sm", elem_id="trust-button")
        trusted = gr.HTML(padding=False, elem_id="trust")

    @for_raters
    def on_ask(text: str, models: str | None, request: gr.Request) -> Iterator[tuple[Any, ...]]:
        yield from streamed(services, panes, text, rater_of(request), None, models or "", language, t)

    @for_raters
    def on_follow(text: str, state: PageRound | None, request: gr.Request) -> Iterator[tuple[Any, ...]]:
        chosen = state.models if state else ""
        yield from streamed(services, panes, text, rater_of(request), state, chosen, language, t)

    @for_raters
    def on_vote(state: PageRound | None, order: str, comment: str, request: gr.Request) -> tuple[Any, ...]:
        return voted(services, panes, state, order, comment, rater_of(request), t)

    @for_raters
    def on_retract(state: PageRound | None, request: gr.Request) -> tuple[Any, ...]:
        left = arena_rounds.take_back(services, state, rater_of(request), t)
        return left, parts.advice(t("arena.taken_back")), gr.Button(visible=False)

    @for_raters
    def on_stop(state: PageRound | None, request: gr.Request) -> None:
        arena_rounds.stop(services, state, rater_of(request))

    @for_raters
    def on_next(models: str | None, request: gr.Request) -> str:
        return services.arena.next_prompt(rater_of(request), models or "")

    @for_raters
    def on_models(models: str | None) -> tuple[Any, ...]:
        return about(services, models or "", t)

    @for_raters
    def on_season(season: str | None) -> str:
        return arena_tables.leaderboard_html(services, t, season or None)

    stream = {
        "concurrency_id": "inference",
        "concurrency_limit": 1,
        "show_progress": "hidden",
        "api_visibility": "private",
    }
    for trigger in (ask.click, prompt.submit):
        trigger(on_ask, [prompt, models], panes.outputs(), **stream)
    panes.follow.click(on_follow, [prompt, panes.state], panes.outputs(), **stream)
    for button in examples:
        button.click(lambda text: text, [button], [prompt], **QUIET).then(
            on_ask, [prompt, models], panes.outputs(), **stream
        )
    panes.next.click(on_next, [models], [prompt], **QUIET).then(
        on_ask, [prompt, models], panes.outputs(), **stream
    )
    panes.stop.click(on_stop, [panes.state], None, **QUIET)
    shown_now = [source, models, *examples]
    models.input(on_models, [models], shown_now, **QUIET)
    refresh = {
        "fn": lambda models, season: (*about(services, models or "", t), *standing(services, season, t)),
        "inputs": [models, season],
        "outputs": [*shown_now, season, board],
    }
    board_handler = {
        "fn": lambda season: standing(services, season, t),
        "inputs": [season],
        "outputs": [season, board],
    }
    season.input(on_season, [season], [board], **QUIET)
    panes.vote.click(
        shown(on_vote, t), [panes.state, panes.order, panes.comment], panes.outputs(), **WORK
    ).then(**board_handler, **QUIET)
    panes.retract.click(
        shown(on_retract, t), [panes.state], [panes.state, panes.reveal, panes.retract], **WORK
    ).then(**board_handler, **QUIET)
    check.click(
        shown(lambda season: verdicts.trust_html(services.arena.trust(season), t), t),
        [season],
        [trusted],
        **WORK,
    )
    export.click(shown(lambda season: export_pairs(services, season, t), t), [season], None, **WORK)
    table.click(shown(lambda season: export_csv(services, season), t), [season], [exported], **WORK)
    return refresh


def streamed(
    services: Services,
    panes: Panes,
    text: str,
    rater: str,
    before: PageRound | None,
    models: str,
    language: str,
    t: Texts,
) -> Iterator[tuple[Any, ...]]:
    """The updates of a round. What goes wrong is a message; before the first answer the panes stay as they
    are, so that a round which nobody voted on yet is not lost."""
    begun = False
    try:
        for view in arena_rounds.ask(services, text, rater, before, models, language, t):
            begun = True
            yield panes.updates(view)
    except UserError as error:
        warn(error, t)
        if begun:
            yield panes.updates(arena_panes.View("empty", None, before.histories if before else {}))
        else:
            yield panes.unchanged()


def voted(
    services: Services,
    panes: Panes,
    state: PageRound | None,
    order: str,
    comment: str,
    rater: str,
    t: Texts,
) -> tuple[Any, ...]:
    """Cast a complete vote; complete another one, show it and wait for a second press."""
    left = arena_rounds.missing_letters(state, order) if state and state.histories else []
    if left and state:
        gr.Info(escape(t("arena.incomplete", letters=", ".join(left))), duration=6)
        completed = Ranking.complete(order, state.histories).format()
        return tuple(
            gr.Textbox(value=completed) if component is panes.order else gr.skip()
            for component in panes.outputs()
        )
    return panes.updates(arena_rounds.cast(services, state, order, comment, rater, t))


def about(services: Services, wanted: str, t: Texts) -> tuple[Any, ...]:
    """Who answers: the line above the prompt, the choice of models, and prompts to click."""
    found = services.arena.choices()
    if not found:
        hidden = gr.Button(visible=False)
        return parts.advice(t("arena.nobody")), gr.Dropdown(visible=False), *[hidden] * EXAMPLES
    now = next((lineup for lineup in found if lineup.key == wanted), found[0])
    choice = gr.Dropdown(
        choices=[(models_label(lineup, t), lineup.key) for lineup in found],
        value=now.key,
        visible=len(found) > 1,
    )
    texts = world.example_prompts() if now.preset == "tiny" else PROMPTS
    return source_html(now, t), choice, *(gr.Button(text) for text in texts[:EXAMPLES])


def models_label(lineup: Lineup, t: Texts) -> str:
    """A line-up in a few words: the base, and whether it is shipped or trained here."""
    whose = t("arena.shipped") if lineup.demo else t("arena.yours", when=day(lineup.since))
    return f"{base_name(lineup, t)} · {whose}"


def base_name(lineup: Lineup, t: Texts) -> str:
    """The base of a line-up as people call it."""
    key = f"arena.base.{lineup.base_model}"
    return t(key) if t.has(key) else lineup.base_model.rstrip("/").rsplit("/", 1)[-1]


def source_html(lineup: Lineup, t: Texts) -> str:
    """Which model is talking, on what it was trained, and what it can do."""
    can = t(f"arena.can.{lineup.preset}")
    title = escape(models_label(lineup, t))
    fewer = "" if len(lineup.names) == 4 else f" {escape(t('arena.fewer', count=len(lineup.names)))}"
    return f'<div class="can"><b>{title}</b>{escape(can)}{fewer}</div>'


def standing(services: Services, season: str | None, t: Texts) -> tuple[Any, ...]:
    """The choice of seasons and the leaderboard of the chosen one (the current one where it is gone)."""
    seasons = services.arena.seasons()
    chosen = season if season in {found.id for found in seasons} else None
    current = chosen or (services.arena.season_id() if services.arena.choices() else None)
    choice = gr.Dropdown(
        choices=[(season_label(found, t), found.id) for found in seasons],
        value=current if current in {found.id for found in seasons} else None,
        visible=len(seasons) > 1,
    )
    return choice, arena_tables.leaderboard_html(services, t, current) if current else ""


def season_label(season: Season, t: Texts) -> str:
    """A season in a few words: its number, its policies, since when, and how many votes count."""
    whose = t("arena.shipped") if season.facts.demo else season.facts.preset
    return t(
        "arena.season_label",
        number=season.number,
        what=f"{whose} ({season.facts.base_model.rsplit('/', 1)[-1]})",
        when=day(season.created),
        votes=season.votes,
    )


def day(stamp: str) -> str:
    """The date of an ISO time."""
    return stamp[:10]


def export_pairs(services: Services, season: str | None, t: Texts) -> None:
    """Write the votes of a season (None = all) as a preference data set."""
    result = services.arena.export("votes", season)
    gr.Info(escape(t("arena.exported", what=str(result))), duration=6)


def export_csv(services: Services, season: str | None) -> Any:
    """The votes of a season (None = all) as a spreadsheet, in the folder whose files go after a while
    (`ui.uploads`)."""
    path = Path(get_upload_folder()) / secrets.token_hex(16) / "votes.csv"
    path.parent.mkdir(parents=True)
    path.write_text(services.arena.csv(season), encoding="utf-8-sig")
    return gr.File(value=str(path), visible=True)

"""The season's part of the arena's tab: leaderboard, plan and terms, trust, and the exports."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.utils import get_upload_folder

from data.seasons import Terms
from evaluation.planning import Plan
from pipeline.arena.exports import FORMATS
from pipeline.arena.learning import train_on_votes
from ui import arena_tables, parts, verdicts
from ui.access import for_raters, rater_of
from ui.arena_rewards import compared_html
from ui.arena_who import season_label
from ui.events import QUIET, WORK, shown
from ui.parts import Services
from ui.texts import Texts

STARTS = ("further", "scratch")  # how the reward models begin that learn from votes


@dataclass(frozen=True)
class SeasonParts:
    """The components that follow the votes: the choice of a season, its leaderboard, and the early look.

    panels: what raters may not use, where people log in.
    """

    season: gr.Dropdown
    board: gr.HTML
    look: gr.Button
    panels: tuple[gr.Accordion, ...]

    def outputs(self) -> list[gr.components.Component]:
        """The components, in the order of `standing`."""
        return [self.season, self.board, self.look]


def build(services: Services, t: Texts) -> SeasonParts:
    """Draw the panels and bind their handlers."""
    with gr.Accordion(t("arena.leaderboard"), open=True):
        season = gr.Dropdown(
            choices=[], label=t("arena.season"), visible=False, elem_id="season", scale=0, min_width=280
        )
        board = gr.HTML(padding=False, elem_id="leaderboard")
        look = gr.Button(t("board.look"), size="sm", visible=False, elem_id="look-button", scale=0)
    panels = (
        _trust_panel(services, season, t),
        _rewards_panel(services, t),
        _plan_panel(services, season, t),
        _export_panel(services, season, t),
    )
    found = SeasonParts(season, board, look, panels)

    @for_raters
    def on_season(chosen: str | None) -> tuple[Any, ...]:
        return standing(services, chosen, t)

    @for_raters
    def on_look(chosen: str | None, request: gr.Request) -> tuple[Any, ...]:
        services.arena.look(chosen or services.arena.season_id(), rater_of(request))
        return arena_tables.leaderboard_html(services, t, chosen, looked=True), gr.Button(visible=False)

    season.input(on_season, [season], found.outputs(), **QUIET)
    look.click(shown(on_look, t), [season], [board, look], **WORK)
    return found


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
    html = arena_tables.leaderboard_html(services, t, current) if current else ""
    return choice, html, gr.Button(visible=bool(current) and services.arena.board(current).hidden)


def _trust_panel(services: Services, season: gr.Dropdown, t: Texts) -> gr.Accordion:
    with gr.Accordion(t("trust.title"), open=False) as panel:
        check = gr.Button(t("trust.check"), size="sm", elem_id="trust-button")
        trusted = gr.HTML(padding=False, elem_id="trust")
    check.click(
        shown(lambda chosen: verdicts.trust_html(services.arena.trust(chosen), t), t),
        [season],
        [trusted],
        **WORK,
    )
    return panel


def _rewards_panel(services: Services, t: Texts) -> gr.Accordion:
    with gr.Accordion(t("rewards.panel"), open=False, elem_id="rewards") as panel:
        compare = gr.Button(t("rewards.compare"), size="sm", elem_id="compare-button")
        compared = gr.HTML(padding=False, elem_id="compared")
    compare.click(
        shown(lambda: compared_html(services.arena.against_people(), t), t),
        None,
        [compared],
        **WORK | {"concurrency_id": "inference"},
    )
    return panel


def _plan_panel(services: Services, season: gr.Dropdown, t: Texts) -> gr.Accordion:
    with gr.Accordion(t("plan.title"), open=False, elem_id="plan") as panel:
        work_out = gr.Button(t("plan.work_out"), size="sm", elem_id="plan-button")
        planned = gr.HTML(padding=False, elem_id="plan-text")
        with gr.Row(elem_classes="pick-row"):
            margin = gr.Number(15, label=t("plan.margin"), minimum=1, maximum=49, min_width=150)
            target = gr.Number(None, label=t("plan.target"), minimum=1, precision=0, min_width=150)
            hide = gr.Checkbox(False, label=t("plan.hide"), min_width=200)
            fix = gr.Button(t("plan.set"), size="sm", scale=0, min_width=170, elem_id="plan-set")
        gr.HTML(f'<p class="quiet small">{escape(t("plan.note"))}</p>', padding=False)
    work_out.click(
        shown(lambda chosen: plan_html(services.arena.plan(chosen), t), t), [season], [planned], **WORK
    )
    fix.click(
        shown(lambda *terms: set_terms(services, t, *terms), t), [margin, target, hide], [planned], **WORK
    )
    return panel


def _export_panel(services: Services, season: gr.Dropdown, t: Texts) -> gr.Accordion:
    with gr.Accordion(t("export.title"), open=False, elem_id="export") as panel:
        with gr.Row(elem_classes="pick-row"):
            kind = gr.Radio(
                choices=[(t(f"export.{name}"), name) for name in FORMATS],
                value=FORMATS[0],
                label=t("export.format"),
                scale=3,
                min_width=260,
            )
            without = gr.Checkbox(False, label=t("export.without"), min_width=200)
        export = gr.Button(t("export.do"), size="sm", scale=0, min_width=140, elem_id="export-button")
        files = gr.File(
            label=t("arena.file"), visible=False, interactive=False, file_count="multiple", elem_id="exported"
        )
        with gr.Row(elem_classes="pick-row"):
            start = gr.Radio(
                choices=[(t(f"export.start.{name}"), name) for name in STARTS],
                value=STARTS[0],
                label=t("export.start"),
                scale=3,
                min_width=260,
                elem_id="votes-start",
            )
            learn = gr.Button(t("export.train"), size="sm", scale=0, min_width=220, elem_id="train-on-votes")
    export.click(
        shown(lambda *asked: export_files(services, *asked), t), [season, kind, without], [files], **WORK
    )
    learn.click(shown(lambda start: train(services, t, start), t), [start], None, **WORK)
    return panel


def set_terms(services: Services, t: Texts, margin: float, target: float | None, hide: bool) -> str:
    """Fix the terms of the current season; margin in points. Says what was fixed."""
    terms = Terms((margin or 0) / 100, int(target) if target else None, bool(hide))
    services.arena.set_terms(terms)
    return parts.advice(t("plan.done", margin=f"{100 * terms.margin:.0f}", target=terms.target or "–"))


def plan_html(found: Plan, t: Texts) -> str:
    """How many votes a season needs, in sentences."""
    margin = f"{100 * found.margin:.0f}"
    lines = []
    if found.raters_equal is None or found.rankings is None:
        lines.append(("note", t("plan.too_many", margin=margin)))
    else:
        facts = {"raters": found.raters_equal.n, "each": found.rankings_each, "rankings": found.rankings}
        lines.append(("good", t("plan.people", margin=margin, **facts)))
    if found.decisive_equal and found.decisive_better:
        numbers = {"equal": found.decisive_equal.n, "better": found.decisive_better.n}
        lines.append(("note", t("plan.votes", preference=f"{100 * found.preference:.0f}", **numbers)))
    lines.append(("note", t("plan.assumed", share=f"{100 * found.decisive_share:.0f}")))
    return parts.reading(lines)


def export_files(services: Services, season: str | None, kind: str, without: bool) -> Any:
    """The votes of a season (None = all) and their data card, in the folder whose files go after a while
    (`ui.uploads`)."""
    folder = Path(get_upload_folder()) / secrets.token_hex(16)
    folder.mkdir(parents=True)
    paths = services.arena.export_to(folder, kind, season, without_flagged=without)
    return gr.File(value=[str(path) for path in paths], visible=True)


def train(services: Services, t: Texts, start: str) -> None:
    """Put the runs from all votes to new policies into the queue. start: one of `STARTS`."""
    lineup = services.arena.lineup()
    further, demos = start == STARTS[0], services.arena.demos
    runs = train_on_votes(services.workspace, services.jobs, lineup.preset, further=further, demos=demos)
    gr.Info(escape(t("export.started", count=len(runs))), duration=6)

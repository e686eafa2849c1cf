"""Who answers in the arena, in words: line-ups, their bases, and seasons."""

from __future__ import annotations

from html import escape
from typing import Any

import gradio as gr

from data import world
from data.everyday import PROMPTS
from data.seasons import Season
from pipeline.arena.lineup import Lineup
from ui import parts
from ui.parts import Services
from ui.texts import Texts

EXAMPLES = 6


def about(services: Services, wanted: str, t: Texts) -> tuple[Any, ...]:
    """The line above the prompt, the choice of models, and prompts to click."""
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

"""A rater's own panel in the arena: how far the season is, the rater's votes, each of which can be taken
back, and the rater's name where several people rate on one device."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any

import gradio as gr

from data.vote_rows import OwnVote
from ui.access import NAME_CHARACTERS
from ui.parts import Services
from ui.texts import Texts

MESSAGE_CHARACTERS = 60  # of a prompt in the list


@dataclass(frozen=True)
class Mine:
    """The components of the panel."""

    progress: gr.HTML
    choice: gr.Dropdown
    retract: gr.Button
    name: gr.Textbox

    def outputs(self) -> list[gr.components.Component]:
        """The components, in the order of `updates`."""
        return [self.progress, self.choice, self.retract, self.name]


def build(services: Services, t: Texts) -> Mine:
    """Draw the panel. With accounts a rater's name is the login's."""
    with gr.Accordion(t("mine.title"), open=False, elem_id="mine"):
        progress = gr.HTML(padding=False)
        with gr.Row(elem_classes="pick-row"):
            choice = gr.Dropdown(
                choices=[],
                label=t("mine.choose"),
                visible=False,
                elem_id="mine-votes",
                scale=3,
                min_width=240,
            )
            retract = gr.Button(
                t("arena.retract"), size="sm", visible=False, elem_id="mine-retract", scale=0, min_width=180
            )
        with gr.Row(elem_classes="pick-row", visible=not services.access.asks):
            name = gr.Textbox(
                label=t("mine.name"),
                max_lines=1,
                max_length=NAME_CHARACTERS,
                elem_id="rater-name",
                scale=3,
                min_width=240,
            )
            rate_as = gr.Button(t("mine.rate_as"), size="sm", elem_id="rate-as", scale=0, min_width=180)
    for named in (rate_as.click, name.submit):
        named(None, [name], None, js="(name) => playground.rateAs(name)", api_visibility="private")
    return Mine(progress, choice, retract, name)


def updates(services: Services, rater: str, t: Texts) -> tuple[Any, ...]:
    """Updates for `Mine.outputs`: of the season that a round asked now would belong to."""
    name = gr.Textbox(value=rater.partition(":")[2].partition(":")[2])  # kind:id:name
    if not services.arena.choices():
        return "", gr.Dropdown(visible=False), gr.Button(visible=False), name
    votes = services.arena.own_votes(rater)
    choices = [(vote_label(vote, t), vote.id) for vote in votes]
    return (
        progress_html(len(votes), services.arena.board().rankings, services.arena.terms().target, t),
        gr.Dropdown(choices=choices, value=choices[0][1] if choices else None, visible=bool(choices)),
        gr.Button(visible=bool(choices)),
        name,
    )


def progress_html(mine: int, now: int, target: int | None, t: Texts) -> str:
    """How far the season is, with a bar where it has a target."""
    if target is None:
        return f'<p class="quiet">{escape(t("mine.no_target", mine=mine, now=now))}</p>'
    said = escape(t("mine.progress", mine=mine, now=now, target=target))
    return f'<p>{said}</p><div class="meter"><i style="width:{min(100, 100 * now / target):.1f}%"></i></div>'


def vote_label(vote: OwnVote, t: Texts) -> str:
    """A vote in one line: when, on what, and what was said."""
    said = t("mine.rated", rating=vote.said) if vote.mode == "rate" else vote.said
    text = " ".join(vote.message.split())
    short = text if len(text) <= MESSAGE_CHARACTERS else f"{text[: MESSAGE_CHARACTERS - 1]}…"
    return f"{vote.created[5:16].replace('T', ' ')} · {short} · {said}"


def take_back(services: Services, vote: str | None, rater: str, t: Texts) -> tuple[Any, ...]:
    """Retract the chosen vote and show what is left."""
    if vote:
        services.arena.retract(vote, rater)
        gr.Info(escape(t("arena.taken_back")), duration=4)
    return updates(services, rater, t)

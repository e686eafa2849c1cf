"""The Start tab: what this is, the pipeline with its state, two ways to begin, and what RLHF is."""

from __future__ import annotations

from html import escape
from typing import Any

import gradio as gr

from data.policies import PRECISIONS
from pipeline.runs.lineage import Lineage
from pipeline.runs.record_file import RunRecord
from pipeline.settings.layers import stages_of
from pipeline.settings.stages import STAGES
from ui import drawing, header, job_card, parts, terms
from ui.events import QUIET, WORK, shown
from ui.parts import LIVE, Services
from ui.texts import Texts

PRESETS_TO_TRAIN = ("tiny", "small")


def build(services: Services, t: Texts, preset: gr.Radio) -> dict[str, Any]:
    """Build the tab and bind its handlers. Returns its timer and the handler that fills it."""
    gr.HTML(f'<p class="lead">{terms.explained(t("home.what"), t)}</p>', padding=False)
    with gr.Row(elem_classes="home-ways"):
        with gr.Column(elem_classes="home-way", min_width=300):
            gr.HTML(way(t("home.chat_title"), t("home.chat_text"), t), padding=False)
            chat = gr.Button(t("home.chat"), variant="primary", elem_id="home-chat")
        with gr.Column(elem_classes="home-way", min_width=300):
            gr.HTML(way(t("home.train_title"), t("home.train_text"), t), padding=False)
            with gr.Row(elem_classes="home-buttons"):
                buttons = {
                    name: gr.Button(t(f"home.train.{name}"), min_width=140, elem_id=f"home-train-{name}")
                    for name in PRESETS_TO_TRAIN
                }
            gr.HTML(f'<p class="quiet small">{escape(t("home.train_note"))}</p>', padding=False)
    with gr.Row(elem_id="home-now", visible=False) as now:
        card = gr.HTML(padding=False, elem_id="home-card")
        cancel = gr.Button(t("home.cancel"), size="sm", scale=0, min_width=110, elem_id="home-cancel")
    picture = gr.HTML(picture_html(Lineage(services.runs, []), "tiny", t), padding=False, elem_id="picture")
    gr.HTML(rlhf_html(t), padding=False)
    timer, seen = gr.Timer(2.0, active=False), gr.State("")
    outputs = [seen, picture, now, card, cancel]

    def train(chosen: str) -> tuple[Any, ...]:
        started = services.jobs.start_missing(chosen)
        gr.Info(t("start.done", count=len(started)) if started else t("home.train_complete"), duration=5)
        return chosen, *show(services, chosen, "", t)

    def stop(chosen: str) -> tuple[Any, ...]:
        for record in services.runs.list():  # what waits goes first, so that it does not start now
            if record.status in LIVE:
                services.jobs.cancel(record.id)
        return show(services, chosen, "", t)

    chat.click(None, None, None, js="() => playground.open('arena')", api_visibility="private")
    for name, button in buttons.items():
        button.click(
            shown(lambda name=name: train(name), t), None, [preset, *outputs],
            js=f"() => (playground.keepPreset('{name}'), [])", **WORK,
        )  # fmt: skip
    cancel.click(shown(stop, t), [preset], outputs, **WORK)
    timer.tick(lambda p, s: show(services, p, s, t), [preset, seen], outputs, **QUIET)
    preset.change(lambda p: show(services, p, "", t), [preset], outputs, **QUIET)
    refresh = {"fn": lambda p: show(services, p, "", t), "inputs": [preset], "outputs": outputs}
    return {"timer": timer, "refresh": refresh}


def show(services: Services, preset: str, seen: str, t: Texts) -> tuple[Any, ...]:
    """The values of the tab's outputs; skips all of them if nothing has changed since `seen`."""
    records = services.runs.list()
    live = [r for r in reversed(records) if r.status in LIVE]
    record = next((r for r in live if r.status == "running"), next(iter(live), None))
    told = job_card.now(record, t) if record else []
    now = f"{preset} {' '.join(f'{r.id[-4:]}:{r.status}' for r in records)} {told}"
    if now == seen:
        return (gr.skip(),) * 5
    cancelling = bool(record and record.progress and record.progress.cancelling)
    return (
        now,
        picture_html(Lineage(services.runs, records), preset, t),
        gr.Row(visible=record is not None),
        job_card.card(record, t, next_to_run=True) if record else "",
        gr.Button(interactive=not cancelling),
    )


def way(title: str, text: str, t: Texts) -> str:
    """The heading and the text of one way to begin."""
    return f'<h2 class="home-title">{escape(title)}</h2><p>{terms.explained(text, t)}</p>'


def picture_html(line: Lineage, preset: str, t: Texts) -> str:
    """The steps of the pipeline as links to their tabs, each with its state."""
    own = [r for r in line.records if r.preset == preset]
    steps = [step_html(row.name, states(own, line, row.name), t) for row in stages_of(preset).chain]
    steps.append(step_html("arena", {}, t))
    joined = '<span class="flow" aria-hidden="true">→</span>'.join(steps)
    title = f'<h2 class="home-title">{escape(t("home.picture"))}</h2>'
    return f'{title}<nav class="picture">{joined}</nav>{finished_html(own, line, preset, t)}'


def finished_html(own: list[RunRecord], line: Lineage, preset: str, t: Texts) -> str:
    """Where to go once everything is trained; "" before."""
    if not own or any(r.status in LIVE for r in own) or line.missing(preset):
        return ""
    links = [("evaluation", "home.see_comparison"), ("arena", "home.chat_with_yours")]
    shown_links = " ".join(f'<a href="#{tab}">{escape(t(key))} →</a>' for tab, key in links)
    return f'<p class="onward" id="home-finished"><b>{escape(t("home.finished"))}</b> {shown_links}</p>'


def states(own: list[RunRecord], line: Lineage, stage: str) -> dict[str, str]:
    """The state of each arm of a stage; a stage without arms has the single arm ""."""
    arms = PRECISIONS if STAGES[stage].per_precision else ("",)
    return {arm: header.state_of(own, line, stage, arm) for arm in arms}


def step_html(stage: str, found: dict[str, str], t: Texts) -> str:
    """One step: its name, what it does, and a mark per arm."""
    tab = job_card.TAB_OF.get(stage, stage)
    name = t("stage.judge") if stage == "judge" else t("tab." + tab)
    marks = "".join(
        parts.chip(state, arm or t("status." + state), t("status." + state)) for arm, state in found.items()
    )
    return (
        f'<a class="picture-step" href="#{tab}"><b>{escape(name)}</b>'
        f'<span>{escape(t("home.step." + stage))}</span><span class="marks">{marks}</span></a>'
    )


def rlhf_html(t: Texts) -> str:
    """What RLHF is, in a few paragraphs with a drawing."""
    told = "".join(f"<p>{line}</p>" for line in terms.explained(t("home.rlhf"), t).split("\n"))
    return (
        f'<section class="rlhf"><div><h2 class="home-title">{escape(t("home.rlhf_title"))}</h2>{told}</div>'
        f"<figure>{drawing.rlhf(t)}</figure></section>"
    )

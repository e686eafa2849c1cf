"""The runs tab: all runs with a filter, one run in detail, and the comparison of several runs.

The list is in `ui.run_list`, the detail in `ui.run_detail`, names and deletion in `ui.run_actions`, and the
comparison in `ui.comparison`; this module lays them out and binds what they share.
"""

from __future__ import annotations

from html import escape
from typing import Any

import gradio as gr

from ui import arms, comparison, parts, run_actions, run_chat, run_export, run_list
from ui.events import QUIET, WORK, shown
from ui.parts import LIVE, Services
from ui.run_detail import details, settings_of, standing
from ui.texts import Texts


def build(services: Services, t: Texts) -> dict[str, Any]:
    """Build the tab and bind its handlers. Returns its timer and the handler that fills it."""
    link = f' <a href="?view=api">{escape(t("runs.api"))}</a>'
    gr.HTML(parts.intro(escape(t("intro.runs")) + link), padding=False)
    words = gr.Textbox(
        label=t("runs.filter"),
        placeholder=t("runs.filter_hint"),
        max_lines=1,
        max_length=200,
        elem_id="runs-filter",
    )
    listing = gr.Dataframe(
        headers=run_list.headers(t),
        datatype="str",
        interactive=False,
        max_height=330,
        elem_id="runs-list",
        elem_classes="plain-frame",
        wrap=False,
        show_label=False,
    )
    count = gr.HTML(padding=False, elem_id="runs-count")
    timer, seen, stand = gr.Timer(2.0, active=False), gr.State(""), gr.State("")
    with gr.Row(elem_classes="work"):
        with gr.Column(scale=4, min_width=320):
            choice, detail, buttons = build_detail(t)
            actions = gr.Column()
        with gr.Column(scale=7, min_width=320):
            picked = comparison.build(services, t, timer, words)
    list_outputs = [seen, listing, count, choice, picked]
    with actions:
        run_chat.build(services, t, choice, stand)
        run_export.build(services, t, choice, stand)
        changes = run_actions.build(services, t, choice)
    cancel, resume, again = buttons
    asked = gr.Textbox(visible=False)  # the settings to start again with, on their way to the browser
    # The run that the address names, apart from `choice`, which refuses a run that it does not list yet.
    wanted = gr.Textbox(visible=False)

    def act(run_id: str | None, what: str) -> tuple[Any, ...]:
        if run_id:
            getattr(services.jobs, what)(run_id)
        return details(services, run_id, t)

    def poll(last: str, run_id: str | None, ids: list[str] | None, text: str) -> tuple[Any, ...]:
        listed = run_list.show(services, last, run_id, ids or [], text, t)
        live = run_id and any(r.id == run_id and r.status in LIVE for r in services.runs.list())
        changed = isinstance(listed[0], str)
        shown_now = details(services, run_id, t) if live or changed else [gr.skip()] * len(detail)
        return (*listed, standing(services, run_id), *shown_now)

    def again_listed(run_id: str | None, ids: list[str] | None, text: str) -> tuple[Any, ...]:
        return run_list.show(services, "", run_id, ids or [], text, t)

    def first(name: str, run_id: str | None, ids: list[str] | None, text: str) -> tuple[Any, ...]:
        arms_now = ids or arms.newest_arms(services.runs.list())
        return run_list.show(services, "", name or run_id, arms_now, text, t)

    timer.tick(poll, [seen, choice, picked, words], [*list_outputs, stand, *detail], **QUIET)
    refreshed = {"fn": again_listed, "inputs": [choice, picked, words], "outputs": list_outputs}
    words.change(**refreshed, **QUIET)
    for event in changes:
        event.then(**refreshed, **QUIET)
    choice.change(shown(lambda run_id: details(services, run_id, t), t), [choice], detail, **QUIET)
    cancel.click(shown(lambda run_id: act(run_id, "cancel"), t), [choice], detail, **WORK)
    resume.click(shown(lambda run_id: act(run_id, "resume"), t), [choice], detail, **WORK)
    again.click(
        shown(lambda run_id: settings_of(services, run_id), t), [choice], [asked], **QUIET
    ).then(None, [asked], None, js="(text) => playground.again(text)", api_visibility="private")  # fmt: skip
    choice.input(None, [choice], None, js="(run) => playground.shows('runs', run)", api_visibility="private")
    listing.select(run_list.selected, [listing], [choice], **QUIET)
    named = "(wanted, ...others) => [playground.run('runs'), ...others]"
    inputs = [wanted, choice, picked, words]
    return {"timer": timer, "refresh": {"fn": first, "inputs": inputs, "outputs": list_outputs, "js": named}}


def build_detail(t: Texts) -> tuple[gr.Dropdown, list[Any], tuple[gr.Button, gr.Button, gr.Button]]:
    """The choice of a run, the components that `run_detail.details` fills, and the buttons among them."""
    gr.HTML(parts.title(t("runs.detail")), padding=False)
    choice = gr.Dropdown([], label=t("run.shown"), filterable=False)
    card = gr.HTML(padding=False)
    with gr.Row():
        cancel = gr.Button(t("run.cancel"), size="sm", visible=False, scale=0, min_width=110)
        resume = gr.Button(t("run.resume"), size="sm", visible=False, scale=0, min_width=110)
        again = gr.Button(t("runs.again"), size="sm", visible=False, scale=0, min_width=230, elem_id="again")
    facts = gr.HTML(padding=False)
    with gr.Accordion(t("runs.config"), open=False):
        config = gr.HTML(padding=False)
    with gr.Accordion(t("runs.log"), open=False):
        log = gr.Textbox(
            lines=12,
            max_lines=20,
            interactive=False,
            show_label=False,
            buttons=["copy"],
            elem_classes="command",
        )
    return choice, [card, cancel, resume, again, facts, config, log], (cancel, resume, again)

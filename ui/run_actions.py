"""What one can do to a run besides stopping it: give it a name and tags, or delete it.

Before a deletion the page names what depends on the run. Nothing is deleted by the first press.
"""

from __future__ import annotations

from html import escape
from typing import Any

import gradio as gr

from data.errors import Code, UserError
from pipeline.commands.housekeeping import delete, dependent_runs, rounds_with
from pipeline.runs import labels
from ui import parts
from ui.events import QUIET, WORK, shown
from ui.parts import LIVE, Services
from ui.texts import Texts


def build(services: Services, t: Texts, choice: gr.Dropdown) -> list[Any]:
    """Build the fields for the run of `choice`. Returns the events after which the list of runs is
    another."""
    with gr.Accordion(t("label.title"), open=False, elem_id="run-label"):
        with gr.Row(elem_classes="compare-tools"):
            name = gr.Textbox(
                label=t("label.name"),
                max_lines=1,
                max_length=labels.LONGEST,
                min_width=180,
                elem_id="label-name",
            )
            tags = gr.Textbox(
                label=t("label.tags"), max_lines=1, max_length=200, min_width=180,
                placeholder=t("label.tags_hint"), elem_id="label-tags",
            )  # fmt: skip
            save = gr.Button(t("label.save"), size="sm", scale=0, min_width=110, elem_id="label-save")
        remove = gr.Button(t("delete.ask"), size="sm", variant="stop", elem_id="run-delete")
        warning = gr.HTML(padding=False, elem_id="delete-warning")
        with gr.Row(visible=False, elem_classes="compare-tools") as confirm:
            really = gr.Button(
                t("delete.yes"), size="sm", variant="stop", min_width=150, elem_id="delete-yes"
            )
            keep = gr.Button(t("delete.no"), size="sm", min_width=150, elem_id="delete-no")

    def keep_label(run_id: str | None, given: str, words: str) -> None:
        labels.change(services.workspace, required(run_id), name=given, tags=words.replace(",", " ").split())
        gr.Info(t("label.saved"), duration=3)

    def delete_now(run_id: str | None) -> tuple[Any, ...]:
        delete(services.workspace, required(run_id), yes=True)
        gr.Info(t("delete.done"), duration=4)
        return "", gr.Row(visible=False)

    choice.change(lambda run_id: label_of(services, run_id), [choice], [name, tags], **QUIET)
    choice.change(lambda: ("", gr.Row(visible=False)), None, [warning, confirm], **QUIET)
    remove.click(shown(lambda run_id: ask(services, run_id, t), t), [choice], [warning, confirm], **WORK)
    keep.click(lambda: ("", gr.Row(visible=False)), None, [warning, confirm], **QUIET)
    return [
        save.click(shown(keep_label, t), [choice, name, tags], None, **WORK),
        really.click(shown(delete_now, t), [choice], [warning, confirm], **WORK),
    ]


def required(run_id: str | None) -> str:
    if not run_id:
        raise UserError("choose a run first", code=Code.RUN)
    return run_id


def label_of(services: Services, run_id: str | None) -> tuple[str, str]:
    """The name and the tags of a run, for the fields."""
    label = labels.read(services.workspace).get(run_id or "", labels.Label())
    return label.name, " ".join(label.tags)


def ask(services: Services, run_id: str | None, t: Texts) -> tuple[Any, ...]:
    """What a deletion would take with it, and the buttons that decide. Raises UserError for a run that is
    live."""
    record = services.runs.read(required(run_id))
    if record.status in LIVE:
        raise UserError(t("delete.live"), code=Code.REQUEST)
    lines = [parts.run_label(run, t) for run in dependent_runs(services.workspace, record.id)]
    if rounds := rounds_with(services.workspace, record.id):
        lines.append(t("delete.rounds", count=rounds))
    title = f"{parts.run_title(record, t)} #{record.id[-4:]}"
    told = f"<b>{escape(t('delete.warning', what=title))}</b>"
    if lines:
        items = "".join(f"<li>{escape(line)}</li>" for line in lines)
        told += f"<p>{escape(t('delete.depends'))}</p><ul>{items}</ul>"
    else:
        told += f"<p>{escape(t('delete.alone'))}</p>"
    return f'<div class="advice bad" role="alert">{told}</div>', gr.Row(visible=True)

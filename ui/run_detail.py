"""One run in detail: its card, results, parents, machine, events, settings and the end of its log."""

from __future__ import annotations

import json
from html import escape
from typing import Any

import gradio as gr

from data.errors import Code, UserError
from pipeline.runs import reader as runs
from pipeline.runs import snapshots
from pipeline.runs.record_file import Event, RunRecord
from pipeline.settings.layers import to_dict
from pipeline.settings.stages import STAGES
from ui import job_card, parts
from ui.parts import ENDED, LIVE, Services
from ui.texts import Texts


def details(services: Services, run_id: str | None, t: Texts) -> tuple[Any, ...]:
    """Card, buttons, facts, configuration and the end of the log of one run."""
    if not run_id:
        return "", *[gr.Button(visible=False)] * 3, "", "", ""
    try:
        record = services.runs.read(run_id)
    except UserError as error:
        return (
            job_card.failure(str(error), error.code, t),
            *[gr.Button(visible=False)] * 3,
            "",
            "",
            "",
        )
    return (
        job_card.card(record, t),
        gr.Button(visible=record.status in LIVE),
        gr.Button(visible=record.status in ENDED),
        gr.Button(visible=record.stage in STAGES and job_card.TAB_OF.get(record.stage) != "runs"),
        facts_html(record, t),
        config_html(record, t),
        runs.tail_log(services.workspace, run_id, 60),
    )


def standing(services: Services, run_id: str | None) -> str:
    """Status and snapshots of a run in short: what can be done with it changes only if this text does."""
    record = next((r for r in services.runs.list() if r.id == run_id), None)
    if record is None:
        return ""
    return f"{record.id} {record.status} {len(snapshots.found(services.workspace.run(record.id)))}"


def facts_html(record: RunRecord, t: Texts) -> str:
    """Results, parents, resources, machine and events of a run."""
    found = []
    results = [(k, v) for k, v in record.results.items() if t.has(f"result.{k}")]
    if results:
        rows = [[t(f"result.{key}"), parts.shown_value(value)] for key, value in results]
        found.append(parts.table([t("runs.result"), ""], rows))
    parents = [f"#{run_id[-4:]}" for run_id in record.parents.ids]
    resources, machine = record.resources, record.hardware
    lines = [
        t("runs.parents", what="; ".join(parents)) if parents else "",
        t(
            "runs.memory",
            rss=parts.gigabytes(resources.peak_rss_bytes),
            cuda=parts.gigabytes(resources.peak_cuda_bytes or None),  # 0: no GPU took part
            adapter=parts.gigabytes(resources.adapter_bytes),
        )
        if resources.to_json()
        else "",
        t("runs.machine", what=", ".join(str(machine[k]) for k in ("gpu", "cpu") if machine.get(k)))
        if machine
        else "",
        t("runs.attempts", count=len(record.attempts)) if len(record.attempts) > 1 else "",
    ]
    found.append('<ul class="reading">' + "".join(f"<li>{escape(x)}</li>" for x in lines if x) + "</ul>")
    found += [event_html(event, t) for event in record.events[-8:]]
    return "".join(found)


def event_html(event: Event, t: Texts) -> str:
    """What happened in the words of the page, and the recorded message, which is English."""
    key = f"event.{event.kind}"
    kind = t(key) if t.has(key) else event.kind
    said = f'<span class="quiet" lang="en">{escape(event.message)}</span>'
    return f'<div class="advice"><b>{escape(kind)}</b><br>{said}</div>'


def config_html(record: RunRecord, t: Texts) -> str:
    """The settings of a run with their labels."""
    rows = [
        [t.label_of(name), parts.shown_value(value)] for name, value in record.config.items() if value != ""
    ]
    return parts.table([t("runs.config"), ""], rows, text_columns=2)


def settings_of(services: Services, run_id: str | None) -> str:
    """The settings that a run was asked for, as JSON for `playground.again` in page.js."""
    if not run_id:
        raise UserError("choose a run first", code=Code.RUN)
    record = services.runs.read(run_id)
    asked = to_dict(services.runs.asked(record))
    tab = job_card.TAB_OF.get(record.stage, record.stage)
    return json.dumps({"stage": record.stage, "tab": tab, "preset": record.preset, "values": asked})

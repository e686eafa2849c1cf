"""The runs tab: all runs with their states, one run in detail, and a comparison of several runs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import gradio as gr

from data.errors import Code, UserError
from pipeline.runs import reader as runs
from pipeline.runs.lineage import Lineage
from pipeline.runs.record_file import RunRecord
from pipeline.settings.layers import to_dict
from pipeline.settings.stages import STAGES
from ui import job_card, parts, plots, run_chat, run_export
from ui.events import QUIET, WORK, shown
from ui.parts import ENDED, LIVE, Services
from ui.texts import Texts

METRICS = {  # curves to compare, with the keys of their names
    "objective/scores": "chart.reward",
    "gold/mean": "chart.gold",
    "objective/kl": "chart.kl",
    "policy/entropy_avg": "chart.entropy",
    "loss/value_avg": "chart.value_loss",
    "response/length": "chart.length",
    "loss": "chart.loss",
    "eval_loss": "result.eval_loss",
    "accuracy": "chart.accuracy",
    "eval_accuracy": "result.eval_accuracy",
    "margin": "chart.margin",
    "grad_norm": "chart.grad_norm",
    "lr": "chart.lr",
}
WALL_CLOCK = {"wall_seconds", "seconds"}


def build(services: Services, t: Texts) -> dict[str, Any]:
    """Build the tab and bind its handlers. Returns its timer and the handler that fills it."""
    link = f' <a href="?view=api">{escape(t("runs.api"))}</a>'
    gr.HTML(parts.intro(escape(t("intro.runs")) + link), padding=False)
    listing = gr.Dataframe(
        headers=headers(t),
        datatype="str",
        interactive=False,
        max_height=330,
        elem_id="runs-list",
        elem_classes="plain-frame",
        wrap=False,
        show_label=False,
    )
    with gr.Row(elem_classes="work"):
        with gr.Column(scale=6, min_width=320):
            gr.HTML(parts.title(t("runs.detail")), padding=False)
            choice = gr.Dropdown([], label=t("run.shown"), filterable=False)
            card = gr.HTML(padding=False)
            with gr.Row():
                cancel = gr.Button(t("run.cancel"), size="sm", visible=False, scale=0, min_width=110)
                resume = gr.Button(t("run.resume"), size="sm", visible=False, scale=0, min_width=110)
                again = gr.Button(
                    t("runs.again"), size="sm", visible=False, scale=0, min_width=230, elem_id="again"
                )
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
            run_chat.build(services, t, choice, card)
            run_export.build(services, t, choice, card)
        with gr.Column(scale=5, min_width=320):
            gr.HTML(parts.title(t("runs.compare")), padding=False)
            picked = gr.Dropdown([], label=t("runs.pick"), multiselect=True, max_choices=6)
            metric = gr.Dropdown(
                [(t(name), key) for key, name in METRICS.items()],
                value="objective/scores",
                label=t("runs.metric"),
                filterable=False,
            )
            chart = gr.Plot(show_label=False, visible=False)
            differing = gr.HTML(nothing_picked(t), padding=False)
    timer, seen = gr.Timer(2.0, active=False), gr.State("")
    list_outputs = [seen, listing, choice, picked]
    detail = [card, cancel, resume, again, facts, config, log]
    asked = gr.Textbox(visible=False)  # the settings to start again with, on their way to the browser

    def on_choice(run_id: str | None) -> tuple[Any, ...]:
        return details(services, run_id, t)

    def act(run_id: str | None, what: str) -> tuple[Any, ...]:
        if run_id:
            getattr(services.jobs, what)(run_id)
        return details(services, run_id, t)

    def poll(last: str, run_id: str | None) -> tuple[Any, ...]:
        listed = show(services, last, run_id, t)
        live = run_id and services.runs.read(run_id).status in LIVE
        changed = isinstance(listed[0], str)
        return (*listed, *(details(services, run_id, t) if live or changed else [gr.skip()] * len(detail)))

    timer.tick(poll, [seen, choice], [*list_outputs, *detail], **QUIET)
    choice.change(shown(on_choice, t), [choice], detail, **QUIET)
    cancel.click(shown(lambda run_id: act(run_id, "cancel"), t), [choice], detail, **WORK)
    resume.click(shown(lambda run_id: act(run_id, "resume"), t), [choice], detail, **WORK)
    again.click(
        shown(lambda run_id: settings_of(services, run_id), t), [choice], [asked], **QUIET
    ).then(None, [asked], None, js="(text) => playground.again(text)", api_visibility="private")  # fmt: skip
    choice.input(None, [choice], None, js="(run) => playground.shows('runs', run)", api_visibility="private")
    listing.select(selected, [listing], [choice], **QUIET)
    gr.on(
        [picked.change, metric.change],
        lambda ids, key: compare(services, ids or [], key, t),
        [picked, metric],
        [chart, differing],
        **QUIET,
    )
    return {
        "timer": timer,
        "refresh": {
            "fn": lambda run_id: show(services, "", run_id, t),
            "inputs": [choice],
            "outputs": list_outputs,
            "js": "(choice) => [playground.run('runs') || choice]",  # the run that the address names
        },
    }


def headers(t: Texts) -> list[str]:
    return [
        t("runs.what"),
        t("runs.state"),
        t("runs.started"),
        t("runs.time"),
        t("runs.result"),
        t("runs.id"),
    ]


def selected(rows: Any, event: gr.SelectData) -> str:
    """The id of the run whose row was clicked."""
    return str(rows.iloc[event.index[0], -1])


def row(record: RunRecord, stale: dict[str, str], t: Texts) -> list[str]:
    """One row of the list."""
    state = t("status." + record.status) + (f" · {t('status.stale')}" if record.id in stale else "")
    return [
        parts.run_title(record, t),
        state,
        parts.local_time(record.started),
        parts.duration(record.seconds, t),
        headline(record, t),
        record.id,
    ]


def headline(record: RunRecord, t: Texts) -> str:
    """The most important result of a run of this stage."""
    keys = {
        "sft": ("eval_loss", "loss"),
        "reward": ("accuracy",),
        "judge": ("accuracy",),
        "ppo": ("gold_mean", "score_gain"),
        "pretrain": ("eval_loss", "loss"),
    }.get(record.stage or "", ())
    key = next((k for k in keys if plots.finite(record.results.get(k)) is not None), None)
    return f"{t('result.' + key)} {parts.measured(record.results[key])}" if key else "–"


def show(services: Services, seen: str, current: str | None, t: Texts) -> tuple[Any, ...]:
    """The list of runs and the choices made from it; skips all outputs if nothing has changed."""
    records = services.runs.list()
    now = " ".join(f"{r.id}:{r.status}" for r in records) or "none"
    if now == seen:
        return (gr.skip(),) * 4
    stale = Lineage(services.runs, records).stale()
    choices = [(parts.run_label(r, t), r.id) for r in records]
    ids = {r.id for r in records}
    value = current if current in ids else records[0].id if records else None
    return (
        now,
        gr.Dataframe(value=[row(r, stale, t) for r in records]),
        gr.Dropdown(choices=choices, value=value),
        gr.Dropdown(choices=choices),
    )


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


def facts_html(record: RunRecord, t: Texts) -> str:
    """Results, parents, resources, machine and events of a run."""
    found = []
    results = [(k, v) for k, v in record.results.items() if t.has(f"result.{k}")]
    if results:
        rows = [[t(f"result.{key}"), shown_value(value)] for key, value in results]
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
    found += [parts.advice(f"{event.kind}: {event.message}") for event in record.events[-8:]]
    return "".join(found)


def config_html(record: RunRecord, t: Texts) -> str:
    """The settings of a run with their labels."""
    rows = [[t.label_of(name), shown_value(value)] for name, value in record.config.items() if value != ""]
    return parts.table([t("runs.config"), ""], rows, text_columns=2)


def settings_of(services: Services, run_id: str | None) -> str:
    """The settings that a run was asked for, as JSON for `playground.again` in page.js."""
    if not run_id:
        raise UserError("choose a run first", code=Code.RUN)
    record = services.runs.read(run_id)
    asked = to_dict(services.runs.asked(record))
    tab = job_card.TAB_OF.get(record.stage, record.stage)
    return json.dumps({"stage": record.stage, "tab": tab, "preset": record.preset, "values": asked})


def shown_value(value: Any) -> str:
    return (
        parts.number(value, 4)
        if isinstance(value, (int, float)) and not isinstance(value, bool)
        else str(value)
    )


def compare(services: Services, ids: Sequence[str], metric: str, t: Texts) -> tuple[Any, str]:
    """The curves of several runs in one chart, and the settings and results in which the runs differ."""
    if not ids:
        return gr.Plot(visible=False), nothing_picked(t)
    records = [services.runs.read(run_id) for run_id in ids]
    names = [f"{parts.run_title(r, t)} {r.id[-4:]}" for r in records]
    curves = {n: runs.read_metrics(services.workspace, r.id) for n, r in zip(names, records, strict=True)}
    drawn = drawable(metric, curves)
    return gr.Plot(
        plots.overlay(curves, drawn, t(METRICS.get(drawn, "chart.loss"))), visible=True
    ), differences(records, names, t)


def name_of(key: str, part: str, t: Texts) -> str:
    """The label of a setting or of a result."""
    if part == "results" and t.has(f"result.{key}"):
        return t(f"result.{key}")
    return t.label_of(key)


def nothing_picked(t: Texts) -> str:
    return f'<p class="quiet">{escape(t("runs.pick_two"))}</p>'


def drawable(metric: str, curves: Mapping[str, Sequence[dict[str, Any]]]) -> str:
    """The metric, or if none of the runs has it, the first one that some run has."""
    there = {key for rows in curves.values() for row in rows for key in row}
    return next((key for key in (metric, *METRICS) if key in there), metric)


def differences(records: Sequence[RunRecord], names: Sequence[str], t: Texts) -> str:
    """A table of the settings and scalar results whose values differ between the runs."""
    rows = []
    for part in ("config", "results"):
        sources = [getattr(record, part) for record in records]
        for key in dict.fromkeys(k for source in sources for k in source):
            values = [source.get(key) for source in sources]
            plain = all(v is None or isinstance(v, (int, float, str, bool)) for v in values)
            if plain and key not in WALL_CLOCK and len({repr(v) for v in values}) > 1:
                rows.append([name_of(key, part, t), *("–" if v is None else shown_value(v) for v in values)])
    if not rows:
        return f'<p class="quiet">{escape(t("runs.same"))}</p>'
    return parts.table([t("runs.differs"), *names], rows)

"""The runs tab: every run with its state; one in detail; several compared, with only what differs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import gradio as gr

from data.errors import UserError
from pipeline.runs import reader as runs
from pipeline.runs.lineage import Lineage
from pipeline.runs.record_file import RunRecord
from ui import parts, plots
from ui.events import QUIET, WORK, shown
from ui.parts import ENDED, LIVE, Services
from ui.texts import Texts

METRICS = (
    "objective/scores",
    "gold/mean",
    "objective/kl",
    "policy/entropy_avg",
    "loss/value_avg",
    "response/length",
    "loss",
    "eval_loss",
    "accuracy",
    "eval_accuracy",
    "margin",
    "grad_norm",
    "lr",
)
WALL_CLOCK = {"wall_seconds", "seconds"}


def build(services: Services, t: Texts) -> dict[str, Any]:
    """Draw the tab and bind its handlers. Returns its timer and the handler that fills it."""
    link = f' <a href="?view=api">{escape(t("runs.api"))}</a>'
    gr.HTML(parts.intro(t("intro.runs") + link), padding=False)
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
            facts = gr.HTML(padding=False)
            with gr.Accordion(t("runs.config"), open=False):
                config = gr.Code(language="json", interactive=False, show_label=False, max_lines=24)
            with gr.Accordion(t("runs.log"), open=False):
                log = gr.Textbox(
                    lines=12,
                    max_lines=20,
                    interactive=False,
                    show_label=False,
                    buttons=["copy"],
                    elem_classes="command",
                )
        with gr.Column(scale=5, min_width=320):
            gr.HTML(parts.title(t("runs.compare")), padding=False)
            picked = gr.Dropdown([], label=t("runs.pick"), multiselect=True, max_choices=6)
            metric = gr.Dropdown(
                list(METRICS), value="objective/scores", label=t("runs.metric"), filterable=False
            )
            chart = gr.Plot(show_label=False, visible=False)
            differing = gr.HTML(nothing_picked(t), padding=False)
    timer, seen = gr.Timer(2.0, active=False), gr.State("")
    list_outputs = [seen, listing, choice, picked]
    detail = [card, cancel, resume, facts, config, log]

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
    """One line of the list."""
    state = t("status." + record.status) + (f" · {t('status.stale')}" if record.id in stale else "")
    started = (record.started or "").replace("T", " ").removesuffix("Z")[:16]
    return [
        parts.run_title(record, t),
        state,
        started or "–",
        parts.duration(record.seconds, t),
        headline(record, t),
        record.id,
    ]


def headline(record: RunRecord, t: Texts) -> str:
    """The one figure by which a run of this stage is known."""
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
    """The list of runs and the choices made from it; skips all where nothing has changed."""
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
        return "", gr.Button(visible=False), gr.Button(visible=False), "", "", ""
    try:
        record = services.runs.read(run_id)
    except UserError as error:
        return (
            parts.advice(f"{error}. {t.advice(error.code)}", bad=True),
            gr.Button(visible=False),
            gr.Button(visible=False),
            "",
            "",
            "",
        )
    return (
        parts.job_card(record, t),
        gr.Button(visible=record.status in LIVE),
        gr.Button(visible=record.status in ENDED),
        facts_html(record, t),
        json.dumps(dict(record.config), indent=2, ensure_ascii=False),
        runs.tail_log(services.workspace, run_id, 60),
    )


def facts_html(record: RunRecord, t: Texts) -> str:
    """Results, parents, resources, machine and what happened on the way."""
    found = []
    results = {k: v for k, v in record.results.items() if isinstance(v, (int, float, str, bool))}
    if results:
        found.append(
            parts.table([t("runs.result"), ""], [[k, shown_value(v)] for k, v in list(results.items())[:24]])
        )
    parents = [f"{role}: {value}" for role, value in record.parents.to_json().items() if value]
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


def shown_value(value: Any) -> str:
    return (
        parts.number(value, 4)
        if isinstance(value, (int, float)) and not isinstance(value, bool)
        else str(value)
    )


def compare(services: Services, ids: Sequence[str], metric: str, t: Texts) -> tuple[Any, str]:
    """Curves of several runs in one chart, and the settings and results in which they differ."""
    if not ids:
        return gr.Plot(visible=False), nothing_picked(t)
    records = [services.runs.read(run_id) for run_id in ids]
    names = [f"{parts.run_title(r, t)} {r.id[-4:]}" for r in records]
    curves = {n: runs.read_metrics(services.workspace, r.id) for n, r in zip(names, records, strict=True)}
    drawn = drawable(metric, curves)
    return gr.Plot(plots.overlay(curves, drawn, drawn), visible=True), differences(records, names, t)


def nothing_picked(t: Texts) -> str:
    return f'<p class="quiet">{escape(t("runs.pick_two"))}</p>'


def drawable(metric: str, curves: Mapping[str, Sequence[dict[str, Any]]]) -> str:
    """The metric, or where none of the runs has it the first one that some run has."""
    there = {key for rows in curves.values() for row in rows for key in row}
    return next((key for key in (metric, *METRICS) if key in there), metric)


def differences(records: Sequence[RunRecord], names: Sequence[str], t: Texts) -> str:
    """A table of the settings and plain results whose values are not the same in all runs."""
    rows = []
    for part in ("config", "results"):
        sources = [getattr(record, part) for record in records]
        for key in dict.fromkeys(k for source in sources for k in source):
            values = [source.get(key) for source in sources]
            plain = all(v is None or isinstance(v, (int, float, str, bool)) for v in values)
            if plain and key not in WALL_CLOCK and len({repr(v) for v in values}) > 1:
                rows.append([key, *("–" if v is None else shown_value(v) for v in values)])
    if not rows:
        return f'<p class="quiet">{escape(t("runs.same"))}</p>'
    return parts.table([t("runs.differs"), *names], rows)

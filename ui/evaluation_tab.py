"""The evaluation tab: policies on held-out prompts, with charts, goals, and the reference table.

All numbers come from the results of `evaluate` and reward runs. `ui.evaluation_tables` has the tables.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

import gradio as gr
import plotly.graph_objects as go

from pipeline.runs.record_file import RunRecord
from ui import (
    evaluation_tables,
    evaluation_verdict,
    job_card,
    judged,
    parts,
    plots,
    prerequisites,
    terms,
)
from ui import form as forms
from ui.events import QUIET, WORK, shown
from ui.parts import Services
from ui.texts import Texts


def build(
    services: Services, t: Texts, preset: gr.Radio, opened: Sequence[Callable[..., Any]]
) -> dict[str, Any]:
    """Build the tab and bind its handlers. Returns its timer, its form and the handler that fills it.

    opened: the events that show the tab.
    """
    gr.HTML(parts.intro(terms.explained(t("intro.evaluation"), t)), padding=False)
    with gr.Row(elem_classes="pick-row"):
        choice = gr.Dropdown(
            [(t("run.newest"), "")], value="", label=t("run.shown"), filterable=False, scale=3
        )
        start = gr.Button(
            t("start.evaluate"), variant="primary", scale=0, min_width=190, elem_id="start-evaluate"
        )
    with gr.Accordion(t("evaluate.settings"), open=False):
        form = forms.build("evaluate", t)
        problem = gr.HTML(padding=False)
        command = gr.Textbox(
            label=t("form.command"), lines=1, interactive=False, buttons=["copy"], elem_classes="command"
        )
    card = gr.HTML(padding=False, elem_id="card-evaluate")
    cancel = gr.Button(t("run.cancel"), size="sm", visible=False, elem_id="cancel-evaluate")
    said = gr.HTML(padding=False, elem_id="evaluation-verdict")
    table = gr.HTML(padding=False, elem_id="evaluation-table", elem_classes="sheet")
    judged_table = gr.HTML(padding=False, elem_id="judged-table", elem_classes="sheet")
    with gr.Column(visible=False) as body:
        with gr.Column(elem_classes="charts wide"):
            charts = [gr.Plot(show_label=False) for _ in range(4)]
        with gr.Row(elem_classes="work"):
            targets = gr.HTML(padding=False, elem_classes="sheet")
            scorers = gr.HTML(padding=False, elem_classes="sheet")
    with gr.Row(elem_classes="work"):
        seed = gr.HTML(padding=False, elem_classes="sheet")
        rewards = gr.HTML(padding=False, elem_classes="sheet")
    timer, seen = gr.Timer(2.0, active=False), gr.State("")
    outputs = [
        seen, choice, card, cancel, said, table, judged_table, body, *charts, targets, scorers, seed, rewards
    ]  # fmt: skip

    def launch(preset_value: str, *values: Any) -> tuple[Any, ...]:
        changed = forms.overrides("evaluate", preset_value, form.names(), values)
        started = prerequisites.start(services, "evaluate", preset_value, [None], changed)
        gr.Info(t("start.done", count=len(started)), duration=4)
        return show(services, preset_value, "", "", t)

    def plan(preset_value: str, *values: Any) -> tuple[Any, ...]:
        changed = forms.overrides("evaluate", preset_value, form.names(), values)
        wrong = forms.problem("evaluate", preset_value, None, changed, t)
        missing = (
            []
            if wrong
            else prerequisites.missing_before(services, "evaluate", preset_value, ["bf16"], changed)
        )
        return (
            parts.problem(wrong),
            parts.command(services, "evaluate", preset_value, None, changed),
            gr.Button(prerequisites.start_label("evaluate", missing, t)),
        )

    def stop(preset_value: str, chosen: str | None) -> tuple[Any, ...]:
        record = shown_run(services.runs.list(), chosen or "")
        if record is not None:
            services.jobs.cancel(record.id)
        return show(services, preset_value, chosen or "", "", t)

    forms.on_change(form, [preset], plan, [problem, command, start], opened)
    forms.keep(form, preset)
    cancel.click(shown(stop, t), [preset, choice], outputs, **WORK)
    start.click(shown(launch, t), [preset, *form.components], outputs, **WORK)
    timer.tick(lambda p, c, s: show(services, p, c or "", s, t), [preset, choice, seen], outputs, **QUIET)
    choice.input(lambda p, c: show(services, p, c or "", "", t), [preset, choice], outputs, **QUIET)

    return {
        "timer": timer,
        "form": form,
        "refresh": {
            "fn": lambda preset_value: show(services, preset_value, "", "", t),
            "inputs": [preset],
            "outputs": outputs,
        },
    }


def show(services: Services, preset: str, choice: str, seen: str, t: Texts) -> tuple[Any, ...]:
    """The values of the tab's outputs; skips all of them if nothing has changed since `seen`."""
    everything = services.runs.list()
    own = [r for r in everything if r.stage == "evaluate"]
    record = shown_run(everything, choice)
    told = job_card.now(record, t) if record else []
    now = f"{choice} {preset} {told} " + " ".join(f"{r.id[-9:]}:{r.status}" for r in everything)
    if now == seen:
        return (gr.skip(),) * 16
    results = record.results if record else {}
    rows = results.get("table") or []
    choices = [(t("run.newest"), "")] + [(parts.run_label(r, t), r.id) for r in own]
    return (
        now,
        gr.Dropdown(choices=choices, value=choice if any(choice == c[1] for c in choices) else ""),
        job_card.card(record, t) if record else "",
        gr.Button(visible=record is not None and record.status in parts.LIVE),
        verdict_html(rows, t) if rows else "",
        evaluation_tables.policies_table(rows, t)
        if rows
        else f'<p class="quiet">{escape(t("evaluate.none"))}</p>',
        judged.judged_html(results, t),
        gr.Column(visible=bool(rows)),
        *(figures(rows, t) if rows else [None] * 4),
        evaluation_tables.targets_html(results.get("targets") or {}, t),
        evaluation_tables.scorers_html(rows, t),
        evaluation_tables.seed_html(rows, t),
        evaluation_tables.rewards_html(everything, preset, t),
    )


def shown_run(records: Sequence[RunRecord], choice: str) -> RunRecord | None:
    """The chosen evaluation; without a choice the running or waiting one, else the newest done one."""
    own = [r for r in records if r.stage == "evaluate"]
    chosen = [r for r in own if r.id == choice]
    live = [r for r in own if r.status in parts.LIVE]
    done = [r for r in own if r.status == "done"]
    return next(iter([*chosen, *live, *done, *own]), None)


def verdict_html(rows: Sequence[Mapping[str, Any]], t: Texts) -> str:
    """The verdict as a short list."""
    return parts.title(t("evaluate.verdict")) + parts.reading(evaluation_verdict.verdict(rows, t))


def figures(rows: Sequence[Mapping[str, Any]], t: Texts) -> list[go.Figure]:
    """Gold and gain as bars, then against KL with the goal of 0.2 nats per token; all with 95 % intervals."""
    gold = {r["policy"]: r.get("gold") for r in rows}
    gain = {r["policy"]: r.get("score_gain") for r in rows if r["policy"] != "sft"}
    of_gold, of_gain = evaluation_verdict.gold_intervals(rows), evaluation_verdict.gain_intervals(rows)
    limit = (0.2, t("evaluate.kl_goal"))
    at = {r["policy"]: r.get("kl_per_token") if r["policy"] != "sft" else 0.0 for r in rows}
    return [
        plots.bars(t("evaluate.gold_bars"), gold, errors=of_gold),
        plots.bars(t("evaluate.gain_bars"), gain, errors=of_gain, line=(0.18, t("evaluate.goal"))),
        plots.frontier(
            {p: (at[p], gold[p]) for p in gold},
            t("evaluate.gold_kl"),
            t("evaluate.kl_token"),
            t("evaluate.gold"),
            limit,
            of_gold,
        ),
        plots.frontier(
            {p: (at[p], v) for p, v in gain.items()},
            t("evaluate.gain_kl"),
            t("evaluate.kl_token"),
            t("evaluate.score_gain"),
            limit,
            of_gain,
        ),
    ]

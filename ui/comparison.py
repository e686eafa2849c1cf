"""The comparison of runs: one chart of all of them, what differs, and their answers to the same prompt.

The section holds no state of a run: while runs train, a timer draws the chart from their folders. Seeds
collapse to their mean and a band of one standard deviation (`ui.arms`, `evaluation.curves`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from statistics import fmean, stdev
from typing import Any

import gradio as gr
import plotly.graph_objects as go

from evaluation import curves
from pipeline.runs import reader as runs
from pipeline.runs.record_file import RunRecord
from ui import arms, parts, plots, run_answers, run_list
from ui.arms import Group
from ui.events import QUIET
from ui.parts import Services
from ui.texts import Texts

METRICS = {  # curves to compare, with the keys of their names
    "objective/scores_standardised": "chart.reward_sd",
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
    "tokens_per_second": "chart.throughput",
    "rss_gb": "chart.memory",
    "cuda_gb": "chart.gpu_memory",
}
WALL_CLOCK = frozenset({"wall_seconds", "seconds"})
FIRST = "objective/scores_standardised"
MOST_COLUMNS = 12  # groups in the table
Rows = Mapping[str, Sequence[Mapping[str, Any]]]  # by run id


def build(services: Services, t: Texts, timer: gr.Timer, words: gr.Textbox) -> gr.Dropdown:
    """Build the section and bind its handlers; `timer` draws the chart again while runs train.

    words: the filter of the list of runs, for the button that takes all of the list. Returns the choice of
    runs.
    """
    gr.HTML(parts.title(t("runs.compare")), padding=False)
    picked = gr.Dropdown([], label=t("runs.pick"), multiselect=True, elem_id="compare-picked")
    with gr.Row(elem_classes="compare-tools"):
        newest = gr.Button(t("compare.newest"), size="sm", min_width=150, scale=0, elem_id="compare-newest")
        listed = gr.Button(t("compare.listed"), size="sm", min_width=150, scale=0, elem_id="compare-listed")
    with gr.Row(elem_classes="compare-tools"):
        metric = gr.Dropdown(
            [(t(name), key) for key, name in METRICS.items()],
            value=FIRST, label=t("runs.metric"), filterable=False, min_width=220, elem_id="compare-metric",
        )  # fmt: skip
        axis = gr.Dropdown(
            [(t(f"axis.{name}"), name) for name in curves.AXES],
            value="step", label=t("compare.axis"), filterable=False, min_width=170, elem_id="compare-axis",
        )  # fmt: skip
        smoothing = gr.Slider(
            0, 0.95, 0, step=0.05, label=t("compare.smoothing"), min_width=170, buttons=[],
            elem_id="compare-smoothing",
        )  # fmt: skip
    chart = gr.Plot(show_label=False, visible=False, elem_id="compare-chart")
    table = gr.HTML(nothing_picked(t), padding=False, elem_id="compare-table")
    prompt, answers, answered = run_answers.build(t)
    # The prompts change with the runs, and a choice refuses a value that lags behind them; this takes any.
    asked = gr.Textbox(visible=False)
    seen = gr.State("")
    inputs = [picked, metric, axis, smoothing, asked]
    outputs = [seen, metric, chart, table, answered, prompt, answers]

    def poll(last: str, ids: Sequence[str] | None, *how: Any) -> tuple[Any, ...]:
        return show(services, last, ids or [], Look(*how), t)

    def draw(ids: Sequence[str] | None, *how: Any) -> tuple[Any, ...]:
        return show(services, "", ids or [], Look(*how), t)

    gr.on([picked.change, metric.input, axis.input, smoothing.release], draw, inputs, outputs, **QUIET)
    timer.tick(poll, [seen, *inputs], outputs, **QUIET)
    prompt.input(None, [prompt], [asked], js="(prompt) => prompt", api_visibility="private").then(
        lambda ids, said: run_answers.rows(services, ids or [], said, t), [picked, asked], [answers], **QUIET
    )
    newest.click(lambda: arms.newest_arms(services.runs.list()), None, [picked], **QUIET)
    listed.click(
        lambda text: [r.id for r in run_list.matching(services.runs.list(), text, t)],
        [words],
        [picked],
        **QUIET,
    )
    return picked


@dataclass(frozen=True)
class Look:
    """What the visitor has chosen besides the runs: a key of METRICS, the x axis, the weight of the
    smoothing, and the prompt whose answers are shown."""

    metric: str = FIRST
    axis: curves.Axis = "step"
    smoothing: float = 0.0
    prompt: str | None = None


def show(services: Services, seen: str, ids: Sequence[str], look: Look, t: Texts) -> tuple[Any, ...]:
    """The values of the section's outputs; skips all of them if nothing has changed since `seen`."""
    records = known_runs(services, ids)
    now = f"{look.metric} {look.axis} {look.smoothing} " + " ".join(
        f"{r.id}:{r.status}:{size(services, r)}" for r in records
    )
    if now == seen:
        return (gr.skip(),) * 7
    if not records:
        return now, gr.skip(), gr.Plot(visible=False), nothing_picked(t), *run_answers.nothing()
    rows = {record.id: metrics_of(services, record) for record in records}
    there = {key for found in rows.values() for row in found for key in row}
    drawn = drawable(look.metric, there)
    groups = arms.groups(records, t)
    figure = chart_of(groups, rows, drawn, look, t)
    return (
        now,
        drawn,
        gr.Plot(figure, visible=bool(figure.data)),
        differences(groups, t),
        *run_answers.show(services, records, look.prompt, t),
    )


def known_runs(services: Services, ids: Sequence[str]) -> list[RunRecord]:
    """The picked runs that are still there; a deleted or damaged one is left out."""
    records = {record.id: record for record in services.runs.list() if not record.damaged}
    return [records[run_id] for run_id in ids if run_id in records]


def size(services: Services, record: RunRecord) -> int:
    """The size of a run's metrics, by which one sees that there is more to draw."""
    path = services.workspace.run(record.id) / "metrics.jsonl"
    return path.stat().st_size if path.exists() else 0


def metrics_of(services: Services, record: RunRecord) -> list[dict[str, Any]]:
    """The rows of a run's metrics, with time, tokens, distance, throughput and memory."""
    batch = record.config.get("batch_size") if record.stage == "ppo" else None
    rows = curves.with_derived(
        runs.read_metrics(services.workspace, record.id), batch if isinstance(batch, int) else None
    )
    memory = {row.get("step"): row for row in runs.read_memory(services.workspace, record.id)}
    for row in rows:
        used = memory.get(row.get("step"), {})
        for name in ("rss", "cuda"):
            if (amount := plots.finite(used.get(f"{name}_bytes"))) is not None:
                row[f"{name}_gb"] = amount / 1e9
    return rows


def drawable(metric: str, there: set[str]) -> str:
    """The metric, or if none of the runs has it, the first one that some run has."""
    return next((key for key in (metric, *METRICS) if key in there), metric)


def chart_of(groups: Sequence[Group], rows: Rows, metric: str, look: Look, t: Texts) -> go.Figure:
    """One line per group: a run, or the mean of its seeds with a band of one standard deviation."""
    figure = plots.empty(t(METRICS.get(metric, "chart.loss")), height=360)
    for group in groups:
        found = [curves.curve(rows[run.id], metric, look.axis) for run in group.runs]
        found = [one for one in found if any(y is not None for y in one.y)]
        if len(found) > 1:
            plots.add_band(figure, curves.band(found), look.smoothing, group.label, group.colour, group.dash)
        elif found:
            plots.add_run(figure, found[0], look.smoothing, group.label, group.colour, group.dash)
    figure.update_xaxes(title={"text": t(f"axis.{look.axis}"), "standoff": 6})
    below = {"orientation": "h", "x": 0, "xanchor": "left", "y": -0.24, "yanchor": "top"}
    closest = "closest" if look.axis != "step" or len(groups) > 8 else "x unified"
    return figure.update_layout(showlegend=True, hovermode=closest, margin={"t": 40, "b": 100}, legend=below)


def nothing_picked(t: Texts) -> str:
    return f'<p class="quiet">{escape(t("runs.pick_two"))}</p>'


def differences(groups: Sequence[Group], t: Texts) -> str:
    """A table of the settings that differ between the groups, and of their results: mean and standard
    deviation."""
    shown = groups[:MOST_COLUMNS]
    configs = [group.config for group in shown]
    rows = [
        [t.label_of(name), *(parts.shown_value(config.get(name, "–")) for config in configs)]
        for name in arms.differing(configs)
        if name not in arms.NOT_COMPARED
    ]
    results = [[run.results for run in group.runs] for group in shown]
    for name in dict.fromkeys(key for group in results for one in group for key in one):
        cells = [mean_of([plots.finite(one.get(name)) for one in group]) for group in results]
        if t.has(f"result.{name}") and name not in WALL_CLOCK and len(set(cells)) > 1:
            rows.append([t(f"result.{name}"), *cells])
    if not rows:
        return f'<p class="quiet">{escape(t("runs.same"))}</p>' if len(groups) > 1 else nothing_picked(t)
    heads = [parts.policy_mark(group.label, group.colour) for group in shown]
    note = t("compare.first", count=MOST_COLUMNS) if len(groups) > MOST_COLUMNS else t("compare.note")
    table = parts.table([t("runs.differs"), *heads], rows)
    return table + f'<p class="quiet small">{escape(note)}</p>'


def mean_of(values: Sequence[float | None]) -> str:
    """ "0.71 ± 0.02" over the seeds, a single value, or an en dash."""
    known = [value for value in values if value is not None]
    if not known:
        return "–"
    text = parts.measured(fmean(known))
    return f"{text} ± {parts.measured(stdev(known), 2)}" if len(known) > 1 else text

"""Calibration of the reward models: a reliability diagram, a table and one sentence.

All numbers come from the results of reward runs (`evaluation.reward_metrics`); this module measures nothing.
Each point of the diagram is a bin of test pairs: its x is the model's mean confidence in its choice, its y
the share of correct choices. Below the diagonal the model is over-confident.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

import gradio as gr
import plotly.graph_objects as go

from data.policies import PRECISIONS
from pipeline.runs.record_file import RunRecord
from ui import parts, plots
from ui.events import QUIET
from ui.parts import Mark, Services
from ui.texts import Texts
from ui.theme import COLOURS

GOOD_ECE = 0.05
Results = Mapping[str, Mapping[str, Any]]  # precision -> results of its newest run


def build(services: Services, t: Texts, preset: gr.Radio, timer: gr.Timer) -> dict[str, Any]:
    """Build the section; it stays hidden until a run has a calibration, and `timer` updates it.

    Returns the handler that fills it.
    """
    with gr.Column(visible=False, elem_id="calibration") as body:
        gr.HTML(parts.title(t("calibration.title")), padding=False)
        with gr.Row(elem_classes="work"):
            with gr.Column(scale=6, min_width=320):
                chart = gr.Plot(show_label=False)
            with gr.Column(scale=5, min_width=320):
                table = gr.HTML(padding=False, elem_classes="sheet")
                said = gr.HTML(padding=False)
    seen = gr.State("")
    outputs = [seen, body, chart, table, said]
    timer.tick(lambda p, s: show(services, p, s, t), [preset, seen], outputs, **QUIET)
    preset.change(lambda p: show(services, p, "", t), [preset], outputs, **QUIET)
    return {"fn": lambda p: show(services, p, "", t), "inputs": [preset], "outputs": outputs}


def show(services: Services, preset: str, seen: str, t: Texts) -> tuple[Any, ...]:
    """The values of the section's outputs; skips all of them if nothing has changed since `seen`."""
    done = newest(services.runs.list(), preset)
    now = f"{preset} " + " ".join(r.id for r in done.values())
    if now == seen:
        return (gr.skip(),) * 5
    results = {precision: r.results for precision, r in done.items()}
    if not any(r.get("calibration") for r in results.values()):
        return now, gr.Column(visible=False), None, "", ""
    return now, gr.Column(visible=True), diagram(results, t), table(results, t), reading(results, t)


def newest(records: Iterable[RunRecord], preset: str) -> dict[str, RunRecord]:
    """The newest finished reward run per precision; `records` are ordered newest first."""
    found: dict[str, RunRecord] = {}
    for record in records:
        if record.stage == "reward" and record.status == "done" and record.preset == preset:
            found.setdefault(str(record.precision), record)
    return {precision: found[precision] for precision in PRECISIONS if precision in found}


def diagram(results: Results, t: Texts) -> go.Figure:
    """Accuracy against confidence per bin, the diagonal, and below them the number of pairs per bin."""
    figure = plots.empty("", height=360)
    figure.add_scatter(
        x=[0.5, 1], y=[0.5, 1], mode="lines", name=t("calibration.ideal"), hoverinfo="skip",
        line={"color": plots.GREY, "dash": "dot", "width": 1.5},
    )  # fmt: skip
    lowest = 0.5
    for precision, result in results.items():
        bins = result.get("calibration") or []
        if not bins:
            continue
        lowest = min(lowest, *(b["accuracy"] for b in bins))
        counts = [b["count"] for b in bins]
        figure.add_scatter(
            x=[b["confidence"] for b in bins], y=[b["accuracy"] for b in bins], customdata=counts,
            mode="lines+markers", name=precision, legendgroup=precision,
            line={"color": COLOURS[precision], "width": 2}, marker={"size": 7},
            hovertemplate=t("calibration.hover"),
        )  # fmt: skip
        figure.add_bar(
            x=[(b["low"] + b["high"]) / 2 for b in bins], y=counts, yaxis="y2", name=precision,
            legendgroup=precision, showlegend=False, marker={"color": COLOURS[precision]},
            hovertemplate="%{y}",
        )  # fmt: skip
    figure.update_xaxes(title=t("calibration.confidence"), range=[0.49, 1.01], tickformat=".0%", anchor="y2")
    return figure.update_layout(
        yaxis={
            "title": t("calibration.accuracy"), "range": [lowest - 0.02, 1.02], "tickformat": ".0%",
            "domain": [0.3, 1],
        },
        yaxis2={"title": t("calibration.pairs"), "domain": [0, 0.2], "gridcolor": plots.GRID, "nticks": 3},
        hovermode="closest", showlegend=True, bargap=0.15, margin={"l": 56, "b": 44, "t": 40},
        legend={"x": 0, "xanchor": "left", "y": 1.02, "yanchor": "bottom"},
    )  # fmt: skip


def table(results: Results, t: Texts) -> str:
    """One row per precision: accuracy with its interval, the best accuracy that the noisy labels allow, AUC,
    ECE and Brier score."""
    body = [
        [
            Mark(parts.policy_mark(precision, COLOURS[precision])),
            parts.with_interval(result.get("accuracy"), result.get("accuracy_ci")),
            parts.percent(result.get("bayes_accuracy")),
            parts.measured(result.get("auc")),
            parts.measured(result.get("ece"), 2),
            parts.measured(result.get("brier"), 2),
        ]
        for precision, result in results.items()
    ]
    head = [t("evaluate.rm"), t("evaluate.accuracy"), t("evaluate.ceiling"), "AUC", "ECE", "Brier"]
    return parts.title(t("evaluate.rewards")) + parts.table(head, body)


def reading(results: Results, t: Texts) -> str:
    """One sentence about the reward model with the largest calibration error."""
    drawn = {precision: r for precision, r in results.items() if r.get("calibration")}
    known = {precision: r for precision, r in drawn.items() if plots.finite(r.get("ece")) is not None}
    if not known:
        return ""
    worst = max(known, key=lambda p: known[p]["ece"])
    points = f"{100 * known[worst]['ece']:.0f}"
    if known[worst]["ece"] <= GOOD_ECE:
        return parts.reading([("good", t("calibration.good", points=points))])
    key = "calibration.over" if overconfidence(known[worst]["calibration"]) > 0 else "calibration.under"
    note = escape(t("calibration.note"))
    return parts.reading([("warn", t(key, name=worst, points=points))]) + f'<p class="quiet small">{note}</p>'


def overconfidence(bins: Iterable[Mapping[str, Any]]) -> float:
    """Mean of confidence minus accuracy over all pairs; positive for an over-confident model."""
    bins = list(bins)
    return sum(b["count"] * (b["confidence"] - b["accuracy"]) for b in bins) / sum(b["count"] for b in bins)

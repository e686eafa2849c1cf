"""Over-optimisation of one PPO run: the reward model's score and a better measure over the distance from SFT.

Live, the better measure is gold where the data have one. After an evaluation with a judge it is the judge, at
PPO's snapshots. Below the chart stand the alarm (`evaluation.alarm`) and the best step, which a button puts
to use.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import gradio as gr
import plotly.graph_objects as go

from data.errors import Code, UserError
from evaluation import alarm, curves
from pipeline.commands.promote import Best, best_snapshot, judged_points, promote
from pipeline.runs import reader as runs
from pipeline.runs import snapshots
from pipeline.runs.record_file import RunRecord
from ui import parts, plots, run_view
from ui.events import QUIET, WORK, shown
from ui.parts import LIVE, Services
from ui.reading import Reading
from ui.texts import Texts
from ui.theme import COLOURS

JUDGE_COLOUR = "#b5478c"
Rows = Sequence[Mapping[str, Any]]


def build(services: Services, t: Texts, choice: gr.Dropdown, timer: gr.Timer) -> dict[str, Any]:
    """Build the section for the run of `choice`; hidden while that run has no step. Returns the handler that
    fills it for a run."""
    with gr.Column(visible=False, elem_id="overoptimisation") as body:
        gr.HTML(parts.title(t("over.title")), padding=False)
        with gr.Row(elem_classes="work"):
            with gr.Column(scale=6, min_width=320):
                chart = gr.Plot(show_label=False)
            with gr.Column(scale=5, min_width=320):
                said = gr.HTML(padding=False, elem_id="over-says")
                use = gr.Button(visible=False, size="sm", elem_id="over-use")
                command = gr.HTML(padding=False)
    seen, step = gr.State(""), gr.State(None)
    outputs = [seen, body, chart, said, use, command, step]

    def fill(chosen: str | None, last: str = "") -> tuple[Any, ...]:
        return show(services, chosen or "", last, t)

    def take(chosen: str | None, wanted: int | None) -> tuple[Any, ...]:
        record = run_view.find(run_view.stage_runs(services, "ppo"), chosen or "")
        if record is None or wanted is None:
            raise UserError(t("over.nothing"), code=Code.STATE)
        promote(services.workspace, record.id, wanted)
        gr.Info(t("over.taken", step=wanted), duration=6)
        return fill(chosen)

    timer.tick(lambda chosen, last: fill(chosen, last), [choice, seen], outputs, **QUIET)
    choice.change(lambda chosen: fill(chosen), [choice], outputs, **QUIET)
    use.click(shown(take, t), [choice, step], outputs, **WORK)
    return {"fn": fill, "outputs": outputs}


def show(services: Services, choice: str, seen: str, t: Texts) -> tuple[Any, ...]:
    """The values of the section's outputs; skips them if nothing has changed since `seen`."""
    record = run_view.find(run_view.stage_runs(services, "ppo"), choice)
    rows = runs.read_metrics(services.workspace, record.id) if record else []
    judged = judged_points(services.runs, record) if record else []
    now = f"{record.id if record else ''} {record.status if record else ''} {len(rows)} {len(judged)}"
    if now == seen:
        return (gr.skip(),) * 7
    points = [point for row in rows if (point := alarm.Point.from_metrics(row))]
    if record is None or not points or record.against_gold:
        return now, gr.Column(visible=False), None, "", gr.Button(visible=False), "", None
    best = best_of(services, record)
    useful = (
        best is not None
        and not best.is_last
        and record.status not in LIVE
        and is_kept(services, record, best)
    )
    said = parts.reading(reading(points, judged, best, t))
    note = f'<p class="quiet small">{escape(t("over.note"))}</p>'
    return (
        now,
        gr.Column(visible=True),
        figure(rows, judged, t),
        said + note,
        gr.Button(t("over.use", step=best.step) if best and useful else "", visible=useful),
        command(record, best, t) if best and useful else "",
        best.step if best else None,
    )


def best_of(services: Services, record: RunRecord) -> Best | None:
    """The best step of a run; None where no better measure than the score is known."""
    try:
        return best_snapshot(services.workspace, record.id, services.runs)
    except UserError:
        return None


def is_kept(services: Services, record: RunRecord, best: Best) -> bool:
    return best.step in snapshots.found(services.workspace.run(record.id))


def command(record: RunRecord, best: Best, t: Texts) -> str:
    """The same on the command line, and how the snapshot is exported."""
    lines = (
        f"python -m pipeline promote {record.id} --step {best.step}",
        f"python -m pipeline export {record.id} --step {best.step} --to DIR",
    )
    text = "".join(f"<code>{escape(line)}</code><br>" for line in lines)
    return f'<p class="quiet small">{escape(t("over.command"))}</p><p class="small">{text}</p>'


def figure(rows: Rows, judged: Rows, t: Texts) -> go.Figure:
    """Score (left, in sd of SFT) and gold (right) over the root of the KL, as points with their smoothed
    path; the judge, with its interval, at the snapshots."""
    found = plots.empty("", height=340)
    known = curves.with_derived(list(rows))
    path(
        found,
        curves.curve(known, "objective/scores_standardised", "distance"),
        t("over.score"),
        plots.MAIN,
        "y",
    )
    gold = curves.curve(known, "gold/mean", "distance")
    if gold.steps:
        path(found, gold, t("line.gold"), COLOURS["gold"], "y2")
    add_judge(found, judged, t)
    found.update_xaxes(title={"text": t("axis.distance"), "standoff": 6}, rangemode="tozero")
    return found.update_layout(
        yaxis={"title": t("over.sd")},
        yaxis2={
            "title": t("line.gold"), "overlaying": "y", "side": "right", "showgrid": False,
            "visible": bool(gold.steps),
        },
        showlegend=True, hovermode="closest", margin={"l": 52, "r": 52, "t": 20, "b": 76},
        legend={"orientation": "h", "x": 0, "xanchor": "left", "y": -0.2, "yanchor": "top"},
    )  # fmt: skip


def path(found: go.Figure, curve: curves.Curve, name: str, colour: str, axis: str) -> None:
    """The points of one measure, and their path: means of a few steps on both axes."""
    values = [y if y is not None else math.nan for y in curve.y]
    found.add_scatter(
        x=list(curve.x), y=values, customdata=list(curve.steps), yaxis=axis, mode="markers", showlegend=False,
        marker={"size": 5, "color": colour, "opacity": 0.35},
        hovertemplate="%{customdata}: %{y:.3f}<extra></extra>",
    )  # fmt: skip
    found.add_scatter(
        x=alarm.trailing(curve.x), y=alarm.trailing(values), yaxis=axis, mode="lines", name=name,
        line={"color": colour, "width": 2.5}, hoverinfo="skip",
    )  # fmt: skip


def add_judge(found: go.Figure, judged: Rows, t: Texts) -> None:
    """The judge's gain with its 95 % interval, and the policy's own reward model on the same prompts."""
    points = [p for p in judged if plots.finite(distance(p)) is not None]
    for key, name, colour, symbol in (
        ("judge_gain", t("over.judge"), JUDGE_COLOUR, "circle"),
        ("own_gain", t("over.own"), plots.MAIN, "square-open"),
    ):
        known = [p for p in points if plots.finite(p.get(key)) is not None]
        if not known:
            continue
        spans = [p.get(f"{key}_ci") or [p[key], p[key]] for p in known]
        found.add_scatter(
            x=[distance(p) for p in known], y=[p[key] for p in known], name=name, mode="lines+markers",
            customdata=[p["step"] for p in known], hovertemplate="%{customdata}: %{y:.2f}<extra></extra>",
            line={"color": colour, "dash": "dot"}, marker={"size": 10, "symbol": symbol, "color": colour},
            error_y={
                "type": "data", "symmetric": False, "color": colour, "thickness": 1.2,
                "array": [high - p[key] for p, (_, high) in zip(known, spans, strict=True)],
                "arrayminus": [p[key] - low for p, (low, _) in zip(known, spans, strict=True)],
            },
        )  # fmt: skip


def distance(point: Mapping[str, Any]) -> float | None:
    """The root of the KL of a point by step; an earlier evaluation has the KL per token and the length
    only."""
    kl = plots.finite(point.get("kl_per_sequence"))
    if kl is None:
        each, length = plots.finite(point.get("kl_per_token")), plots.finite(point.get("length"))
        kl = None if each is None or length is None else each * length
    return None if kl is None else math.sqrt(max(0.0, kl))


def reading(points: Sequence[alarm.Point], judged: Rows, best: Best | None, t: Texts) -> Reading:
    """The alarm, by the best measure there is, how often it was right, and the best step."""
    by_step = {int(p["step"]): plots.finite(p.get("judge_gain")) for p in judged}
    known = [
        alarm.Point(p.step, p.score, p.kl, p.length, p.entropy, p.gold, by_step.get(p.step)) for p in points
    ]
    values = alarm.signals(known)
    said: Reading = []
    name = next((one for one in ("judge", "gold") if one in values), None)
    if name is None:
        return [("note", t("over.unknown"))]
    measured = alarm.measured() if name == "gold" else None  # the judge of the measurement saw words only
    limit = measured.threshold(name) if measured else alarm.UNMEASURED[name]
    since = alarm.first_above(known, values[name], limit)
    if since is None:
        said.append(("good", t(f"over.calm.{name}")))
    else:
        fall = f"{values[name][-1]:.2f}"
        said.append(("warn", t(f"over.alarm.{name}", step=since, fall=fall)))
    if measured and (row := measured.row(name)):
        said.append(("note", told(row, measured, t)))
    if best:
        key = "over.best_last" if best.is_last else "over.best"
        said.append(("note", t(key, step=best.step, value=f"{best.value:.2f}", by=t(f"over.by.{best.by}"))))
    return said


def told(row: Mapping[str, Any], measured: alarm.Measured, t: Texts) -> str:
    """How often the alarm was right on runs whose end is known."""
    return t(
        "over.measured",
        runs=measured.runs,
        harmed=row["positives"],
        caught=parts.with_interval(row["caught"], row["caught_ci"]),
        false=parts.with_interval(row["false_alarms"], row["false_alarms_ci"]),
    )

"""Plotly figures of the page, from rows of metrics.jsonl and from results. No Gradio and no file access.

Every figure has a fixed height and a constant `uirevision`, so that a live chart keeps its zoom and does
not flicker. A missing or non-finite value is a gap in its line, never a zero.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import plotly.graph_objects as go

from evaluation.curves import Band, Curve, smoothed
from ui.theme import COLOURS

HEIGHT = 210
MOST_POINTS = 400
GREY = "#8792a8"
GRID = "rgba(135,146,168,.22)"
Texts = Callable[..., str]
# Shapes and sizes of the policies in a scatter.
SYMBOLS = (("circle-open", 20), ("square-open", 15), ("diamond-open", 13), ("cross-thin-open", 12))


@dataclass(frozen=True)
class Line:
    """One line of a chart. It shows the first of `keys` that a metrics row contains."""

    name: str
    keys: Sequence[str]
    colour: str
    dash: str = "solid"


@dataclass(frozen=True)
class Chart:
    """One live chart: its title's text key, its lines, and horizontal marks as (value, text key)."""

    title: str
    lines: Sequence[Line]
    marks: Sequence[tuple[float, str]] = field(default_factory=tuple)


MAIN, SECOND = COLOURS["bf16"], COLOURS["int4"]
LEARNING_RATE = Chart("chart.lr", [Line("lr", ("lr", "learning_rate"), MAIN)])
GRAD_NORM = Chart("chart.grad_norm", [Line("grad_norm", ("grad_norm",), MAIN)])
CHARTS: dict[str, list[Chart]] = {
    "pretrain": [
        Chart("chart.loss", [Line("train", ("loss",), MAIN), Line("validation", ("eval_loss",), SECOND)]),
        LEARNING_RATE,
        GRAD_NORM,
    ],
    "sft": [
        Chart("chart.loss", [Line("train", ("loss",), MAIN), Line("validation", ("eval_loss",), SECOND)]),
        Chart(
            "chart.token_accuracy",
            [
                Line("train", ("mean_token_accuracy",), MAIN),
                Line("validation", ("eval_mean_token_accuracy",), SECOND),
            ],
        ),
        LEARNING_RATE,
        GRAD_NORM,
    ],
    "reward": [
        Chart(
            "chart.accuracy",
            [Line("train", ("accuracy",), MAIN), Line("validation", ("eval_accuracy",), SECOND)],
            marks=[(0.5, "mark.chance")],
        ),
        Chart(
            "chart.margin", [Line("train", ("margin",), MAIN), Line("validation", ("eval_margin",), SECOND)]
        ),
        Chart("chart.loss", [Line("train", ("loss",), MAIN), Line("validation", ("eval_loss",), SECOND)]),
        LEARNING_RATE,
        GRAD_NORM,
    ],
    "ppo": [
        Chart("chart.reward", [Line("score", ("objective/scores",), MAIN)]),
        Chart("chart.gold", [Line("gold", ("gold/mean",), COLOURS["gold"])]),
        Chart("chart.kl", [Line("KL", ("objective/kl",), MAIN)]),
        Chart("chart.entropy", [Line("entropy", ("policy/entropy_avg",), MAIN)]),
        Chart("chart.value_loss", [Line("value loss", ("loss/value_avg",), MAIN)]),
        Chart("chart.clip", [Line("clip fraction", ("policy/clipfrac_avg",), MAIN)]),
        Chart("chart.length", [Line("tokens", ("response/length",), MAIN)]),
        GRAD_NORM,
        LEARNING_RATE,
    ],
}


def finite(value: object) -> float | None:
    """The value as a float, or None if it is missing or not finite."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return None
    return float(value)


def series(rows: Sequence[dict], keys: Sequence[str]) -> tuple[list, list]:
    """Steps and values of a metric. Rows without the metric are skipped; a null in a row is a gap."""
    steps, values = [], []
    for row in rows:
        key = next((k for k in keys if k in row), None)
        if key is not None and "step" in row:
            steps.append(row["step"])
            values.append(finite(row[key]))
    return thinned(steps, values)


def thinned(xs: list, ys: list) -> tuple[list, list]:
    """At most about MOST_POINTS of the points; the last one and all gaps stay."""
    stride = max(1, math.ceil(len(xs) / MOST_POINTS))
    if stride == 1:
        return xs, ys
    keep = [i for i in range(len(xs)) if i % stride == 0 or i == len(xs) - 1 or ys[i] is None]
    return [xs[i] for i in keep], [ys[i] for i in keep]


def empty(title: str, height: int = HEIGHT) -> go.Figure:
    """An empty figure with the page's style: a transparent background, readable on light and dark."""
    figure = go.Figure()
    figure.update_layout(
        title={"text": title, "font": {"size": 13}, "x": 0.01, "y": 0.97, "yanchor": "top"},
        height=height,
        autosize=True,
        margin={"l": 48, "r": 12, "t": 34, "b": 30},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"color": GREY, "size": 11, "family": "system-ui, sans-serif"},
        uirevision="keep",
        showlegend=False,
        hovermode="x unified",
        hoverlabel={"bgcolor": "#1c2233", "font": {"color": "#f3f5fa"}},
        legend={"orientation": "h", "x": 1, "xanchor": "right", "y": 1.17, "font": {"size": 10}},
    )
    figure.update_xaxes(gridcolor=GRID, zeroline=False, linecolor=GRID)
    figure.update_yaxes(gridcolor=GRID, zeroline=False, linecolor=GRID)
    return figure


def live(chart: Chart, rows: Sequence[dict], t: Texts) -> go.Figure:
    """A chart of one run's metrics."""
    figure = empty(t(chart.title))
    drawn = 0
    for line in chart.lines:
        steps, values = series(rows, line.keys)
        if any(v is not None for v in values):
            drawn += 1
            few = len(steps) < 25
            figure.add_scatter(
                x=steps,
                y=values,
                name=t("line." + line.name.replace(" ", "_").lower()),
                mode="lines+markers" if few else "lines",
                marker={"size": 4},
                line={"color": line.colour, "width": 2, "dash": line.dash},
                connectgaps=False,
            )
    for value, text in chart.marks:
        figure.add_hline(
            y=value,
            line={"color": GREY, "dash": "dot", "width": 1},
            annotation_text=t(text),
            annotation_font={"size": 10},
        )
    if not drawn:
        figure.add_annotation(
            text=t("chart.nothing"), showarrow=False, x=0.5, y=0.5, xref="paper", yref="paper"
        )
        figure.update_xaxes(showticklabels=False)
        figure.update_yaxes(showticklabels=False)
    return figure.update_layout(showlegend=drawn > 1)


def live_charts(stage: str, rows: Sequence[dict], t: Texts) -> list[go.Figure]:
    """All charts of a stage, in the order of `CHARTS`."""
    return [live(chart, rows, t) for chart in CHARTS[stage]]


def add_run(figure: go.Figure, curve: Curve, smoothing: float, name: str, colour: str, dash: str) -> None:
    """Add the curve of one run; a smoothed one has the raw one faintly behind it."""
    xs, ys = thinned(list(curve.x), list(curve.y))
    if smoothing:
        figure.add_scatter(
            x=xs, y=ys, mode="lines", line={"color": colour, "width": 1}, opacity=0.25, showlegend=False,
            hoverinfo="skip", connectgaps=False, legendgroup=name,
        )  # fmt: skip
        xs, ys = thinned(list(curve.x), smoothed(curve.y, smoothing))
    figure.add_scatter(
        x=xs, y=ys, name=name, mode="lines+markers" if len(xs) < 25 else "lines", marker={"size": 4},
        line={"color": colour, "width": 2, "dash": dash}, connectgaps=False, legendgroup=name,
    )  # fmt: skip


def add_band(figure: go.Figure, band: Band, smoothing: float, name: str, colour: str, dash: str) -> None:
    """Add the mean of several seeds, and behind it what lies within one standard deviation."""
    low, mean, high = (smoothed(list(values), smoothing) for values in (band.low, band.mean, band.high))
    xs = list(band.x)
    figure.add_scatter(
        x=xs + xs[::-1], y=high + low[::-1], fill="toself", fillcolor=faint(colour), line={"width": 0},
        mode="lines", hoverinfo="skip", showlegend=False, legendgroup=name,
    )  # fmt: skip
    figure.add_scatter(
        x=xs,
        y=mean,
        name=name,
        mode="lines",
        line={"color": colour, "width": 2, "dash": dash},
        legendgroup=name,
    )


def faint(colour: str) -> str:
    """A colour such as "#5b6ee1" with little opacity, for areas."""
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red},{green},{blue},.18)"


def bars(
    title: str,
    values: dict[str, float | None],
    *,
    errors: dict[str, tuple[float, float]] | None = None,
    line: tuple[float, str] | None = None,
) -> go.Figure:
    """One bar per policy, in the policy's colour. errors: intervals (low, high). line: a horizontal mark and
    its label."""
    figure = empty(title, height=300)
    known = {name: number for name, v in values.items() if (number := finite(v)) is not None}
    figure.add_bar(
        x=list(known),
        y=list(known.values()),
        error_y=interval(known, errors),
        width=0.55,
        marker={"color": [COLOURS.get(n, GREY) for n in known]},
        text=[f"{v:#.3g}" for v in known.values()],
        textposition="outside",
        cliponaxis=False,
    )
    if line:
        figure.add_hline(y=line[0], line={"color": GREY, "dash": "dot"}, annotation_text=line[1])
    top = max([v for v in known.values()] + ([line[0]] if line else []) + [0.0])
    bottom = min([v for v in known.values()] + [0.0])
    room = (top - bottom) * 0.15 or 1.0
    return figure.update_yaxes(range=[bottom - (room if bottom < 0 else 0), top + room])


def interval(
    known: Mapping[str, float], errors: Mapping[str, tuple[float, float]] | None, colour: str = GREY
) -> dict[str, Any] | None:
    """Plotly's error bars from intervals (low, high); a value without one has a bar of no length."""
    if not errors:
        return None
    spans = {name: errors.get(name) for name in known}
    return {
        "type": "data",
        "symmetric": False,
        "color": colour,
        "thickness": 1.4,
        "array": [s[1] - known[n] if s else 0 for n, s in spans.items()],
        "arrayminus": [known[n] - s[0] if s else 0 for n, s in spans.items()],
    }


def frontier(
    points: dict[str, tuple[float | None, float | None]],
    title: str,
    x_title: str,
    y_title: str,
    limit: tuple[float, str] | None = None,
    errors: Mapping[str, tuple[float, float]] | None = None,
) -> go.Figure:
    """A scatter of policies: x (KL per token) against y (gold or score); `limit` marks a goal on x.

    The symbols are outlines of different shapes and sizes, so that two policies at one place are both seen.
    errors: intervals (low, high) of y.
    """
    figure = empty(title, height=300)
    known = {
        name: (right, up)
        for name, (x, y) in points.items()
        if (right := finite(x)) is not None and (up := finite(y)) is not None
    }
    for number, (name, (x, y)) in enumerate(known.items()):
        symbol, size = SYMBOLS[number % len(SYMBOLS)]
        colour = COLOURS.get(name, GREY)
        figure.add_scatter(
            x=[x], y=[y], name=name, mode="markers",
            marker={"size": size, "symbol": symbol, "color": colour, "line": {"width": 2.5, "color": colour}},
            error_y=interval({name: y}, errors, colour),
        )  # fmt: skip
    edge = max([x for x, _ in known.values()] + ([limit[0]] if limit else [0.1])) * 1.2
    if limit:
        figure.add_vline(x=limit[0], line={"color": GREY, "dash": "dot"}, annotation_text=limit[1])
    figure.update_xaxes(title=x_title, range=[-edge / 20, edge]).update_yaxes(title=y_title)
    below = {"orientation": "h", "x": 0.5, "xanchor": "center", "y": -0.32}
    return figure.update_layout(hovermode="closest", showlegend=True, legend=below, margin={"l": 56, "b": 80})

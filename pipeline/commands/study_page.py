"""The report of a study as one HTML page, with Plotly inside and no request to any network. No torch."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from evaluation.study_findings import ArmResult, Findings, Measured
from pipeline.commands.study_progress import Progress

COLOURS = {
    "bf16": "#5b6ee1", "bf16-again": "#8f9bea", "int8": "#159a8c", "int4": "#d9822b",
    "post-int8": "#6bbfb5", "post-int4": "#e8b27a", "2-bit": "#d64545", "bag-of-words": "#7c8aa5",
}  # fmt: skip
_STYLE = """
body{font:16px/1.55 system-ui,sans-serif;color:#1d2433;max-width:62rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2rem}
.verdict{font-size:1.1rem;border-left:4px solid #4f5bd5;padding:.4rem 1rem;background:#f3f4fb}
.scroll{overflow-x:auto}table{border-collapse:collapse}td,th{padding:.25rem .7rem;text-align:right;
border-bottom:1px solid #dfe3ec}td:first-child,th:first-child{text-align:left}.quiet{color:#5b677d}
code{overflow-wrap:anywhere}
"""


def page(measured: Measured, found: Findings, how_far: Progress, content: Mapping[str, Any]) -> str:
    """The HTML text. content: the report's JSON, for the design and its origin."""
    name = str(content["study"])
    limits = "".join(f"<li>{escape(limit)}</li>" for limit in found.limits)
    parts = [
        f"<h1>Study: {escape(name)}</h1>",
        f'<p class="verdict">{escape(found.sentence)}</p>',
        f"<ol>{limits}</ol>" if limits else "",
        f'<p class="quiet">{escape(_how_far(how_far, measured))}</p>',
        *_differences(measured, found),
        *_power(found),
        *_over_kl(measured, found),
        "<h2>The design</h2>",
        _design(content),
    ]
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Study {escape(name)}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style>'
        f"<script>{get_plotlyjs()}</script></head><body><main>{''.join(parts)}</main></body></html>"
    )


def forest(measured: Measured, found: Findings) -> go.Figure:
    """Each arm's difference from the reference: replicates, the mean with its 95 % interval, the margin."""
    figure = go.Figure()
    margin = measured.question.margin * float(np.mean(found.gains)) if found.gains else 0.0
    figure.add_vrect(-margin, margin, fillcolor="#4f5bd5", opacity=0.1, line_width=0)
    figure.add_vline(0, line_color="#8792a8", line_width=1)
    for arm in reversed(found.arms):
        colour = COLOURS.get(arm.arm, "#333333")
        label = [arm.arm]
        figure.add_scatter(
            x=arm.differences, y=label * len(arm.differences), mode="markers", name=f"{arm.arm}, replicates",
            marker={"color": colour, "opacity": 0.35, "size": 7},
        )  # fmt: skip
        if arm.mean is not None and arm.low is not None and arm.high is not None:
            error = {"array": [arm.high - arm.mean], "arrayminus": [arm.mean - arm.low], "thickness": 2}
            figure.add_scatter(
                x=[arm.mean], y=label, mode="markers", name=f"{arm.arm}, mean and 95 % interval",
                marker={"color": colour, "size": 11, "symbol": "diamond"}, error_x={"type": "data", **error},
            )  # fmt: skip
    figure.update_layout(showlegend=False)  # the axis names the arms
    return _laid_out(
        figure, f"gold minus that of {measured.question.reference}", "", 120 + 55 * len(found.arms)
    )


def over_kl(measured: Measured, found: Findings) -> go.Figure:
    """The gain in gold of every policy over the root of its KL, with the fitted curve of each arm where it
    predicts more than a straight line."""
    figure = go.Figure()
    start = {one.replicate: one.gold for one in measured.points if not one.arm}
    for curve in found.curves:
        points = [one for one in measured.points if one.arm == curve.arm and one.replicate in start]
        colour = COLOURS.get(curve.arm, "#333333")
        figure.add_scatter(
            x=[math.sqrt(max(one.kl, 0.0)) for one in points],
            y=[one.gold - start[one.replicate] for one in points],
            text=[f"replicate {one.replicate}, kl_coef {one.kl_coef}, step {one.step}" for one in points],
            mode="markers", name=curve.arm, legendgroup=curve.arm, marker={"color": colour, "size": 6},
        )  # fmt: skip
        if curve.curve and curve.curve.predicts and points:
            d = np.linspace(0, math.sqrt(max(one.kl for one in points)), 80)
            figure.add_scatter(
                x=d, y=curve.curve.gain(d), mode="lines", name=f"{curve.arm}, fitted",
                legendgroup=curve.arm, line={"color": colour, "width": 1.5},
            )  # fmt: skip
    figure.add_vline(math.sqrt(measured.question.kl), line_dash="dot", line_color="#8792a8")
    return _laid_out(figure, "√KL from SFT (root of nats per sequence)", "gain in gold over SFT", 460)


def _laid_out(figure: go.Figure, x: str, y: str, height: int) -> go.Figure:
    figure.update_layout(
        template="plotly_white", height=height, margin={"l": 10, "r": 10, "t": 10, "b": 10},
        xaxis={"title": x, "automargin": True}, yaxis={"title": y, "automargin": True},
        legend={"orientation": "h", "y": -0.25},
    )  # fmt: skip
    return figure


def _drawn(figure: go.Figure) -> str:
    return str(figure.to_html(full_html=False, include_plotlyjs=False, config={"displaylogo": False}))


def _how_far(how_far: Progress, measured: Measured) -> str:
    failed = f"; ended early: {', '.join(how_far.failed)}" if how_far.failed else ""
    return (
        f"{len(how_far.replicates)} of {measured.replicates} replicates are complete, {how_far.done} of "
        f"{how_far.planned} runs are done, which took {how_far.seconds / 3600:.2f} hours{failed}."
    )


def _differences(measured: Measured, found: Findings) -> Iterable[str]:
    if not found.arms:
        return
    question = measured.question
    yield f"<h2>Gold at {question.kl:g} nats per sequence, compared with {question.reference}</h2>"
    points = {
        "snapshots": "Gold is that of a PPO run where it first comes to this KL, between its snapshots.",
        "trained": "Gold lies on the straight line in √KL from SFT to the trained policy.",
    }[question.points]
    yield f'<p class="quiet">{points} One dot per replicate; the shaded band is the margin.</p>'
    yield _drawn(forest(measured, found))
    yield _table(
        (
            "arm",
            "role",
            "replicates",
            "mean",
            "95 % interval",
            "90 % interval",
            "p same",
            "p differs",
            "shown",
        ),
        [_row(arm) for arm in found.arms],
    )


def _row(arm: ArmResult) -> tuple[str, ...]:
    return (
        arm.arm,
        arm.role,
        str(len(arm.replicates)),
        _signed(arm.mean),
        f"{_signed(arm.low)} to {_signed(arm.high)}",
        f"{_signed(arm.low_90)} to {_signed(arm.high_90)}",
        f"{arm.p_equivalent:.4f}",
        f"{arm.p_different:.4f}",
        arm.outcome or "–",
    )


def _power(found: Findings) -> Iterable[str]:
    one = found.precision
    if one is None:
        return
    needed = "more than 10,000" if one.needed is None else str(one.needed)
    yield (
        f"<p>Without regard to signs, a paired difference has a standard deviation of {one.sd:.4f}, and "
        f"the margin is {one.margin:.4f}. If there is no difference, {one.replicates} replicates show that "
        f"with a probability of {one.power:.0%}; the planned power needs {needed} replicates.</p>"
    )


def _over_kl(measured: Measured, found: Findings) -> Iterable[str]:
    if not found.curves:
        return
    yield "<h2>Gold over the distance from SFT</h2>"
    yield (
        '<p class="quiet">R(d) = d(α − β log d), d = √KL (Gao et al. 2023), is fitted on the nearer half of '
        "the range of d and tested on the farther half, beside a straight line. A curve is drawn where it "
        "predicts the farther half better than the line. The dotted line is the KL at which the arms are "
        "compared.</p>"
    )
    yield _drawn(over_kl(measured, found))
    rows = []
    for one in found.curves:
        if curve := one.curve:
            best = "–" if curve.best_distance is None else f"{min(curve.best_distance, 1e6):.3g}"
            cells = [curve.alpha, curve.beta, curve.rmse_fit, curve.rmse_test, curve.rmse_line]
            rows.append((one.arm, *(f"{cell:.4f}" for cell in cells), best))
        else:
            rows.append((one.arm, one.reason, *[""] * 5))
    yield _table(
        ("arm", "α", "β", "error, nearer half", "error, farther half", "error of a line", "best d"), rows
    )


def _design(content: Mapping[str, Any]) -> str:
    facts = {"sha256 of the design": content["sha256"], "made": content["made"], **(content["design"])}
    facts |= {f"fingerprint of the {name}": value for name, value in (content["origin"] or {}).items()}
    cells = "".join(
        f"<tr><td>{escape(str(name))}</td><td><code>{escape(str(value))}</code></td></tr>"
        for name, value in facts.items()
    )
    return (
        f'<div class="scroll"><table>{cells}</table></div><p class="quiet">report.json has the measurements '
        f"from which every figure of this page is computed.</p>"
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    header = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    lines = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="scroll"><table><tr>{header}</tr>{lines}</table></div>'


def _signed(value: float | None) -> str:
    return "–" if value is None else f"{value:+.4f}"

"""Measures time and memory of a PPO step as functions of batch size, response length and width of the base.

The benchmark starts from one size (distilgpt2's shape with 6 layers, 8 prompts of 64 tokens, responses of 64
tokens) and changes one quantity at a time: 4 batch sizes, 4 response lengths, 3 widths, bf16. Each point runs in
a separate process, as in `ppo_step.py`. Weights are random, so only time and memory have a meaning. `growth` is
the local exponent between neighbouring points, log(cost ratio) / log(size ratio): 1 means proportional; below 1
a fixed part contributes.

    python -m benchmarks.ppo_size [--steps 2] [--json FILE] [--picture docs/ppo_size.png]
"""

from __future__ import annotations

import argparse
import math
import shutil
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks import ppo_cases
from benchmarks.ppo_step import measure
from data.files import write_json
from pipeline.runs.hardware import hardware

START = replace(ppo_cases.CASES["distilgpt2-8"], micro_batch=8)
SWEEPS: dict[str, list[dict[str, Any]]] = {
    "batch": [{"batch": n} for n in (4, 8, 16, 32)],
    "response_length": [{"response_length": n} for n in (32, 64, 128, 256)],
    "width": [{"width": n, "heads": n // 64} for n in (256, 512, 768)],
}
LABELS = {"batch": "prompts per step", "response_length": "response tokens", "width": "width of the base"}


def sweep(name: str, options, scratch: Path) -> list[dict]:
    """The rows of one sweep, in order of size."""
    rows: list[dict] = []
    for number, change in enumerate(SWEEPS[name]):
        case = replace(START, **change)
        folder = scratch / f"{name}-{number}"
        ppo_cases.make_base(case, folder / "base")
        ppo_cases.make_workspace(case, folder / "workspace", folder / "base", ["bf16"])
        found = measure("ours", case, folder, options, mode="controlled", precision="bf16")
        row = {"sweep": name, "size": getattr(case, name), **found}
        print(f"  {LABELS[name]} {row['size']}: {row['seconds']:.2f} s", file=sys.stderr, flush=True)
        before = rows[-1] if rows else None
        for cost in ("seconds", "peak_bytes"):
            row[f"{cost}_growth"] = growth(before, row, cost) if before else None
        rows.append(row)
    return rows


def growth(before: dict, row: dict, cost: str) -> float:
    """The exponent of a cost between two sizes."""
    return math.log(row[cost] / before[cost]) / math.log(row["size"] / before["size"])


def show(rows: list[dict]) -> None:
    print(f"{'':<18}{'size':>6}{'seconds':>9}{'growth':>8}{'generate':>10}{'score':>8}{'update':>8}"
          f"{'peak MB':>9}{'growth':>8}")  # fmt: skip
    for row in rows:
        growths = [f"{row[f'{c}_growth']:.2f}" if row[f"{c}_growth"] is not None else ""
                   for c in ("seconds", "peak_bytes")]  # fmt: skip
        print(f"{LABELS[row['sweep']]:<18}{row['size']:>6}{row['seconds']:>9.2f}{growths[0]:>8}"
              f"{row['generate_seconds']:>10.2f}{row['score_seconds']:>8.2f}{row['update_seconds']:>8.2f}"
              f"{row['peak_bytes'] / 1e6:>9.0f}{growths[1]:>8}")  # fmt: skip


def draw(rows: list[dict], path: Path) -> None:
    """Draw six small charts, time above memory, as a PNG with Chromium."""
    import plotly.graph_objects as go
    from playwright.sync_api import sync_playwright
    from plotly.subplots import make_subplots

    from benchmarks.screenshots import FLAGS

    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    figure = make_subplots(rows=2, cols=3, vertical_spacing=0.12)
    for column, (name, label) in enumerate(LABELS.items(), start=1):
        points = [row for row in rows if row["sweep"] == name]
        sizes = [row["size"] for row in points]
        for line, key, title, scale in (
            (1, "seconds", "seconds per step", 1),
            (2, "peak_bytes", "peak MB", 1e6),
        ):
            values = [row[key] / scale for row in points]
            figure.add_trace(
                go.Scatter(x=sizes, y=values, mode="lines+markers", line_color="#3b6fd4"),
                row=line,
                col=column,
            )
            figure.update_yaxes(
                title=title if column == 1 else None, rangemode="tozero", row=line, col=column
            )
        figure.update_xaxes(tickvals=sizes, col=column)
        figure.update_xaxes(title=label, row=2, col=column)
    figure.update_layout(width=960, height=520, showlegend=False, template="plotly_white",
                         margin=dict(l=60, r=20, t=20, b=50))  # fmt: skip
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        html = Path(folder) / "figure.html"
        figure.write_html(html)
        browser = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
        page = browser.new_page(viewport={"width": 960, "height": 520})
        page.goto(html.as_uri(), timeout=180_000)
        page.wait_for_timeout(1000)
        page.locator(".plotly-graph-div").screenshot(path=path)
        browser.close()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sweeps", nargs="+", default=list(SWEEPS), choices=list(SWEEPS))
    parser.add_argument(
        "--steps", type=int, default=2, help="timed steps per process, after one warm-up step"
    )
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--picture", type=Path, metavar="FILE.png")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        rows = [row for name in options.sweeps for row in sweep(name, options, Path(scratch))]
    show(rows)
    if options.json:
        write_json(options.json, {"rows": rows, "hardware": hardware()})
    if options.picture:
        draw(rows, options.picture)


if __name__ == "__main__":
    main()

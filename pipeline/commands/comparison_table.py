"""The table that `all` prints: it compares reward models and policies, from the records of their runs."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from data.policies import PRECISIONS
from data.workspace import Workspace
from pipeline.runs.lineage import Lineage
from pipeline.runs.progress import clock_time
from pipeline.runs.reader import RunReader
from pipeline.runs.record_file import RunRecord


def comparison(workspace: Workspace, preset: str, seeds: Sequence[int] | None = None) -> str:
    """The table of reward models and policies as text; seeds=None takes the newest run of each."""
    lines = [
        f"{'arm':<6} {'seed':>5}  {'accuracy':>8} {'AUC':>6} {'ECE':>6}  {'gain':>6} {'KL/token':>8} "
        f"{'win rate':>8}  {'gold':>6} {'SFT gold':>8}  {'time':>7} {'peak GB':>7}"
    ]
    judged: list[str] = []
    found: dict[str, list[list[float | None]]] = {}
    line = Lineage(RunReader(workspace))
    for seed in seeds if seeds is not None else [None]:
        same = {} if seed is None else {"seed": seed}
        for precision in PRECISIONS:
            reward = line.newest_done("reward", preset, precision, **same)
            ppo = line.newest_done("ppo", preset, precision, **same)
            if reward or ppo:
                lines.append(_row(precision, reward, ppo))
                found.setdefault(precision, []).append(_figures(reward, ppo))
                judged += _judged(line, ppo)
    for precision, figures in found.items():
        if len(figures) > 1:
            lines += _over_seeds(precision, figures)
    headroom = next(
        (
            run
            for run in line.records
            if run.stage == "ppo" and run.status == "done" and run.preset == preset and run.against_gold
        ),
        None,
    )
    if headroom:
        lines.append(_row("gold", None, headroom))
    if judged:
        lines += [
            "",
            f"{'judge':<8} {'seed':>5}  {'gain':>6} {'win rate (95 %)':>20}  {'best step':>9}",
            *judged,
        ]
    return "\n".join(lines) if len(lines) > 1 else "nothing to compare yet"


def _judged(line: Lineage, ppo: RunRecord | None) -> list[str]:
    """The judge's line on a policy, from the newest evaluation that compared it; [] without a judge."""
    for run in line.records:
        known = run.stage == "evaluate" and run.status == "done" and run.results.get("judge")
        for row in run.results.get("table", ()) if known and ppo else ():
            if ppo and row.get("run") == ppo.id and row.get("win_rate_ci_judge"):
                low, high = row["win_rate_ci_judge"]
                wins = f"{row['win_rate_judge']:.3f} ({low:.3f} to {high:.3f})"
                gain, best = row["score_gain_judge"], run.results["best_step"].get(row["policy"])
                shown = "-" if gain is None else f"{gain:.3f}"
                return [f"{row['policy']:<8} {ppo.seed:>5}  {shown:>6} {wins:>20}  {best!s:>9}"]
    return []


def _figures(reward: RunRecord | None, ppo: RunRecord | None) -> list[float | None]:
    """The measured columns of a row, in the order of the table's header."""
    names = [(reward, n) for n in ("accuracy", "auc", "ece")]
    names += [(ppo, n) for n in ("score_gain", "kl_per_token", "win_rate_vs_sft", "gold_mean", "gold_sft")]
    values = [run.results.get(name) if run else None for run, name in names]
    return [value if isinstance(value, int | float) else None for value in values]


def _cells(figures: Sequence[float | None]) -> str:
    widths = (8, 6, 6, 6, 8, 8, 6, 8)
    cells = [f"{'-' if f is None else f'{f:.3f}':>{w}}" for f, w in zip(figures, widths, strict=True)]
    return f"{' '.join(cells[:3])}  {' '.join(cells[3:6])}  {' '.join(cells[6:])}"


def _over_seeds(arm: str, found: Sequence[Sequence[float | None]]) -> list[str]:
    """Mean and sample standard deviation (n - 1) of each column over the seeds that have a value."""
    columns = [[f for f in column if f is not None] for column in zip(*found, strict=True)]
    means = [statistics.fmean(column) if column else None for column in columns]
    spreads = [statistics.stdev(column) if len(column) > 1 else None for column in columns]
    return [f"{arm:<6} {'mean':>5}  {_cells(means)}", f"{arm:<6} {'± sd':>5}  {_cells(spreads)}"]


def _row(arm: str, reward: RunRecord | None, ppo: RunRecord | None) -> str:
    either = ppo or reward
    assert either is not None, "a row needs a run"
    peak = either.resources.peak_cuda_bytes or either.resources.peak_rss_bytes
    return (
        f"{arm:<6} {either.seed:>5}  {_cells(_figures(reward, ppo))}  "
        f"{clock_time(either.seconds or 0):>7} {(peak or 0) / 1e9:>7.2f}"
    )

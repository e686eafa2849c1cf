"""The table that `all` prints: it compares reward models and policies, from the records of their runs."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from data.policies import PRECISIONS
from data.workspace import Workspace
from evaluation.equivalence import mean_interval
from pipeline.runs.lineage import Lineage
from pipeline.runs.progress import clock_time
from pipeline.runs.reader import RunReader
from pipeline.runs.record_file import RunRecord

_Pair = tuple[RunRecord | None, RunRecord | None]  # the reward model and the policy of one seed
_COLUMNS = (
    "accuracy", "auc", "ece",
    "score_gain", "kl_per_token", "win_rate_vs_sft", "gold_mean", "gold_sft",
)  # fmt: skip
_OWN_SCALE = ("score_gain", "win_rate_vs_sft")  # scored by the policy's own reward model: no common scale


def comparison(workspace: Workspace, preset: str, seeds: Sequence[int] | None = None) -> str:
    """The table of reward models and policies as text; seeds=None takes the newest run of each."""
    lines = [
        f"{'arm':<6} {'seed':>5}  {'accuracy':>8} {'AUC':>6} {'ECE':>6}  {'gain':>6} {'KL/token':>8} "
        f"{'win rate':>8}  {'gold':>6} {'SFT gold':>8}  {'time':>7} {'peak GB':>7}"
    ]
    judged: list[str] = []
    found: dict[str, list[_Pair]] = {}
    line = Lineage(RunReader(workspace))
    for seed in seeds if seeds is not None else [None]:
        same = {} if seed is None else {"seed": seed}
        for precision in PRECISIONS:
            reward = line.newest_done("reward", preset, precision, **same)
            ppo = line.newest_done("ppo", preset, precision, **same)
            if reward or ppo:
                lines.append(_row(precision, reward, ppo))
                found.setdefault(precision, []).append((reward, ppo))
                judged += _judged(line, ppo)
    for precision, runs in found.items():
        if len(runs) > 1:
            lines += _over_seeds(precision, runs, found.get("bf16", []))
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
    names = [(reward, n) for n in _COLUMNS[:3]] + [(ppo, n) for n in _COLUMNS[3:]]
    values = [run.results.get(name) if run else None for run, name in names]
    return [value if isinstance(value, int | float) else None for value in values]


def _cells(figures: Sequence[float | None]) -> str:
    widths = (8, 6, 6, 6, 8, 8, 6, 8)
    cells = [f"{'-' if f is None else f'{f:.3f}':>{w}}" for f, w in zip(figures, widths, strict=True)]
    return f"{' '.join(cells[:3])}  {' '.join(cells[3:6])}  {' '.join(cells[6:])}"


def _over_seeds(arm: str, runs: Sequence[_Pair], reference: Sequence[_Pair]) -> list[str]:
    """The mean of each column over the seeds; for other arms than bf16 also the paired difference from bf16
    of the same seed, which has the same prompts, with half the width of its 95 % t interval over the seeds.

    A standard deviation of the columns themselves would mislead: each seed draws other prompts, and that part
    of the spread is the same for all arms.
    """
    columns = [_known(column) for column in zip(*(_figures(*one) for one in runs), strict=True)]
    means = [statistics.fmean(column) if column else None for column in columns]
    lines = [f"{arm:<6} {'mean':>5}  {_cells(means)}"]
    if arm == "bf16":
        return lines
    differences = [
        _difference(one, other) for one in runs for other in reference if _same_prompts(one, other)
    ]
    if len(differences) < 2:
        return lines
    columns = [_known(column) for column in zip(*differences, strict=True)]
    shifts = [statistics.fmean(column) if len(column) > 1 else None for column in columns]
    halves = [_half_width(column) for column in columns]
    return [*lines, f"{arm:<6} {'-bf16':>5}  {_cells(shifts)}", f"{'':<6} {'±95 %':>5}  {_cells(halves)}"]


def _same_prompts(one: _Pair, other: _Pair) -> bool:
    """Whether two arms were measured on the same prompts: of one data set, drawn by the same seed."""

    def prompts(run: RunRecord | None) -> tuple[object, ...] | None:
        return (run.parents.dataset, run.seed, run.config.get("eval_prompts")) if run else None

    return [prompts(run) for run in one] == [prompts(run) for run in other]


def _difference(one: _Pair, other: _Pair) -> list[float | None]:
    pairs = zip(_COLUMNS, _figures(*one), _figures(*other), strict=True)
    return [None if a is None or b is None or name in _OWN_SCALE else a - b for name, a, b in pairs]


def _half_width(values: Sequence[float]) -> float | None:
    if len(values) < 2:
        return None
    interval = mean_interval(values)
    return (interval.high - interval.low) / 2


def _known(values: Sequence[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def _row(arm: str, reward: RunRecord | None, ppo: RunRecord | None) -> str:
    either = ppo or reward
    assert either is not None, "a row needs a run"
    peak = either.resources.peak_cuda_bytes or either.resources.peak_rss_bytes
    return (
        f"{arm:<6} {either.seed:>5}  {_cells(_figures(reward, ppo))}  "
        f"{clock_time(either.seconds or 0):>7} {(peak or 0) / 1e9:>7.2f}"
    )
